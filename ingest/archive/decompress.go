package archive

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back zstd may refer, and so what it may keep in memory. It
// is what the zstd command accepts without being asked.
const maxWindow = 128 << 20

// magicSize is how many bytes tell how something is compressed.
const magicSize = 4

// A Stream is an upload's content, decompressed where it is compressed.
type Stream struct {
	Compression string // "gzip", "zstd", or "" where there is none

	limits   Limits
	stored   *counter
	unpacked int64
	r        io.Reader
	close    func()
	err      error // sticky
}

// Decompress returns what r holds, unpacked where it is gzip or zstd. An upload
// that passes a limit, or is no such thing after all, ends in a [*Fault]; the
// errors of r itself come as they are, and text that ends too early in
// [io.ErrUnexpectedEOF]. Close it.
func Decompress(r io.Reader, l Limits) (*Stream, error) {
	s := &Stream{limits: l.orDefaults(), stored: &counter{r: r}, close: func() {}}
	in := bufio.NewReaderSize(s.stored, 64<<10)
	magic, err := in.Peek(magicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		s.Compression = "gzip"
		s.r, err = gzip.NewReader(in)
	case isZstd(magic):
		s.Compression = "zstd"
		var z *zstd.Decoder
		z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			s.r, s.close = z, z.Close
		}
	default: // as it is stored, and nothing comes out of it
		s.r, err = in, nil
		s.limits.Unpacked, s.limits.Ratio = math.MaxInt64, math.MaxFloat64
	}
	if err != nil {
		return nil, s.fault(err)
	}
	return s, nil
}

// Plain returns what r holds as it is, whatever it looks like: what was unpacked
// once is not unpacked again.
func Plain(r io.Reader, l Limits) (*Stream, error) {
	s := &Stream{limits: l.orDefaults(), stored: &counter{r: r}, close: func() {}}
	s.r = s.stored
	s.limits.Unpacked, s.limits.Ratio = math.MaxInt64, math.MaxFloat64
	return s, nil
}

// isZstd knows a frame, and the skippable ones that some tools put before it.
func isZstd(magic []byte) bool {
	if len(magic) < magicSize {
		return false
	}
	m := binary.LittleEndian.Uint32(magic)
	return m == 0xfd2fb528 || m&^0xf == 0x184d2a50
}

// Read reads decompressed bytes.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.unpacked += int64(n)
	if over := s.limits.check(s.stored.n, s.unpacked); over != nil {
		s.err = over
		return 0, s.err
	}
	if err != nil {
		s.err = s.fault(err)
	}
	return n, s.err
}

// fault makes what a decompressor says of its input a Fault, and leaves what the
// reader below it says.
func (s *Stream) fault(err error) error {
	switch {
	case err == io.EOF && s.r != nil, errors.Is(err, io.ErrUnexpectedEOF), s.Compression == "", s.stored.err != nil:
		return err
	case err == io.EOF: // inside the header
		return io.ErrUnexpectedEOF
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &Fault{
			Limit: true, Err: err, Reason: "zstd that refers back further than " + size(maxWindow),
			Hint: "compress it without --long and --ultra",
		}
	}
	return &Fault{Reason: "damaged " + s.Compression + ": " + err.Error(), Err: err}
}

// Close frees what the decompressor holds. It does not close the reader below.
func (s *Stream) Close() { s.close() }

// A counter counts what is read, and keeps the fault of the reader below.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

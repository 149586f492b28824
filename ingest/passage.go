package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/schemas/lake"
)

// chunksAhead is how many chunks of an upload may be in memory at a time.
const chunksAhead = 8

// A passage is an upload going by, once, chunk by chunk: past its digest, past
// the compressor that keeps it, and past the reader of its records, each at work
// on its own goroutine. What is kept, what is digested and what is read are the
// same bytes, also of a stream, and of a file that changes meanwhile.
type passage struct {
	src    *source
	unpack func(io.Reader, archive.Limits) (*archive.Stream, error)
	limits archive.Limits
	rawUpload

	room    chan struct{} // filled by the chunks in memory
	parse   chan *chunk
	sum     chan *chunk
	keep    chan *chunk
	left    chan struct{} // closed when the reader of records has gone
	leave   sync.Once
	at      *chunk // with the reader of records
	rest    []byte // of it
	working sync.WaitGroup

	tooLarge error // known before it was read
	keepErr  error
}

// A rawUpload is an upload that went by. All but the blob is known at its end.
type rawUpload struct {
	*lake.Blob        // the upload, compressed; nil where it is not kept
	sha256     string // of the decompressed bytes
	size       int64
	compressed bool
	cut        bool  // the compressed upload ends early
	damage     error // why the rest could not be decompressed
}

// over reports whether a limit was passed.
func (raw *rawUpload) over() bool {
	var fault *archive.Fault
	return errors.As(raw.damage, &fault) && fault.Limit
}

type chunk struct {
	buf    []byte
	data   []byte // of buf
	packed []byte
	fault  error         // why it could not be packed
	ready  chan struct{} // told when packed or fault is there
	users  atomic.Int32
}

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, chunkSize), ready: make(chan struct{}, 1)} }}

// newPassage begins to read src. Wait for its end in any case.
func newPassage(src *source, unpack func(io.Reader, archive.Limits) (*archive.Stream, error), limits archive.Limits, blob *lake.Blob) *passage {
	p := &passage{
		src: src, unpack: unpack, limits: limits, rawUpload: rawUpload{Blob: blob}, room: make(chan struct{}, chunksAhead), left: make(chan struct{}),
		parse: make(chan *chunk, chunksAhead), sum: make(chan *chunk, chunksAhead), keep: make(chan *chunk, chunksAhead),
	}
	p.working.Go(p.readAll)
	p.working.Go(p.sumAll)
	p.working.Go(p.keepAll)
	return p
}

// readAll reads the upload to its end, whoever still listens.
func (p *passage) readAll() {
	defer close(p.parse)
	defer close(p.sum)
	defer close(p.keep)
	stream, err := p.unpack(p.src, p.limits)
	if err == nil {
		defer stream.Close()
		p.compressed = stream.Compression != ""
	}
	for err == nil {
		p.room <- struct{}{}
		c := chunks.Get().(*chunk)
		c.data, err = fill(stream, c.buf)
		p.pass(c)
	}
	if !errors.Is(err, io.EOF) {
		p.damage = err
	}
}

// fill reads until buf is full or r ends.
func fill(r io.Reader, buf []byte) ([]byte, error) {
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		if n += m; err != nil {
			return buf[:n], err
		}
	}
	return buf, nil
}

// pass gives a chunk to everybody.
func (p *passage) pass(c *chunk) {
	c.users.Store(3)
	p.sum <- c
	if p.Blob != nil {
		go c.pack()
		p.keep <- c
	} else {
		p.release(c)
	}
	select {
	case p.parse <- c:
	case <-p.left:
		p.release(c)
	}
}

func (p *passage) release(c *chunk) {
	if c.users.Add(-1) == 0 {
		chunks.Put(c)
		<-p.room
	}
}

func (c *chunk) pack() {
	c.packed, c.fault = frame(c.packed, c.data)
	c.ready <- struct{}{}
}

func (p *passage) sumAll() {
	sum := newDigest()
	for c := range p.sum {
		sum.Write(c.data)
		p.release(c)
	}
	p.sha256, p.size = sum.hex(), sum.size
}

// keepAll writes chunks in their order, whatever order they were packed in.
func (p *passage) keepAll() {
	for c := range p.keep {
		<-c.ready
		if p.keepErr = cmp.Or(p.keepErr, c.fault); p.keepErr == nil {
			_, p.keepErr = p.Write(c.packed)
		}
		p.release(c)
	}
}

// head returns the first bytes of the upload, before they are read.
func (p *passage) head() []byte {
	p.advance()
	return p.rest[:min(len(p.rest), headSize)]
}

// advance takes the next chunk when there is nothing left of the last.
func (p *passage) advance() bool {
	if len(p.rest) > 0 {
		return true
	}
	if p.at != nil {
		p.release(p.at)
		p.at = nil
	}
	c, ok := <-p.parse
	if ok {
		p.at, p.rest = c, c.data
	}
	return ok
}

// Read is the reader's of records. Damage ends the upload, as far as it sees.
func (p *passage) Read(b []byte) (int, error) {
	if err := p.any(); err != nil {
		return 0, err
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Chunk is Read without copying, see [jsonscan.Chunker].
func (p *passage) Chunk() ([]byte, error) {
	if err := p.any(); err != nil {
		return nil, err
	}
	all := p.rest
	p.rest = nil
	return all, nil
}

// any sees to it that there is something to read.
func (p *passage) any() error {
	for len(p.rest) == 0 {
		if !p.advance() {
			return cmp.Or(p.src.err, io.EOF)
		}
	}
	return nil
}

// wait lets the rest of the upload pass, counts it against the archive that it is
// in, and returns the fault that ends
// everything: of the disk, or a cancelled context. Damaged compression is the
// upload's own fault, and what could be read is kept.
func (p *passage) wait(within *unpacked) error {
	p.leave.Do(func() { close(p.left) })
	if p.at != nil {
		p.release(p.at)
		p.at, p.rest = nil, nil
	}
	for c := range p.parse {
		p.release(c)
	}
	p.working.Wait()
	if p.compressed {
		within.took(p.size)
	}
	if p.src.err != nil {
		return p.src.err
	}
	if errors.Is(p.damage, io.ErrUnexpectedEOF) && p.size > 0 { // the reader says what is whole
		p.cut, p.damage = true, nil
	}
	if errors.Is(p.damage, io.ErrUnexpectedEOF) && p.compressed {
		p.damage = fmt.Errorf("the compressed file ends early, before anything of it can be unpacked (%w): copy it again", p.damage)
	}
	p.damage = cmp.Or(p.tooLarge, p.damage)
	return p.keepErr
}

// A source is an upload being read: it reports progress, stops when the context
// does, and tells a fault of where the bytes come from from a fault in them.
type source struct {
	ctx      context.Context
	r        io.Reader
	progress func(read int64) // so far; may be nil
	read     int64
	err      error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	s.read += int64(n)
	if s.progress != nil {
		s.progress(s.read)
	}
	return n, err
}

// openRaw opens a kept upload, decompressed.
func openRaw(ctx context.Context, path string, progress func(read int64)) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(bufio.NewReaderSize(&source{ctx: ctx, r: f, progress: progress}, 256<<10),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rawReader{Decoder: z, file: f}, nil
}

type rawReader struct {
	*zstd.Decoder
	file *os.File
}

func (r *rawReader) Close() error {
	r.Decoder.Close()
	return r.file.Close()
}

package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A directory names a member in about this many bytes, and has an end of at most
// so many; see zip.
const (
	bytesPerEntry  = 512
	endOfDirectory = 128 << 10
)

const encrypted = 1 // the bit of a member's flags

// zip unpacks a zip. Its directory is read whole, for it comes last and says
// where everything is, so how much of it is read is bounded too.
func (u *unpacker) zip(f *os.File) error {
	at := &directory{r: f, left: int64(u.limits.Entries)*bytesPerEntry + endOfDirectory}
	z, err := zip.NewReader(at, u.stored)
	switch {
	case at.err != nil:
		return at.err
	case errors.Is(err, errDirectory):
		return u.limits.tooMany()
	case err != nil:
		return &Fault{Reason: "a zip without a readable directory at its end", Hint: "copy it again: it may have been cut short", Err: err}
	case len(z.File) > u.limits.Entries:
		return u.limits.tooMany()
	}
	at.left = -1 // the members have limits of their own
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)))
	if err := u.checkZip(z.File); err != nil {
		return err
	}
	for _, m := range z.File {
		if err := u.entry(); err != nil {
			return err
		}
		if err := u.zipMember(m); err != nil {
			return err
		}
		if at.err != nil {
			return at.err
		}
		if start, err := m.DataOffset(); err == nil {
			u.progress(min(start+int64(m.CompressedSize64), u.stored))
		}
	}
	return nil
}

func (u *unpacker) zipMember(m *zip.File) error {
	mode := m.Mode()
	switch {
	case mode.IsDir():
		return nil
	case !mode.IsRegular():
		u.refuse(m.Name, "not a plain file but a link or a device")
		return nil
	case m.Flags&encrypted != 0:
		u.refuse(m.Name, "encrypted")
		return nil
	}
	r, err := m.Open()
	if err != nil {
		u.refuse(m.Name, "cannot be opened: %v", err)
		return nil
	}
	defer r.Close()
	return u.member(m.Name, r)
}

// checkZip looks for a bomb before anything is unpacked: members that say what
// they will become, and members that lie over each other.
func (u *unpacker) checkZip(members []*zip.File) error {
	type extent struct{ from, to int64 }
	var extents []extent
	total := int64(0)
	for _, m := range members {
		if m.UncompressedSize64 > uint64(u.limits.Unpacked) || m.CompressedSize64 > uint64(u.stored) {
			return u.limits.tooUnpacked()
		}
		total += int64(m.UncompressedSize64)
		if err := u.limits.check(u.stored, total); err != nil {
			return err
		}
		from, err := m.DataOffset()
		if err != nil || m.CompressedSize64 == 0 {
			continue // opening it will say
		}
		extents = append(extents, extent{from, from + int64(m.CompressedSize64)})
	}
	slices.SortFunc(extents, func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(extents); i++ {
		if extents[i].from < extents[i-1].to {
			return &Fault{Limit: true, Reason: "members share bytes, as they do in a zip bomb and in no other zip"}
		}
	}
	return nil
}

var errDirectory = errors.New("the directory is too long")

// A directory is a zip of which only so much may be read while its directory is.
type directory struct {
	r    io.ReaderAt
	left int64 // below 0: no limit
	err  error // of r
}

func (d *directory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 { // as the zip has it: no fault of the disk
		return 0, zip.ErrFormat
	}
	n, err := d.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		d.err = err
	}
	if d.left < 0 {
		return n, err
	}
	if d.left -= int64(n); d.left < 0 {
		d.left = 0
		return 0, errDirectory
	}
	return n, err
}

package archive

import (
	"archive/tar"
	"errors"
	"io"
	"os"
)

// tar unpacks a tar, compressed or not, as it streams past.
func (u *unpacker) tar(f *os.File) error {
	in := &counter{r: &telling{f: f, tell: u.progress}}
	stream, err := Decompress(in, u.limits)
	if err != nil {
		return u.tarFault(in, err)
	}
	defer stream.Close()
	t := tar.NewReader(stream)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u.tarFault(in, err)
		}
		if err := u.entry(); err != nil {
			return err
		}
		if err := u.tarMember(h, t); err != nil {
			return u.tarFault(in, err)
		}
	}
	// Behind the last member, the compression says whether all that came is right.
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{stream}, u.buf); err != nil {
		return u.tarFault(in, err)
	}
	return nil
}

func (u *unpacker) tarMember(h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg, tar.TypeGNUSparse:
	default:
		u.refuse(h.Name, "not a plain file but a link or a device")
		return nil
	}
	// Holes of a sparse file take no room in the archive, and unpack all the same.
	if h.Size > u.limits.Unpacked {
		return u.limits.tooUnpacked()
	}
	if err := u.limits.check(u.stored, u.contents.Unpacked+h.Size); err != nil {
		return err
	}
	return u.member(h.Name, r)
}

// tarFault tells what is wrong with the archive from what is wrong with the
// machine. An archive that breaks off keeps the members before the break.
func (u *unpacker) tarFault(in *counter, err error) error {
	var fault *Fault
	switch {
	case in.err != nil:
		return in.err
	case u.ctx.Err() != nil:
		return u.ctx.Err()
	case errors.As(err, &fault) && fault.Limit:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		u.refuse("", "the archive ends early: what came after may be missing; copy it again")
	case errors.As(err, &fault), errors.Is(err, tar.ErrHeader):
		u.refuse("", "the archive is damaged, and the rest of it cannot be read: %v", err)
	default:
		return err
	}
	return nil
}

// A telling reader says how far it is.
type telling struct {
	f    *os.File
	n    int64
	tell func(read int64)
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.f.Read(p)
	t.n += int64(n)
	t.tell(t.n)
	return n, err
}

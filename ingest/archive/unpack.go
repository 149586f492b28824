package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"
	"unicode/utf8"
)

// A Kind is a kind of archive.
type Kind string

// The kinds. None is no archive.
const (
	None Kind = ""
	Zip  Kind = "zip"
	Tar  Kind = "tar"
)

// DetectSize is how many bytes Detect wants to see.
const DetectSize = 512

// Detect tells an archive by the first bytes of what [Decompress] gives.
func Detect(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Zip
	case len(head) >= DetectSize && string(head[257:262]) == "ustar":
		return Tar
	}
	return None
}

// A Refusal is a member that was not unpacked, or with no name, the rest of the
// archive.
type Refusal struct {
	Member string
	Reason string
}

// Contents are what became of an archive.
type Contents struct {
	Files    int   // that were unpacked
	Unpacked int64 // bytes in them
	// Refused are members that were left out, but no more than a thousand of them.
	Refused []Refusal
}

// Unpack unpacks the archive in file into dir, which exists and is empty.
// progress is told how many bytes of the file have been read so far; it may be
// nil. A [*Fault] is the archive's own, and nothing of it should be used; any
// other error is of the machine, or of ctx.
func Unpack(ctx context.Context, file string, kind Kind, dir string, l Limits, progress func(read int64)) (*Contents, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	l = l.orDefaults()
	if info.Size() > l.Stored {
		return nil, l.tooStored()
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if progress == nil {
		progress = func(int64) {}
	}
	u := &unpacker{
		ctx: ctx, root: root, limits: l, stored: info.Size(), progress: progress,
		names: map[string]string{}, buf: make([]byte, 256<<10),
	}
	switch kind {
	case Zip:
		err = u.zip(f)
	case Tar:
		err = u.tar(f)
	default:
		err = fmt.Errorf("%s: no archive", file)
	}
	if err == nil {
		err = ctx.Err()
	}
	return &u.contents, err
}

// An unpacker writes the members of one archive.
type unpacker struct {
	ctx      context.Context
	root     *os.Root // nothing is written outside it, whatever a name says
	limits   Limits
	stored   int64
	progress func(read int64)
	contents Contents
	entries  int
	names    map[string]string // taken, by lower case
	buf      []byte
}

// maxRefused bounds what an archive can make us keep.
const maxRefused = 1000

func (u *unpacker) refuse(member, format string, args ...any) {
	if len(u.contents.Refused) < maxRefused {
		u.contents.Refused = append(u.contents.Refused, Refusal{printable(member), fmt.Sprintf(format, args...)})
	}
}

// printable shortens a name that nobody would read whole, and makes it text.
func printable(name string) string {
	const most = 200
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// entry counts a member, and reports that there are too many.
func (u *unpacker) entry() error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if u.entries++; u.entries > u.limits.Entries {
		return u.limits.tooMany()
	}
	return nil
}

// member unpacks a plain file, or refuses it. The error is of the whole archive.
func (u *unpacker) member(name string, r io.Reader) error {
	clean, why := u.take(name)
	if why != "" {
		u.refuse(name, "%s", why)
		return nil
	}
	file, err := u.create(clean)
	if err != nil {
		return u.unless(name, err)
	}
	err = u.copy(file, r)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		u.contents.Files++
		return nil
	}
	if removing := u.root.Remove(clean); removing != nil {
		return removing
	}
	return u.damaged(name, err)
}

// damaged refuses a member that is damaged. What is wrong with the archive, the
// disk or ctx goes on up.
func (u *unpacker) damaged(name string, err error) error {
	var fault *Fault
	var read *readError
	if errors.As(err, &fault) || !errors.As(err, &read) || u.ctx.Err() != nil {
		return err
	}
	u.refuse(name, "damaged: %v", read.err)
	return nil
}

// unless refuses a member that the file system has no place for: a name that is a
// folder's already, or too long. Other faults are of the machine.
func (u *unpacker) unless(name string, err error) error {
	for _, own := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, fs.ErrExist, fs.ErrInvalid} {
		if errors.Is(err, own) {
			u.refuse(name, "its name cannot be that of a file: another member is in its place, or it is too long")
			return nil
		}
	}
	return err
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// take checks a member's name and reserves it. It returns the name with slashes
// between its parts, or why it is refused.
func (u *unpacker) take(name string) (clean, why string) {
	// Some Windows programs write backslashes. No other has them in a name.
	slashed := strings.ReplaceAll(name, `\`, "/")
	switch {
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return "", "its name is no UTF-8 text"
	case strings.HasPrefix(slashed, "/") || drive.MatchString(name):
		return "", "its name is absolute: it would leave the archive"
	}
	for _, part := range strings.Split(slashed, "/") {
		if part == ".." {
			return "", "its name has .. in it: it would leave the archive"
		}
	}
	clean = path.Clean(slashed)
	if !fs.ValidPath(clean) || clean == "." {
		return "", "it has no name"
	}
	lower := strings.ToLower(clean)
	switch first, taken := u.names[lower]; {
	case taken && first == clean:
		return "", "a member before it has the same name"
	case taken:
		return "", fmt.Sprintf("%s before it has the same name but for letter case", first)
	}
	u.names[lower] = clean
	return clean, ""
}

func (u *unpacker) create(name string) (*os.File, error) {
	if err := u.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return nil, err
	}
	return u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
}

// A readError is a fault of what is read, and not of where it is written.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// copy writes what r holds, under the limits of the whole archive.
func (u *unpacker) copy(w io.Writer, r io.Reader) error {
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(u.buf)
		u.contents.Unpacked += int64(n)
		if over := u.limits.check(u.stored, u.contents.Unpacked); over != nil {
			return over
		}
		if _, err := w.Write(u.buf[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &readError{err}
		}
	}
}

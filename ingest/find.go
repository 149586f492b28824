package ingest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/servestat/servestat/ingest/archive"
)

// An Upload is one file offered to the lake.
type Upload struct {
	// Name is how the user knows the file. It does not depend on where the
	// command runs: the path as it was given, or below the folder that was given.
	Name string
	// Path is where the file lies, for looking around it. Empty for a stream.
	Path string
	Size int64 // bytes as stored; 0 where unknown
	// Labels are what is said of this upload alone, besides Options.Labels.
	Labels map[string]string
	// Tells says that it was met in a folder, and is no result but, as a server log
	// is, something that may tell of results beside it.
	Tells bool
	// Open opens the upload, compressed as it may be.
	Open func() (io.ReadCloser, error)

	met      bool      // in a folder, and not named outright
	within   *unpacked // the archive that it is a member of
	recorded *recorded // what is known of it from before, where it is read again
	share    float64   // bytes of that archive, as stored, for a byte of it
	spooled  bool      // Path is no place that the user knows
	beside   string    // the folder that it lay in, then, where there is one
	fate     *fate     // it stands for an archive itself
}

// Plain opens the upload, decompressed where it is compressed, under the default
// limits.
func (up Upload) Plain() (io.ReadCloser, error) {
	f, err := up.Open()
	if err != nil {
		return nil, err
	}
	stream, err := archive.Decompress(f, archive.Limits{})
	if err != nil {
		f.Close()
		return nil, err
	}
	return &plain{stream, f}, nil
}

type plain struct {
	*archive.Stream
	file io.Closer
}

func (p *plain) Close() error {
	p.Stream.Close()
	return p.file.Close()
}

// Skipped is a file in a folder that is no upload.
type Skipped struct {
	Name string
	Why  string
}

// Find lists the uploads that paths name: files, folders (walked whole, in
// lexical order), globs, and - for stdin. In a folder, only what looks like a
// result or an archive counts; the rest comes back as skipped. A file named
// outright is always an upload, so that a refusal is said and kept. Archives are
// not looked into: [Ingester.Uploads] does.
func Find(paths []string, stdin io.Reader) ([]Upload, []Skipped, error) {
	var f finder
	for _, p := range paths {
		if err := f.add(p, stdin); err != nil {
			return nil, nil, err
		}
	}
	return f.uploads, f.skipped, nil
}

type finder struct {
	uploads []Upload
	skipped []Skipped
	within  *unpacked // where it looks, nil where that is no archive
}

func (f *finder) add(p string, stdin io.Reader) error {
	if p == "-" {
		f.uploads = append(f.uploads, Upload{Name: "stdin", share: 1, Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
		return nil
	}
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(p, "*?[") {
		return f.addGlob(p, stdin)
	}
	var fault *fs.PathError
	if errors.As(err, &fault) {
		return fmt.Errorf("%s: %w", p, fault.Err)
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return f.addFolder(p)
	}
	f.uploads = append(f.uploads, f.fileUpload(p, shownName(p), info.Size()))
	return nil
}

func (f *finder) addGlob(pattern string, stdin io.Reader) error {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	if len(matches) == 0 {
		return fmt.Errorf("%s: no file matches", pattern)
	}
	for _, m := range matches {
		if err := f.add(m, stdin); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) addFolder(root string) error {
	return f.walk(root, shownName(root))
}

// walk takes what a folder holds under the name that it is shown by.
func (f *finder) walk(root, shown string) error {
	root, err := filepath.EvalSymlinks(root) // WalkDir would stop at a link
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return skipLake(p)
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return f.addFound(p, filepath.ToSlash(filepath.Join(shown, rel)))
	})
}

// lakeMarker lies at the top of every lake.
const lakeMarker = "lake.json"

// skipLake keeps a lake inside the walked folder from being taken for input.
func skipLake(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lakeMarker)); err == nil {
		return fs.SkipDir
	}
	return nil
}

// addFound takes a file met in a folder for what its content says it is.
func (f *finder) addFound(p, name string) error {
	info, err := os.Stat(p)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || filepath.Base(p) == SidecarName {
		return nil
	}
	head, err := readHead(p)
	if err != nil {
		f.skipped = append(f.skipped, Skipped{name, err.Error()})
		return nil
	}
	if of, part := partOf(p); part {
		f.skipped = append(f.skipped, Skipped{name, "the same run as " + of + ": read with it"})
		return nil
	}
	_, isResult := detect(head)
	if isResult || isObserved(p, head) || archive.Detect(head) != archive.None {
		up := f.fileUpload(p, name, info.Size())
		up.met = true
		up.Tells = !isResult && archive.Detect(head) == archive.None
		f.uploads = append(f.uploads, up)
		return nil
	}
	f.skipped = append(f.skipped, Skipped{name, explainFile(p, head)})
	return nil
}

func (f *finder) fileUpload(p, name string, size int64) Upload {
	return Upload{Name: name, Path: p, Size: size, share: 1, within: f.within, Open: func() (io.ReadCloser, error) { return openFile(p) }}
}

// shownName is the path as given, unless it says where on this machine we are.
func shownName(p string) string {
	clean := filepath.Clean(p)
	if filepath.IsLocal(clean) && clean != "." {
		return filepath.ToSlash(clean)
	}
	abs, err := filepath.Abs(clean)
	if err != nil {
		return filepath.Base(clean)
	}
	return filepath.Base(abs)
}

const headSize = 64 << 10

// readHead returns the first bytes of a file, decompressed.
func readHead(p string) ([]byte, error) {
	f, err := openHead(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return headOf(f)
}

// headOf returns the first bytes of r, decompressed.
func headOf(r io.Reader) ([]byte, error) {
	stream, err := archive.Decompress(r, archive.Limits{})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(stream, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

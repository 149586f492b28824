package markdown

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// A Folder takes the files of a report, each whole or not at all, as they are made:
// one of a thousand comparisons need not be in memory. Names have no slashes.
type Folder interface {
	WriteFrom(name string, content io.WriterTo) error
}

func writeFile(f Folder, name string, data []byte) error {
	return f.WriteFrom(name, bytes.NewReader(data))
}

// A Dir is a folder on disk. It is made when the first file is written.
type Dir string

// WriteFrom writes the file under a temporary name and renames it: readers see the
// old file or the new one.
func (d Dir) WriteFrom(name string, content io.WriterTo) (err error) {
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), ".tmp-*-"+name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", filepath.Join(string(d), name), err)
		}
	}()
	if _, err := content.WriteTo(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // CreateTemp makes it private
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(string(d), name))
}

// A replacing folder knows what was written into it.
type replacing struct {
	Dir
	written map[string]bool
}

func (r *replacing) WriteFrom(name string, content io.WriterTo) error {
	r.written[name] = true
	return r.Dir.WriteFrom(name, content)
}

// reportFile matches the names that only a report gives to its files, and what
// a killed process leaves of them.
var reportFile = regexp.MustCompile(`^((comparison|sweep)-[0-9]+-[a-z0-9-]+\.png|(truth-checks|run-[a-z]+)\.png|(comparisons|curves)-[0-9]+\.md|report\.html|\.tmp-[0-9]+-.*)$`)

// removeOld removes the files of an earlier report. Files with other names are
// not ours.
func (r *replacing) removeOld() error {
	entries, err := os.ReadDir(string(r.Dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if r.written[e.Name()] || !reportFile.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(string(r.Dir), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/servestat/servestat/cmd/servestat/events"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake"
)

// Buckets opens those that the configuration names.
type Buckets interface {
	// Open gives what lies in a bucket, and by what name its objects are known: it,
	// a slash, and the key.
	Open(ctx context.Context, b events.Bucket) (objects ingest.Objects, name string, err error)
}

// A Folder is a folder of this machine as a bucket. What is read through it stays below
// the folder, whatever links lie there.
type Folder string

var _ ingest.Objects = Folder("")

func (f Folder) open(name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	// Without O_NONBLOCK, a pipe would keep whoever opens it waiting.
	file, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errno := syscall.Errno(0); err != nil && !errors.As(err, &errno) { // it leads out of the folder
		return nil, nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no plain file: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// Get implements [ingest.Objects].
func (f Folder) Get(_ context.Context, name string) (io.ReadCloser, error) {
	file, _, err := f.open(name)
	return file, err
}

// GetRange implements [ingest.Objects].
func (f Folder) GetRange(_ context.Context, name string, from, n int64) (io.ReadCloser, error) {
	file, _, err := f.open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, from, n), file}, nil
}

// Stat implements [ingest.Objects].
func (f Folder) Stat(_ context.Context, name string) (lake.Entry, error) {
	file, info, err := f.open(name)
	if err != nil {
		return lake.Entry{}, err
	}
	defer file.Close()
	return lake.Entry{Name: name, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// List implements [ingest.Objects]. What cannot be opened through the folder, a link
// that leads out of it or a pipe, is not there.
func (f Folder) List(ctx context.Context, folder string, each func(lake.Entry) error) error {
	start := filepath.Clean(filepath.Join(string(f), filepath.FromSlash(folder)))
	return filepath.WalkDir(start, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(string(f), p)
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return nil // it went meanwhile
			}
			return each(lake.Entry{Name: filepath.ToSlash(rel), Size: info.Size(), ModTime: info.ModTime()})
		}
		e, err := f.Stat(ctx, filepath.ToSlash(rel))
		if err != nil {
			return nil
		}
		return each(e)
	})
}

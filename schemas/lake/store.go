package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Store keeps files under names, each written once. Names are slash-separated
// paths. An absent name is [fs.ErrNotExist] to Get, GetRange and Stat, and nothing
// to Delete. What one call has answered, every later one sees.
type Store interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// GetRange reads n bytes from offset from on, or as many as there are.
	GetRange(ctx context.Context, name string, from, n int64) (io.ReadCloser, error)
	// PutIfAbsent publishes the local file under name, whole and lastingly, if name
	// is free, and reports whether it did: of any number of writers, one is told
	// true. An error says that nobody knows; the same call may be made again. The
	// file must not be changed any more.
	PutIfAbsent(ctx context.Context, name, file string) (created bool, err error)
	// List calls each for the names that begin with folder, which ends in a slash or
	// is empty, in no order.
	List(ctx context.Context, folder string, each func(Entry) error) error
	Stat(ctx context.Context, name string) (Entry, error)
	Delete(ctx context.Context, name string) error
}

// An Entry is a published name.
type Entry struct {
	Name    string
	Size    int64
	ModTime time.Time // by the store's clock
	// Version is another one where the content is another; empty where the store has
	// no such thing.
	Version string
}

// A directory is a folder of the file system as a store. A file is published by
// linking it to its name: link(2) is atomic and never overwrites.
type directory struct {
	root string
	// nosync leaves out fsync: for a lake that does not outlive the process.
	nosync bool
}

func (d *directory) path(name string) string {
	return filepath.Join(d.root, filepath.FromSlash(name))
}

func (d *directory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(d.path(name))
}

func (d *directory) GetRange(_ context.Context, name string, from, n int64) (io.ReadCloser, error) {
	file, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, from, n), file}, nil
}

func (d *directory) PutIfAbsent(_ context.Context, name, file string) (created bool, err error) {
	path := d.path(name)
	if err := d.sync(file); err != nil {
		return false, err
	}
	if err := d.mkdirAll(filepath.Dir(path)); err != nil {
		return false, err
	}
	err = os.Link(file, path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("publish %s: %w", name, err)
	}
	return true, d.sync(filepath.Dir(path))
}

// mkdirAll makes dir and makes the names of new folders durable.
func (d *directory) mkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if dir != d.root {
		if err := d.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(parent)
}

// sync makes a file or a folder durable.
func (d *directory) sync(path string) error {
	if d.nosync {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

func (d *directory) List(_ context.Context, folder string, each func(Entry) error) error {
	root := d.path(folder)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // it went meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(d.root, p)
		if err != nil {
			return err
		}
		return each(Entry{Name: filepath.ToSlash(rel), Size: info.Size(), ModTime: info.ModTime()})
	})
}

func (d *directory) Stat(_ context.Context, name string) (Entry, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return Entry{}, err
	}
	return Entry{Name: name, Size: info.Size(), ModTime: info.ModTime()}, nil
}

func (d *directory) Delete(_ context.Context, name string) error {
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// entries lists the files of a folder and below, by name.
func (l *Lake) entries(folder string) (map[string]Entry, error) {
	if folder != "" {
		folder += "/"
	}
	found := map[string]Entry{}
	err := l.store.List(l.ctx, folder, func(e Entry) error {
		found[e.Name] = e
		return nil
	})
	return found, err
}

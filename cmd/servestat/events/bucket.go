package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A Fetcher opens objects of buckets that it was made for. It gives the object's
// size, 0 where that is not known, and fails with [fs.ErrNotExist] where there is no
// such object and with [ErrNotAllowed] where it has no such bucket. The caller closes
// what it is given.
type Fetcher interface {
	Fetch(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error)
}

// ErrNotAllowed is returned for an object that nobody may read by way of an event.
var ErrNotAllowed = errors.New("not a bucket from which objects may be taken")

// A Bucket is one that events may speak of.
type Bucket struct {
	Name   string `yaml:"name"`
	Prefix string `yaml:"prefix"` // keys begin with it
	Tenant string `yaml:"tenant"` // whose lake its objects go to; only this tenant's events count
	Folder string `yaml:"folder"` // where it lies, if it is a folder
}

// Allowed are the buckets that events may speak of: what is not listed is not read,
// whoever asks.
type Allowed []Bucket

// Check says whether an event of a tenant may speak of an object.
func (a Allowed) Check(tenant string, o Object) error {
	for _, b := range a {
		if b.Name == o.Bucket && b.Tenant == tenant && strings.HasPrefix(o.Key, b.Prefix) {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", o.Bucket, ErrNotAllowed)
}

// Folders are buckets that are folders of this machine, by name. What is read
// through it stays below the folder, whatever links lie there.
type Folders map[string]string

// Fetch implements [Fetcher].
func (f Folders) Fetch(_ context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	dir, ok := f[bucket]
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", bucket, ErrNotAllowed)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("bucket %s: %w", bucket, err)
	}
	defer root.Close()
	// Without O_NONBLOCK, a pipe would keep whoever opens it waiting.
	file, err := root.OpenFile(filepath.FromSlash(key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("bucket %s: %w", bucket, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no plain file: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("bucket %s: %w", bucket, err)
	}
	return file, info.Size(), nil
}

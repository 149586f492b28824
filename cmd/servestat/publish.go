package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

// An outFolder is where a report is written: a folder, or one that stands for a
// prefix of a bucket until it is published there.
type outFolder struct {
	dir    string // to write into
	name   string // by which the user knows it
	bucket *bucket.Bucket
	before map[string]os.FileInfo // what stands for objects, by name
}

// outAt prepares a folder to write into. Of what lies in a bucket there is a file of
// each object's name, so that what is old can be told; it is empty, except of the
// reports that an index is made of.
func (a *app) outAt(ctx context.Context, name string, indexed bool) (*outFolder, error) {
	if !bucket.Is(name) {
		return &outFolder{dir: name, name: name}, nil
	}
	b, err := a.bucketAt(name)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "servestat-report-")
	if err != nil {
		return nil, err
	}
	o := &outFolder{dir: dir, name: b.String(), bucket: b, before: map[string]os.FileInfo{}}
	err = b.List(ctx, "", func(e lake.Entry) error {
		if folders := strings.Count(e.Name, "/"); folders == 0 || indexed && folders == 1 {
			return o.stand(ctx, e, indexed)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// stand makes a file for an object.
func (o *outFolder) stand(ctx context.Context, e lake.Entry, indexed bool) error {
	if !filepath.IsLocal(filepath.FromSlash(e.Name)) {
		return nil // of no report
	}
	file := filepath.Join(o.dir, filepath.FromSlash(e.Name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	var content io.ReadCloser = io.NopCloser(strings.NewReader(""))
	if indexed && path.Base(e.Name) == "report.json" {
		var err error
		if content, err = o.bucket.Get(ctx, e.Name); err != nil {
			return err
		}
	}
	defer content.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	o.before[e.Name], err = f.Stat()
	return err
}

// shown is a file of the folder as the user knows it.
func (o *outFolder) shown(parts ...string) string {
	if o.bucket == nil {
		return filepath.Join(append([]string{o.name}, parts...)...)
	}
	return o.name + "/" + path.Join(parts...)
}

// publish makes the bucket what the folder is: pages last, so that what they show is
// there before them, and then what is old goes.
func (o *outFolder) publish(ctx context.Context) error {
	if o.bucket == nil {
		return nil
	}
	var written []string
	err := filepath.WalkDir(o.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(o.dir, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if old, ok := o.before[name]; !ok || !os.SameFile(old, info) {
			written = append(written, name)
		}
		delete(o.before, name)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(written, func(a, b string) int { return rank(a) - rank(b) })
	for _, name := range written {
		if err := o.bucket.Put(ctx, name, filepath.Join(o.dir, filepath.FromSlash(name)), contentTypes[path.Ext(name)]); err != nil {
			return err
		}
	}
	for name := range o.before {
		if err := o.bucket.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// rank orders files: pictures, pages, the page over pages.
func rank(name string) int {
	if path.Ext(name) != ".md" {
		return 0
	}
	return 2 - strings.Count(name, "/")
}

var contentTypes = map[string]string{
	".md": "text/markdown; charset=utf-8", ".json": "application/json", ".png": "image/png", ".html": "text/html; charset=utf-8",
}

// Close takes a folder away that only stands for a bucket.
func (o *outFolder) Close() error {
	if o.bucket == nil {
		return nil
	}
	return os.RemoveAll(o.dir)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

// openLake opens the lake that the command reads.
func (a *app) openLake() (*lake.Lake, error) { return a.openLakeAt(a.config.GetString("lake")) }

// createLake opens the lake that the command writes to, making it first where there
// is none.
func (a *app) createLake() (*lake.Lake, error) { return a.createLakeAt(a.config.GetString("lake")) }

// openLakeAt opens the lake in a folder, or at s3://bucket/prefix.
func (a *app) openLakeAt(name string) (*lake.Lake, error) {
	l, err := a.at(name, lake.Open, lake.OpenRemote)
	if errors.Is(err, lake.ErrNotLake) {
		return nil, usagef("servestat ingest --lake "+name+" RESULTS... makes one", "no lake: %w", err)
	}
	return l, err
}

// createLakeAt is openLakeAt for a lake that may not be there yet.
func (a *app) createLakeAt(name string) (*lake.Lake, error) {
	return a.at(name, lake.Create, lake.CreateRemote)
}

// at is where a name of a lake is understood, and nowhere else.
func (a *app) at(name string, local func(string) (*lake.Lake, error), remote func(context.Context, lake.Remote) (*lake.Lake, error)) (*lake.Lake, error) {
	if !bucket.Is(name) {
		return local(name)
	}
	store, err := a.bucketAt(name)
	if err != nil {
		return nil, err
	}
	cache, err := a.cache()
	if err != nil {
		return nil, err
	}
	return remote(a.context(), lake.Remote{Store: store, Name: store.String(), ID: store.URI(), Cache: cache})
}

// bucketAt opens a bucket at a URI. Of one bucket there is one client, with its
// connections and credentials, however often it is opened.
func (a *app) bucketAt(uri string) (*bucket.Bucket, error) {
	loc, err := bucket.Parse(uri)
	if err != nil {
		return nil, usagef("", "%w", err)
	}
	prefix := loc.Prefix
	loc.Prefix = ""
	if b, ok := a.buckets.Load(loc); ok {
		return b.(*bucket.Bucket).At(prefix), nil
	}
	b, err := bucket.Open(a.context(), loc)
	if err != nil {
		return nil, err
	}
	a.buckets.Store(loc, b)
	return b.At(prefix), nil
}

// caches are the folders of copies, one a folder: those who share one share its
// limit.
var caches sync.Map

func (a *app) cache() (*lake.Cache, error) {
	limit, err := a.bytes("cache-size")
	if err != nil {
		return nil, err
	}
	dir := a.config.GetString("cache")
	if dir == "" {
		if dir, err = os.UserCacheDir(); err != nil { // a service has no home
			dir = os.TempDir()
		}
		dir = filepath.Join(dir, "servestat")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	c, _ := caches.LoadOrStore(dir, &lake.Cache{Dir: dir, Limit: limit})
	return c.(*lake.Cache), nil
}

func (a *app) context() context.Context { return cmp.Or(a.ctx, context.Background()) }

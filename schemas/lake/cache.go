package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultCacheSize is how many bytes a cache keeps where nothing else is said.
const DefaultCacheSize = 20 << 30

// A Cache is a folder with copies of published files of lakes that lie elsewhere.
// Any number of processes may share it, and it may be removed at any time. What is
// in use is linked into a folder of the process that uses it, so that the cache may
// forget it: the least recently used first, when there are more bytes than Limit.
type Cache struct {
	Dir   string
	Limit int64

	since  atomic.Int64 // bytes added since it was last looked how many there are
	looked atomic.Bool
	look   sync.Mutex
}

// of returns the part of the cache that is a lake's.
func (c *Cache) of(lake string) *lakeCache {
	sum := sha256.Sum256([]byte(lake))
	return &lakeCache{Cache: c, dir: filepath.Join(c.Dir, "lakes", hex.EncodeToString(sum[:12]))}
}

// A lakeCache has the files of one lake under their names. A name that is a digest
// says what it holds; of any other, the version that the store tells is part of the
// name here.
type lakeCache struct {
	*Cache
	dir string
}

func (c *lakeCache) path(e Entry) string {
	p := filepath.Join(c.dir, filepath.FromSlash(e.Name))
	if _, ok := digestOf(e.Name); ok {
		return p
	}
	sum := sha256.Sum256([]byte(e.Version))
	return p + "@" + hex.EncodeToString(sum[:8])
}

// digestOf returns the digest that a name says its content has.
func digestOf(name string) (sha256 string, ok bool) {
	base, ok := strings.CutSuffix(path.Base(name), ".parquet")
	return base, ok && len(base) == 64
}

// keep links a file that will not change any more into the cache. A cache that
// cannot keep it is no fault.
func (c *lakeCache) keep(file string, e Entry) {
	at := c.path(e)
	if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
		return
	}
	if os.Link(file, at) == nil {
		c.grew(e.Size)
	}
}

// use links a copy to into, and reports whether there was one.
func (c *lakeCache) use(e Entry, into string) bool {
	at := c.path(e)
	if err := os.Link(at, into); err != nil {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(at, now, now) // only the order of forgetting depends on it
	return true
}

// grew forgets what was not used for the longest time, where there is too much. Other
// processes add to it, too, so each looks when it begins to.
func (c *Cache) grew(n int64) {
	if c.since.Add(n) < max(c.Limit/20, 1) && c.looked.Swap(true) {
		return
	}
	c.look.Lock()
	defer c.look.Unlock()
	c.since.Store(0)
	c.forget()
}

func (c *Cache) forget() {
	type copied struct {
		path string
		size int64
		used time.Time
	}
	var all []copied
	total := int64(0)
	_ = filepath.WalkDir(filepath.Join(c.Dir, "lakes"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			all = append(all, copied{p, info.Size(), info.ModTime()})
			total += info.Size()
		}
		return nil
	})
	slices.SortFunc(all, func(a, b copied) int { return a.used.Compare(b.used) })
	for _, f := range all {
		if total <= c.Limit {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}

// tmp is where processes have folders of their own.
func (c *Cache) tmp() string { return filepath.Join(c.Dir, tmpDir) }

// ErrDamaged is what a published file's content is that is not what its name says.
var ErrDamaged = errors.New("damaged")

// A Reader gives published files as local ones. Those of a lake in a directory are
// local. Of another, [Reader.Fetch] brings copies, out of the cache where it has
// them, and they stay as long as the Reader is open.
type Reader struct {
	lake *Lake
	own  *private // nil where the lake is a directory

	mu   sync.Mutex
	have map[string]bool
}

// Reader opens a Reader of l. Close it.
func (l *Lake) Reader() (*Reader, error) {
	if l.cache == nil {
		return &Reader{lake: l}, nil
	}
	own, err := newPrivate(l.cache.tmp())
	if err != nil {
		return nil, err
	}
	return &Reader{lake: l, own: own, have: map[string]bool{}}, nil
}

// Dir is the folder below which the Reader's files lie, as a lake lays them out.
func (r *Reader) Dir() string {
	if r.own == nil {
		return r.lake.dir
	}
	return filepath.Join(r.own.dir, "files")
}

// Path returns where a published file lies, once it is fetched.
func (r *Reader) Path(name string) string { return filepath.Join(r.Dir(), filepath.FromSlash(name)) }

// Close takes the Reader's files away.
func (r *Reader) Close() error {
	if r.own == nil {
		return nil
	}
	return r.own.Close()
}

// Fetch makes published files local. It fails with [fs.ErrNotExist] for one that is
// not there, and with [ErrDamaged] for one that is not what its name says.
func (r *Reader) Fetch(ctx context.Context, names ...string) error {
	if r.own == nil {
		return nil
	}
	entries := make([]Entry, len(names))
	for i, name := range names {
		entries[i].Name = name
	}
	return r.fetch(ctx, entries)
}

func (r *Reader) fetch(ctx context.Context, entries []Entry) error {
	var missing []Entry
	r.mu.Lock()
	for _, e := range entries {
		if !r.have[e.Name] {
			missing = append(missing, e)
		}
	}
	r.mu.Unlock()
	return r.lake.inParallel(len(missing), func(i int) error {
		err := r.lake.fetch(ctx, missing[i], r.Path(missing[i].Name))
		if errors.Is(err, fs.ErrExist) { // fetched by another goroutine
			err = nil
		}
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.have[missing[i].Name] = true
		r.mu.Unlock()
		return nil
	})
}

// Drop takes a file away that is not needed any more.
func (r *Reader) Drop(name string) {
	if r.own == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.have, name)
	os.Remove(r.Path(name))
}

// Mirror makes the Reader's folder a lake of its own to read: what says which files
// there are, and of the blocks those that were fetched.
func (r *Reader) Mirror(ctx context.Context) error {
	if r.own == nil {
		return nil
	}
	entries := []Entry{{Name: markerName}}
	for _, folder := range []string{manifestDir, compactionDir, analysisDir, checkpointDir} {
		found, err := r.lake.list(folder)
		if err != nil {
			return err
		}
		entries = append(entries, found...)
	}
	return r.fetch(ctx, entries)
}

// fetch puts a copy of a published file at into, where nothing is.
func (l *Lake) fetch(ctx context.Context, e Entry, into string) error {
	if !fs.ValidPath(e.Name) { // what names it could make us write anywhere
		return fmt.Errorf("%s: %w: a file of a lake cannot have the name %q", l.name, ErrDamaged, e.Name)
	}
	if err := os.MkdirAll(filepath.Dir(into), 0o777); err != nil {
		return err
	}
	_, digest := digestOf(e.Name)
	if (digest || e.Version != "") && l.cache.use(e, into) {
		return nil
	}
	file, err := os.CreateTemp(filepath.Dir(into), ".fetch-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = l.download(ctx, e.Name, file)
	if info, gone := file.Stat(); gone == nil {
		e.Size = info.Size()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if digest || e.Version != "" {
		l.cache.keep(file.Name(), e)
	}
	return os.Link(file.Name(), into)
}

// resumes is how often a download goes on where it broke off.
const resumes = 5

// download copies a published file, and verifies it where its name says how.
func (l *Lake) download(ctx context.Context, name string, to *os.File) error {
	sum := sha256.New()
	done, size := int64(0), int64(-1)
	for broken := 0; ; broken++ {
		n, err := l.copyFrom(ctx, name, done, size, io.MultiWriter(to, sum))
		done += n
		if err == nil && (size < 0 || done >= size) {
			break
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || ctx.Err() != nil || broken == resumes {
			return fmt.Errorf("%s: %w", l.Path(name), errors.Join(err, ctx.Err()))
		}
		e, err := l.store.Stat(ctx, name)
		if err != nil {
			return err
		}
		if size = e.Size; done >= size {
			break
		}
	}
	if want, ok := digestOf(name); ok && hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%s: %w: its digest is %x", l.Path(name), ErrDamaged, sum.Sum(nil))
	}
	return nil
}

// copyFrom copies a published file from an offset on.
func (l *Lake) copyFrom(ctx context.Context, name string, from, size int64, to io.Writer) (int64, error) {
	var r io.ReadCloser
	var err error
	if from == 0 {
		r, err = l.store.Get(ctx, name)
	} else {
		r, err = l.store.GetRange(ctx, name, from, size-from)
	}
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(to, r)
}

// text reads a small published file.
func (l *Lake) text(e Entry) ([]byte, error) {
	if l.cache == nil || e.Version == "" {
		return l.get(e.Name)
	}
	at := l.cache.path(e)
	if text, err := os.ReadFile(at); err == nil {
		return text, nil
	}
	text, err := l.get(e.Name)
	if err != nil {
		return nil, err
	}
	l.cache.keepText(text, e)
	return text, nil
}

func (l *Lake) get(name string) ([]byte, error) {
	for broken := 0; ; broken++ {
		r, err := l.store.Get(l.ctx, name)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err == nil || l.ctx.Err() != nil || broken == resumes {
			return text, err
		}
	}
}

func (c *lakeCache) keepText(text []byte, e Entry) {
	at := filepath.Dir(c.path(e)) // where it is forgotten if it is left behind
	if os.MkdirAll(at, 0o777) != nil {
		return
	}
	file, err := os.CreateTemp(at, ".text-")
	if err != nil {
		return
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if closing := file.Close(); err == nil && closing == nil {
		c.keep(file.Name(), Entry{Name: e.Name, Version: e.Version, Size: int64(len(text))})
	}
}

// Afresh is the lake as it lies in its store, whatever a cache says: to verify it.
// Call done when it is done.
func (l *Lake) Afresh() (fresh *Lake, done func() error, err error) {
	if l.cache == nil {
		return l, func() error { return nil }, nil
	}
	own, err := newPrivate(l.cache.tmp())
	if err != nil {
		return nil, nil, err
	}
	nothing := &Cache{Dir: filepath.Join(own.dir, "cache")} // without a limit to keep anything in
	return Remote{l.store, l.name, l.name, nothing}.lake(l.ctx), own.Close, nil
}

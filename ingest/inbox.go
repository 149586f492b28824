package ingest

import (
	"cmp"
	"context"
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

	"github.com/servestat/servestat/schemas/lake"
)

// Objects are what a store has, as far as an inbox looks at it. Who reads one closes it.
type Objects interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	GetRange(ctx context.Context, name string, from, n int64) (io.ReadCloser, error)
	// List calls each for the names that begin with folder, which ends in a slash or is
	// empty, in no order.
	List(ctx context.Context, folder string, each func(lake.Entry) error) error
	Stat(ctx context.Context, name string) (lake.Entry, error)
}

// An Inbox is what lies under a prefix of a bucket, to be gone through like a folder:
// with the side-cars above it, the server logs beside results, the files that belong
// together. A tree of empty files stands for the objects, so that what looks around
// an upload finds what is there; to open one of them reads the object, and none is
// copied for it but archives.
type Inbox struct {
	store Objects
	name  string // of the whole bucket, as the user knows it
	root  string // the folder that stands for the bucket
	one   string // the object that was named, and no folder
	found []string
	near  []string         // what lies in the folder of one, and below
	sizes map[string]int64 // by path below root
	// What parts follow from.
	folder      string       // that the inbox is, with its slash; empty for the whole bucket
	entries     []lake.Entry // all that was seen, by name
	unversioned bool         // the store does not tell versions of all of it
	coupling    map[string]bool
	faults      atomic.Int64
	// Skipped are objects that cannot be files.
	Skipped []Skipped
}

// inboxes are the open ones by their folder. Paths are of the whole process, and so
// is what they stand for.
var inboxes struct {
	sync.RWMutex
	byRoot map[string]*Inbox
}

// OpenInbox lists what lies at a prefix of a store, called name: an object, or all
// below a folder. Close it when what was found there is taken in.
func OpenInbox(ctx context.Context, store Objects, name, prefix string) (*Inbox, error) {
	return newInbox(ctx, store, name, func(b *Inbox) error { return b.lookInto(ctx, prefix) })
}

// OpenArrival looks at an object because it is said to have come, and at what lies
// around it: [Inbox.Arrived] says what to take in. It fails with [fs.ErrNotExist] where
// there is no such object, or an empty one.
func OpenArrival(ctx context.Context, store Objects, name, key string) (*Inbox, error) {
	return newInbox(ctx, store, name, func(b *Inbox) error { return b.lookAt(ctx, key) })
}

func newInbox(ctx context.Context, store Objects, name string, look func(*Inbox) error) (*Inbox, error) {
	root, err := os.MkdirTemp("", "servestat-inbox-")
	if err != nil {
		return nil, err
	}
	b := &Inbox{store: store, name: name, sizes: map[string]int64{}, coupling: map[string]bool{}}
	if b.root, err = filepath.EvalSymlinks(root); err == nil { // as walking it will show it
		err = look(b)
	}
	if err != nil {
		os.RemoveAll(root)
		return nil, err
	}
	inboxes.Lock()
	defer inboxes.Unlock()
	if inboxes.byRoot == nil {
		inboxes.byRoot = map[string]*Inbox{}
	}
	inboxes.byRoot[b.root] = b
	return b, nil
}

// Close forgets the inbox.
func (b *Inbox) Close() error {
	inboxes.Lock()
	delete(inboxes.byRoot, b.root)
	inboxes.Unlock()
	return os.RemoveAll(b.root)
}

func (b *Inbox) lookInto(ctx context.Context, prefix string) error {
	folder, denied := prefix, error(nil)
	if prefix != "" {
		e, err := b.store.Stat(ctx, prefix)
		if errors.Is(err, fs.ErrPermission) { // who may read what is below it may not know of it
			denied, err = err, fs.ErrNotExist
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && e.Size > 0 { // an object outright; what marks a folder is empty
			folder, b.one = strings.TrimSuffix(path.Dir(prefix), "."), prefix
		}
	}
	if folder != "" {
		folder += "/"
	}
	above, err := b.statAll(ctx, namesAbove(folder, SidecarName))
	if err != nil {
		return err
	}
	n, err := b.list(ctx, folder, above)
	if n == 0 && err == nil && denied == nil {
		err = fmt.Errorf("%s/%s: %w: there is no such object, and none below it", b.name, prefix, fs.ErrNotExist)
	}
	if n == 0 {
		return cmp.Or(err, denied)
	}
	return err
}

// list lets files stand for what lies in a folder, and above it.
func (b *Inbox) list(ctx context.Context, folder string, above []lake.Entry) (n int, err error) {
	var entries []lake.Entry
	err = b.store.List(ctx, folder, func(e lake.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(entries, func(x, y lake.Entry) int { return strings.Compare(x.Name, y.Name) })
	lakes := lakesAmong(entries)
	for _, e := range entries {
		if strings.HasSuffix(e.Name, "/") || slices.ContainsFunc(lakes, func(at string) bool { return strings.HasPrefix(e.Name, at) }) {
			continue
		}
		switch {
		case !b.stand(e):
			b.Skipped = append(b.Skipped, Skipped{b.name + "/" + e.Name, "its key is no path of a file"})
		case b.one == "" || e.Name == b.one:
			b.found = append(b.found, e.Name)
		default:
			b.near = append(b.near, e.Name)
		}
	}
	for _, e := range above {
		b.stand(e)
	}
	b.folder, b.entries = folder, append(above, entries...)
	b.unversioned = slices.ContainsFunc(b.entries, func(e lake.Entry) bool { return e.Version == "" })
	return len(entries), nil
}

// namesAbove are names in the folders that a folder is in, the nearest first.
func namesAbove(folder string, names ...string) []string {
	var all []string
	for dir := path.Dir(strings.TrimSuffix(folder, "/")); folder != ""; dir = path.Dir(dir) {
		for _, name := range names {
			all = append(all, path.Join(dir, name))
		}
		if dir == "." {
			break
		}
	}
	return all
}

// statAll looks for objects, all at the same time, and gives those that are there and
// to be seen: where only the inbox may be read, there are none above it.
func (b *Inbox) statAll(ctx context.Context, names []string) ([]lake.Entry, error) {
	entries, errs := make([]lake.Entry, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { entries[i], errs[i] = b.store.Stat(ctx, name) })
	}
	wg.Wait()
	var found []lake.Entry
	for i, err := range errs {
		switch {
		case err == nil:
			found = append(found, entries[i])
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return nil, err
		}
	}
	return found, nil
}

// lakesAmong finds the prefixes of lakes: they are no input.
func lakesAmong(entries []lake.Entry) []string {
	var at []string
	for _, e := range entries {
		if dir, base := path.Split(e.Name); base == lakeMarker {
			at = append(at, dir)
		}
	}
	return at
}

// stand makes the empty file that stands for an object.
func (b *Inbox) stand(e lake.Entry) bool {
	rel := filepath.FromSlash(e.Name)
	if !filepath.IsLocal(rel) || filepath.ToSlash(filepath.Clean(rel)) != e.Name {
		return false
	}
	file := b.file(e.Name)
	if os.MkdirAll(filepath.Dir(file), 0o777) != nil {
		return false
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return false
	}
	defer f.Close()
	b.sizes[e.Name] = e.Size
	return f.Truncate(e.Size) == nil
}

// Names lists the objects that may be uploads, in order.
func (b *Inbox) Names() []string { return b.found }

// Find lists the uploads among the objects of these names, as [Find] does for files.
func (b *Inbox) Find(ctx context.Context, names []string) ([]Upload, []Skipped, error) {
	if b.one == "" {
		return b.findMet(ctx, names)
	}
	var f finder
	for _, name := range names { // the object that was named outright
		f.uploads = append(f.uploads, f.fileUpload(b.file(name), b.name+"/"+name, b.sizes[name]))
	}
	return f.uploads, nil, nil
}

// findMet lists the uploads among objects that are met, and were not named.
func (b *Inbox) findMet(ctx context.Context, names []string) ([]Upload, []Skipped, error) {
	type looked struct {
		finder
		err error
	}
	all := make([]looked, len(names))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(16, len(names)) { // they wait for answers
		wg.Go(func() {
			for i := range next {
				all[i].err = b.meet(ctx, &all[i].finder, names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	var f finder
	for _, l := range all {
		if l.err != nil {
			return nil, nil, l.err
		}
		f.uploads, f.skipped = append(f.uploads, l.uploads...), append(f.skipped, l.skipped...)
	}
	return f.uploads, f.skipped, nil
}

// meet takes an object for what its content says it is, as a folder's walk does.
func (b *Inbox) meet(ctx context.Context, f *finder, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return nil
	}
	return f.addFound(b.file(name), b.name+"/"+name)
}

// file is what stands for an object.
func (b *Inbox) file(name string) string { return filepath.Join(b.root, filepath.FromSlash(name)) }

// inboxOf returns the inbox that a path lies in, and the object that it stands for.
func inboxOf(p string) (b *Inbox, name string) {
	inboxes.RLock()
	defer inboxes.RUnlock()
	for root, b := range inboxes.byRoot {
		if rel, ok := strings.CutPrefix(p, root+string(filepath.Separator)); ok {
			return b, filepath.ToSlash(rel)
		}
	}
	return nil, ""
}

// isInbox reports whether a folder stands for a whole bucket, above which nothing is.
func isInbox(dir string) bool {
	inboxes.RLock()
	defer inboxes.RUnlock()
	return inboxes.byRoot[dir] != nil
}

// openFile opens a file, or the object that it stands for.
func openFile(p string) (io.ReadCloser, error) {
	b, name := inboxOf(p)
	if b == nil {
		return os.Open(p)
	}
	size, ok := b.sizes[name]
	if !ok { // a side-car may name what lies elsewhere in the bucket
		e, err := b.store.Stat(context.Background(), name)
		if err != nil {
			b.fault(err)
			return nil, err
		}
		size = e.Size
	}
	return &objectReader{inbox: b, name: name, size: size}, nil
}

// readFile reads a small file, or the object that it stands for.
func readFile(p string) ([]byte, error) {
	r, err := openFile(p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// openHead is openFile for who reads no more than the first bytes.
func openHead(p string) (io.ReadCloser, error) {
	b, name := inboxOf(p)
	if b == nil {
		return os.Open(p)
	}
	body, err := b.store.GetRange(context.Background(), name, 0, streamHead)
	if err != nil {
		b.fault(err)
		return nil, err
	}
	return faultReader{body, b}, nil
}

// openAt opens a file, or the object that it stands for, to be read anywhere.
func openAt(p string) (interface {
	io.ReaderAt
	io.Closer
}, int64, error) {
	b, name := inboxOf(p)
	if b != nil {
		return objectAt{b, name}, b.sizes[name], nil
	}
	file, err := os.Open(p)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// An objectAt reads parts of an object.
type objectAt struct {
	inbox *Inbox
	name  string
}

// ReadAt reads from byte at on.
func (o objectAt) ReadAt(p []byte, at int64) (int, error) {
	body, err := o.inbox.store.GetRange(context.Background(), o.name, at, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Close has nothing to end.
func (objectAt) Close() error { return nil }

// saidOf makes an error that speaks of a file speak of what it stands for.
func saidOf(err error) error {
	if err == nil {
		return nil
	}
	inboxes.RLock()
	defer inboxes.RUnlock()
	text := err.Error()
	for root, b := range inboxes.byRoot {
		text = strings.ReplaceAll(text, root, b.name)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// An objectReader reads an object, and goes on where the connection broke off.
type objectReader struct {
	inbox  *Inbox
	name   string
	size   int64
	at     int64
	broken int
	body   io.ReadCloser
}

func (r *objectReader) Read(p []byte) (int, error) {
	for {
		if r.at >= r.size {
			return 0, io.EOF
		}
		if err := r.connect(); err != nil {
			r.inbox.fault(err)
			return 0, err
		}
		n, err := r.body.Read(p)
		r.at += int64(n)
		if n > 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		r.body.Close()
		r.body = nil
		const most = 5
		if r.broken++; r.broken > most {
			r.inbox.fault(err)
			return 0, fmt.Errorf("%s/%s: at byte %d of %d: %w", r.inbox.name, r.name, r.at, r.size, err)
		}
	}
}

func (r *objectReader) connect() (err error) {
	switch {
	case r.body != nil:
	case r.at == 0:
		r.body, err = r.inbox.store.Get(context.Background(), r.name)
	default:
		r.body, err = r.inbox.store.GetRange(context.Background(), r.name, r.at, r.size-r.at)
	}
	return err
}

// Close ends the reading.
func (r *objectReader) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Garbage is a file that no reader needs.
type Garbage struct {
	Name  string    `json:"name"`
	Bytes int64     `json:"bytes"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"` // nobody who looked after this needs it
	// Named says that a manifest names it, so that servestat versions that do not
	// know of collection would miss it.
	Named bool `json:"-"`
}

const (
	unnamed   = "nothing names it"
	abandoned = "a process that ended left it"
)

// Orphan reports whether nothing names the file, nor did once.
func (g Garbage) Orphan() bool { return g.Why == unnamed || g.Why == abandoned }

// Collect removes what readers no longer need and have not needed for the grace
// period: blocks that a compaction holds, blocks of superseded manifests,
// compactions that a larger one holds, and what interrupted processes left. It
// never removes a manifest, a receipt, an upload that a receipt names, or the
// results of analyses.
//
// A reader goes on with what it saw when it opened the lake, so grace is how long
// a reader may stay open. Writers are kept out while files are removed, so that
// none adopts a file that is going; Collect fails with [ErrBusy] where one is at
// work for longer than a minute. It returns what it removed, by name. Watch, which
// may be nil, is told of each of the two things that may take long.
func (l *Lake) Collect(ctx context.Context, now time.Time, grace time.Duration, watch Watch) ([]Garbage, error) {
	if watch == nil {
		watch = func(string, int64) func(int64) { return func(int64) {} }
	}
	found, err := l.Garbage(now, grace)
	if err != nil {
		return nil, err
	}
	if err := l.require(found); err != nil {
		return nil, err
	}
	held, err := l.holdAlone()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if found, err = l.Garbage(now, grace); err != nil { // a writer may have taken some into use
		return nil, err
	}
	if err := l.verifyHolders(ctx, found, watch); err != nil {
		return nil, err
	}
	var removed []Garbage
	progress := watch("removing", bytesOf(found))
	for _, g := range found {
		if err := errors.Join(ctx.Err(), held.valid()); err != nil {
			return removed, err
		}
		if err := l.remove(ctx, g); err != nil {
			return removed, err
		}
		removed = append(removed, g)
		progress(g.Bytes)
	}
	slices.SortFunc(removed, func(a, b Garbage) int { return strings.Compare(a.Name, b.Name) })
	return removed, nil
}

// A Watch is told what begins and how many bytes it is of, and returns what is
// called with the bytes that are done.
type Watch func(what string, bytes int64) (progress func(bytes int64))

func bytesOf(found []Garbage) (sum int64) {
	for _, g := range found {
		sum += g.Bytes
	}
	return sum
}

// holdAlone keeps everybody else from publishing and removing.
func (l *Lake) holdAlone() (presence, error) {
	if l.cache == nil {
		return l.hold(true)
	}
	own, err := newPrivate(l.cache.tmp())
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return l.take(collecting, own.dir)
}

func (l *Lake) remove(ctx context.Context, g Garbage) error {
	if g.Why == abandoned { // a folder of this machine
		return os.RemoveAll(l.Path(g.Name))
	}
	return l.store.Delete(ctx, g.Name)
}

// require makes older readers refuse the lake before blocks go that they need.
func (l *Lake) require(found []Garbage) error {
	if !slices.ContainsFunc(found, func(g Garbage) bool { return g.Named }) {
		return nil
	}
	s, err := l.Begin()
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Require(Collected)
}

// verifyHolders reads the compacted blocks before those go that they replace.
func (l *Lake) verifyHolders(ctx context.Context, found []Garbage, watch Watch) error {
	if !slices.ContainsFunc(found, func(g Garbage) bool { return g.Named }) {
		return nil
	}
	s, err := l.Snapshot()
	if err != nil {
		return err
	}
	var holders []*File
	bytes := int64(0)
	for _, files := range s.files {
		for _, f := range files {
			if f.Compaction != nil {
				holders = append(holders, f)
				bytes += f.Bytes
			}
		}
	}
	progress := watch("reading what compaction wrote", bytes)
	for _, f := range holders {
		sum, err := l.digest(ctx, f.Name, progress)
		if err != nil {
			return err
		}
		if sum != f.SHA256 {
			return fmt.Errorf("%s is damaged: nothing was removed; servestat lake check says more", l.Path(f.Name))
		}
	}
	return nil
}

func (l *Lake) digest(ctx context.Context, name string, progress func(int64)) (string, error) {
	file, err := l.store.Get(ctx, name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, watched{ctx, file, progress}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// watched is a reader that says how far it is, and stops with its context.
type watched struct {
	ctx      context.Context
	r        io.Reader
	progress func(int64)
}

func (w watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(p)
	w.progress(int64(n))
	return n, err
}

// Garbage lists what Collect would remove, in the order in which it would:
// compactions before the blocks that they name.
func (l *Lake) Garbage(now time.Time, grace time.Duration) ([]Garbage, error) {
	c := &collector{lake: l, uses: map[string]bool{}, replaced: map[string]Garbage{}, held: map[place]time.Time{}, newest: map[place]time.Time{}}
	var err error
	if c.there, err = l.entries(""); err != nil { // first: what comes later is none
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	c.compactions()
	c.blocks()
	c.checkpoints()
	if err := c.uploads(); err != nil {
		return nil, err
	}
	c.sessions()
	return slices.DeleteFunc(c.found, func(g Garbage) bool { return now.Sub(g.Since) < grace }), nil
}

// A collector finds out what a lake does not need.
type collector struct {
	lake     *Lake
	there    map[string]Entry
	uses     map[string]bool    // names of what readers read
	replaced map[string]Garbage // blocks that manifests name and nobody reads
	unused   []*Compaction
	held     map[place]time.Time // when the compaction came that holds a block's rows
	newest   map[place]time.Time // by table and day: when the newest one came that counts
	found    []Garbage
}

func (c *collector) look() error {
	ms, err := c.lake.Manifests()
	if err != nil {
		return err
	}
	all, err := c.lake.Compactions()
	if err != nil {
		return err
	}
	var cs []*Compaction
	for _, comp := range all {
		if _, ok := c.there[comp.Block.Name]; ok {
			cs = append(cs, comp)
		}
	}
	effective := Effective(ms)
	s := resolve(effective, cs)
	for _, files := range s.files {
		for _, f := range files {
			c.use(f)
		}
	}
	for _, comp := range all {
		if !c.uses[comp.Name()] {
			c.unused = append(c.unused, comp)
		}
	}
	c.markReplaced(ms, effective)
	return nil
}

func (c *collector) use(f *File) {
	c.uses[f.Name] = true
	if f.Compaction == nil {
		return
	}
	comp := f.Compaction
	c.uses[comp.Name()] = true
	came := c.modTime(comp.Name())
	for _, p := range f.live {
		c.held[place{comp.Table, comp.Day, p.SHA256}] = came
	}
	if at := (place{comp.Table, comp.Day, ""}); came.After(c.newest[at]) {
		c.newest[at] = came
	}
}

// markReplaced notes since when blocks that manifests name are not read.
func (c *collector) markReplaced(ms, effective []*Manifest) {
	byContent, byRun := winners(ms)
	for _, m := range ms {
		by := byContent[m.ContentDigest]
		if by == m {
			by = byRun[m.RunID]
		}
		if by == m {
			continue
		}
		for _, b := range m.Blocks {
			c.replaced[b.Name] = Garbage{Why: "of a run that " + by.Name() + " supersedes", Since: c.modTime(by.Name()), Named: true}
		}
	}
	for _, m := range effective { // after the others: what both name is needed
		for _, b := range m.Blocks {
			c.replaced[b.Name] = Garbage{Why: "a compaction holds its rows", Since: c.held[b.place()], Named: true}
		}
	}
}

// modTime is when a file was published.
func (c *collector) modTime(name string) time.Time {
	if e, ok := c.there[name]; ok {
		return e.ModTime
	}
	return time.Now()
}

// add notes a file that is not needed since g.Since, or since it was written.
func (c *collector) add(g Garbage, e Entry) {
	g.Name, g.Bytes = e.Name, e.Size
	if e.ModTime.After(g.Since) {
		g.Since = e.ModTime
	}
	c.found = append(c.found, g)
}

// each goes through the files below a folder whose names end in suffix, by name.
func (c *collector) each(folder, suffix string, do func(Entry)) {
	for _, name := range slices.Sorted(maps.Keys(c.there)) {
		if strings.HasPrefix(name, folder+"/") && strings.HasSuffix(name, suffix) {
			do(c.there[name])
		}
	}
}

func (c *collector) compactions() {
	for _, comp := range c.unused {
		if e, ok := c.there[comp.Name()]; ok {
			c.add(Garbage{Why: "another compaction holds what it holds", Since: c.newest[place{comp.Table, comp.Day, ""}]}, e)
		}
	}
}

// blocks looks through the tables that this version knows. What else lies under
// blocks is a newer version's, and not ours to remove.
func (c *collector) blocks() {
	for _, table := range slices.Sorted(maps.Keys(keyedByUpload)) {
		c.each(blockDir+"/"+table, ".parquet", func(e Entry) {
			if c.uses[e.Name] {
				return
			}
			g, ok := c.replaced[e.Name]
			if !ok {
				g = c.unnamed(e.Name)
			}
			c.add(g, e)
		})
	}
}

// unnamed is a block that no manifest names. One of a compaction that does not
// count any more was needed until the one came that does.
func (c *collector) unnamed(name string) Garbage {
	for _, comp := range c.unused {
		if comp.Block.Name == name {
			return Garbage{Why: "another compaction holds what it holds", Since: c.newest[place{comp.Table, comp.Day, ""}]}
		}
	}
	return Garbage{Why: unnamed}
}

func (c *collector) checkpoints() {
	best := c.lake.bestCheckpoint()
	c.each(checkpointDir, ".json", func(e Entry) {
		if e.Name != best.Name {
			c.add(Garbage{Why: "a larger checkpoint repeats it", Since: c.modTime(best.Name)}, e)
		}
	})
}

func (c *collector) uploads() error {
	named, err := c.lake.namedUploads()
	if err != nil {
		return err
	}
	c.each(rawDir, ".zst", func(e Entry) {
		if !named[e.Name] {
			c.add(Garbage{Why: unnamed}, e)
		}
	})
	return nil
}

// namedUploads returns the kept uploads that a receipt or a manifest names.
func (l *Lake) namedUploads() (map[string]bool, error) {
	named := map[string]bool{}
	ms, err := l.Manifests()
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		named[RawName(m.UploadSHA256)] = true
	}
	rs, err := l.Receipts()
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		for _, name := range r.Uploads() {
			named[name] = true
		}
	}
	return named, nil
}

// sessions lists what processes that died left under tmp. The next session would
// remove it, too.
func (c *collector) sessions() {
	if c.lake.cache != nil { // they are in the cache, and not in the lake
		return
	}
	dirs, err := os.ReadDir(c.lake.Path(tmpDir))
	if err != nil {
		return // no tmp, no sessions
	}
	for _, d := range dirs {
		name := path.Join(tmpDir, d.Name())
		info, err := d.Info()
		if err != nil || alive(c.lake.Path(name), info) {
			continue
		}
		e := Entry{Name: name, ModTime: info.ModTime()}
		c.each(name, "", func(f Entry) { e.Size += f.Size })
		c.add(Garbage{Why: abandoned}, e)
	}
}

// alive reports whether a session's process holds its lock, or may be about to.
func alive(session string, info fs.FileInfo) bool {
	lock, err := os.OpenFile(filepath.Join(session, "lock"), os.O_RDWR, 0)
	if err != nil {
		return time.Since(info.ModTime()) < time.Minute
	}
	defer lock.Close()
	free, err := tryLock(lock)
	return err != nil || !free
}

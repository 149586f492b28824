package lake

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

const (
	compactionDir    = "compactions/v1"
	compactionSchema = "servestat.compaction/1"
)

// A Part is the place of one run's block inside a compacted block.
type Part struct {
	// Key is the value of the table's constant column, by which its rows are told
	// from those of other parts: the run id, or the upload of a log.
	Key    string `json:"key"`
	SHA256 string `json:"sha256"` // of the block that it replaces
	Bytes  int64  `json:"bytes"`  // of that block
	Rows   int64  `json:"rows"`
}

// A Compaction says that one block holds the rows of many: the parts' rows, in
// the order of the parts. It takes nothing away: a reader that does not know of
// it reads the blocks that it replaces.
type Compaction struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Day    string `json:"day"`
	Block  Block  `json:"block"`
	Parts  []Part `json:"parts"`

	name string
}

// Name returns the compaction's name in the lake, which is made of its content.
func (c *Compaction) Name() string { return c.name }

// encode returns the text of c and the name that belongs to it.
func (c *Compaction) encode() (text []byte, name string, err error) {
	c.Schema = compactionSchema
	if text, err = json.Marshal(c); err != nil {
		return nil, "", err
	}
	text = append(text, '\n')
	return text, compactionName(c.Table, c.Day, text), nil
}

func compactionName(table, day string, text []byte) string {
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s/%s-day=%s-%s.json", compactionDir, table, day, hex.EncodeToString(sum[:16]))
}

// PublishCompaction makes c known, whose block must be published already.
func (s *Session) PublishCompaction(c *Compaction) (created bool, err error) {
	ok, err := s.has(c.Block.Name)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("compaction of %s, day %s: block %s is not published", c.Table, c.Day, c.Block.Name)
	}
	text, name, err := c.encode()
	if err != nil {
		return false, err
	}
	c.name = name
	return s.Put(name, text)
}

// Compactions returns every compaction of the lake, by name.
func (l *Lake) Compactions() ([]*Compaction, error) {
	entries, err := l.list(compactionDir)
	if err != nil {
		return nil, err
	}
	cs := make([]*Compaction, len(entries))
	err = l.inParallel(len(entries), func(i int) (err error) {
		cs[i], err = l.compaction(entries[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return cs, nil
}

func (l *Lake) compaction(e Entry) (*Compaction, error) {
	c := &Compaction{name: e.Name}
	return c, l.readJSON(e, compactionSchema, c)
}

// A File is a published block as a snapshot reads it.
type File struct {
	Block
	// Compaction is what made the block of others; nil for a block as ingested.
	Compaction *Compaction
	// Without are the keys whose rows do not count: those of runs that were
	// superseded since, or that another file of the snapshot holds.
	Without []string

	live []LivePart
}

// A LivePart is a part of a file that counts, and where its rows begin.
type LivePart struct {
	Part
	From int64
}

// Live returns the parts that count, in the order of their rows. A block as
// ingested is one part.
func (f *File) Live() []LivePart { return f.live }

// Narrowed is f with those of its parts that count whose key is wanted; nil where
// there are none.
func (f *File) Narrowed(wanted func(key string) bool) *File {
	out := &File{Block: f.Block, Compaction: f.Compaction, Without: slices.Clone(f.Without)}
	for _, p := range f.live {
		if wanted(p.Key) {
			out.live = append(out.live, p)
		} else {
			out.Without = append(out.Without, p.Key)
		}
	}
	if len(out.live) == 0 {
		return nil
	}
	return out
}

// A Snapshot is what readers of a lake see at one moment.
type Snapshot struct {
	// Manifests are the effective ones, by name.
	Manifests []*Manifest
	files     map[string][]*File
}

// Files returns the blocks of a table: every row of every effective run stands
// in exactly one of them, once what [File.Without] names is left out.
func (s *Snapshot) Files(table string) []*File { return s.files[table] }

// Snapshot returns what readers of l see now.
func (l *Lake) Snapshot() (*Snapshot, error) {
	ms, err := l.Manifests()
	if err != nil {
		return nil, err
	}
	return l.SnapshotOf(Effective(ms))
}

// SnapshotOf is [Lake.Snapshot] for some of the effective manifests.
func (l *Lake) SnapshotOf(effective []*Manifest) (*Snapshot, error) {
	cs, err := l.Compactions()
	if err != nil {
		return nil, err
	}
	if cs, err = l.present(cs); err != nil {
		return nil, err
	}
	return resolve(effective, cs), nil
}

// Holding is s without the files that hold rows of none of the keys ([Part.Key]); the
// others may hold rows of further keys.
func (s *Snapshot) Holding(keys map[string]bool) *Snapshot {
	out := &Snapshot{files: map[string][]*File{}}
	for _, m := range s.Manifests {
		if keys[m.RunID] {
			out.Manifests = append(out.Manifests, m)
		}
	}
	for table, files := range s.files {
		for _, f := range files {
			if slices.ContainsFunc(f.live, func(p LivePart) bool { return keys[p.Key] }) {
				out.files[table] = append(out.files[table], f)
			}
		}
	}
	return out
}

// present drops compactions whose block is not there.
func (l *Lake) present(cs []*Compaction) ([]*Compaction, error) {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = c.Block.Name
	}
	there, err := l.HasAll(names)
	if err != nil {
		return nil, err
	}
	var out []*Compaction
	for i, c := range cs {
		if there[i] {
			out = append(out, c)
		}
	}
	return out, nil
}

// A place is a block as a manifest names it, with the day it lies under.
type place struct{ table, day, sha256 string }

func (b Block) place() place { return place{b.Table, b.Day(), b.SHA256} }

// Day returns the day partition that the block lies in.
func (b Block) Day() string {
	_, rest, _ := strings.Cut(b.Name, "/day=")
	day, _, _ := strings.Cut(rest, "/")
	return day
}

// resolve says which file each block of effective manifests is read from. Larger
// compactions go first, and a part that one of them holds is not read from
// another. The answer depends on the two sets only, and any answer is right: all
// compactions of a block hold the same rows.
func resolve(effective []*Manifest, cs []*Compaction) *Snapshot {
	s := &Snapshot{Manifests: effective, files: map[string][]*File{}}
	needed := map[place]Part{}
	var order []Block
	for _, m := range effective {
		for _, b := range m.Blocks {
			if _, twice := needed[b.place()]; twice {
				continue
			}
			needed[b.place()] = Part{Key: m.key(b.Table), SHA256: b.SHA256, Bytes: b.Bytes, Rows: b.Rows}
			order = append(order, b)
		}
	}
	cs = slices.Clone(cs)
	slices.SortFunc(cs, func(a, b *Compaction) int {
		if d := len(b.Parts) - len(a.Parts); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	for _, c := range cs {
		s.take(c, needed)
	}
	for _, b := range order {
		if p, ok := needed[b.place()]; ok {
			s.files[b.Table] = append(s.files[b.Table], &File{Block: b, live: []LivePart{{Part: p}}})
		}
	}
	return s
}

// take reads from c what it holds of what is still needed.
func (s *Snapshot) take(c *Compaction, needed map[place]Part) {
	f := &File{Block: c.Block, Compaction: c}
	from := int64(0)
	for _, p := range c.Parts {
		if _, ok := needed[place{c.Table, c.Day, p.SHA256}]; ok {
			f.live = append(f.live, LivePart{p, from})
		} else {
			f.Without = append(f.Without, p.Key)
		}
		from += p.Rows
	}
	if len(f.live) == 0 {
		return
	}
	for _, p := range f.live {
		delete(needed, place{c.Table, c.Day, p.SHA256})
	}
	s.files[c.Table] = append(s.files[c.Table], f)
}

// KeyColumn returns the column that has one value in each part of a table's
// blocks: [Part.Key].
func KeyColumn(table string) string {
	if keyedByUpload[table] {
		return "upload_sha256"
	}
	return "run_id"
}

// key is the value of a table's key column in the manifest's blocks.
func (m *Manifest) key(table string) string {
	if keyedByUpload[table] {
		return m.UploadSHA256
	}
	return m.RunID
}

var keyedByUpload = func() map[string]bool {
	tables := map[string]bool{}
	for _, t := range schemas.MeasuredTables() {
		tables[t.Name] = slices.Contains(t.Constant, "upload_sha256")
	}
	return tables
}()

const (
	checkpointDir    = "checkpoints/v1"
	checkpointSchema = "servestat.checkpoint/1"
)

// A checkpoint repeats manifests, so that a lake of many opens with one read. It
// decides nothing: what is in it and not in the manifests' folder does not count.
type checkpoint struct {
	Schema    string      `json:"schema"`
	Manifests []*Manifest `json:"manifests"`
}

// Checkpoint publishes a checkpoint of all manifests, where fewer than all but
// least are in one already, and reports whether it did.
func (s *Session) Checkpoint(least int) (created bool, err error) {
	ms, loose, err := s.lake.manifests()
	if err != nil || loose < max(least, 1) {
		return false, err
	}
	text, err := json.Marshal(checkpoint{Schema: checkpointSchema, Manifests: ms})
	if err != nil {
		return false, err
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	return s.Put(checkpointDir+"/"+hex.EncodeToString(sum[:])+".json", text)
}

// checkpointed returns the manifests of the best checkpoint, by name: the largest
// file. One that cannot be read is no loss, since it only repeats.
func (l *Lake) checkpointed() map[string]*Manifest {
	best := l.bestCheckpoint()
	if best.Name == "" {
		return nil
	}
	var c checkpoint
	if err := l.readJSON(best, checkpointSchema, &c); err != nil {
		return nil
	}
	ms := make(map[string]*Manifest, len(c.Manifests))
	for _, m := range c.Manifests {
		ms[m.Name()] = m
	}
	return ms
}

// bestCheckpoint is the largest, or nothing where there is none.
func (l *Lake) bestCheckpoint() Entry {
	entries, err := l.list(checkpointDir)
	if err != nil || len(entries) == 0 {
		return Entry{}
	}
	return slices.MaxFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), strings.Compare(b.Name, a.Name))
	})
}

// sameJSON reports whether two values are the same text.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

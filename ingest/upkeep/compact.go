package upkeep

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

const (
	// DefaultTarget is the size that compacted blocks are filled to.
	DefaultTarget = 128 << 20

	// groupWeight is how much of what a block holds shares a row group, in bytes as
	// stored and for each column. Reading one run reads its row group, of which the
	// statistics of the run id tell all others apart, and the statistics of all row
	// groups, which are the more the more columns there are.
	groupWeight = 52 << 10

	// checkpointLeast is how many manifests outside a checkpoint make a new one
	// worth while.
	checkpointLeast = 100
)

// Options say how to compact.
type Options struct {
	Target  int64 // bytes of a compacted block; 0 means DefaultTarget
	Readers int   // that read blocks for the one that writes; 0 means one a core, at most mostReaders
	// Progress is told of bytes of old blocks as they are merged; it may be nil.
	Progress func(bytes int64)
}

// A Merge is blocks of one table and day that become one.
type Merge struct {
	Table, Day string
	Blocks     int   // that it reads
	Bytes      int64 // of them
	rows       []row
}

// A row of a merge is a part and the file that it is read from.
type row struct {
	file   *lake.File
	part   lake.LivePart
	weight int64
	sort   sortKey
}

// A sortKey orders runs: those that are compared lie together.
type sortKey struct {
	model, hardware, version string
	concurrency              int64
	key                      string
}

func (a sortKey) compare(b sortKey) int {
	return cmp.Or(strings.Compare(a.model, b.model), strings.Compare(a.hardware, b.hardware),
		strings.Compare(a.version, b.version), cmp.Compare(a.concurrency, b.concurrency), strings.Compare(a.key, b.key))
}

// A Compactor merges the blocks of a lake.
type Compactor struct {
	lake   *lake.Lake
	opts   Options
	seen   *lake.Snapshot
	merges []*Merge
}

// Plan finds out what is worth merging: in each table and day, the files that are
// less than half full. The same lake gives the same plan, and a lake that was
// compacted gives an empty one.
func Plan(ctx context.Context, l *lake.Lake, opts Options) (*Compactor, error) {
	opts.Target = cmp.Or(opts.Target, DefaultTarget)
	seen, err := l.Snapshot()
	if err != nil {
		return nil, err
	}
	c := &Compactor{lake: l, opts: opts, seen: seen}
	for _, t := range schemas.MeasuredTables() {
		c.planTable(t)
	}
	if len(c.merges) == 0 {
		return c, nil
	}
	keys, err := c.sortKeys(ctx)
	if err != nil {
		return nil, err
	}
	var cut []*Merge
	for _, m := range c.merges {
		for i := range m.rows {
			k := keys[m.rows[i].part.Key]
			k.key = m.rows[i].part.Key
			m.rows[i].sort = k
		}
		cut = append(cut, m.cut(opts.Target)...)
	}
	c.merges = slices.DeleteFunc(cut, (*Merge).isDone)
	return c, nil
}

// Merges lists what Run will do.
func (c *Compactor) Merges() []*Merge { return c.merges }

// planTable makes, of each day, one merge of all files that are not full.
func (c *Compactor) planTable(t schemas.TableInfo) {
	days := map[string]*Merge{}
	var order []string
	for _, f := range c.seen.Files(t.Name) {
		rows := rowsOf(f, t)
		if weightOf(rows) >= c.opts.Target/2 {
			continue
		}
		m := days[f.Day()]
		if m == nil {
			m = &Merge{Table: t.Name, Day: f.Day()}
			days[f.Day()] = m
			order = append(order, f.Day())
		}
		m.rows = append(m.rows, rows...)
	}
	slices.Sort(order)
	for _, day := range order {
		c.merges = append(c.merges, days[day])
	}
}

func rowsOf(f *lake.File, t schemas.TableInfo) []row {
	var rows []row
	for _, p := range f.Live() {
		rows = append(rows, row{file: f, part: p, weight: weight(p, t)})
	}
	return rows
}

// weight is about what a part's rows will take in a merged block: its own block
// less what every Parquet file costs a column. Small runs are mostly that.
func weight(p lake.LivePart, t schemas.TableInfo) int64 {
	return max(p.Bytes-320*int64(len(t.Columns)), 64)
}

func weightOf(rows []row) (sum int64) {
	for _, r := range rows {
		sum += r.weight
	}
	return sum
}

// cut orders a merge and divides it into blocks of the target size.
func (m *Merge) cut(target int64) []*Merge {
	slices.SortFunc(m.rows, func(a, b row) int { return a.sort.compare(b.sort) })
	var out []*Merge
	for len(m.rows) > 0 {
		n, sum := 0, int64(0)
		for n < len(m.rows) && (n == 0 || sum+m.rows[n].weight <= target) {
			sum += m.rows[n].weight
			n++
		}
		part := &Merge{Table: m.Table, Day: m.Day, rows: m.rows[:n:n]}
		part.measure()
		out = append(out, part)
		m.rows = m.rows[n:]
	}
	return out
}

func (m *Merge) measure() {
	files := map[string]bool{}
	for _, r := range m.rows {
		files[r.file.Name] = true
		m.Bytes += r.part.Bytes
	}
	m.Blocks = len(files)
}

// isDone reports whether the merge would only repeat a file that is there.
func (m *Merge) isDone() bool {
	f := m.rows[0].file
	return m.Blocks == 1 && len(f.Without) == 0 && len(f.Live()) == len(m.rows)
}

// sortKeys reads what orders the runs.
func (c *Compactor) sortKeys(ctx context.Context) (map[string]sortKey, error) {
	keys := map[string]sortKey{}
	runs := c.seen.Files(schemas.RunsTable.Name)
	local, err := fetch(ctx, c.lake, slices.Values(runs))
	if err != nil {
		return nil, err
	}
	defer local.Close()
	var mu sync.Mutex
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range runs {
		reading.Go(func() error {
			of, err := readSortKeys(ctx, local, f)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(keys, of)
			return err
		})
	}
	return keys, reading.Wait()
}

// fetch makes blocks local. The caller closes what it returns.
func fetch(ctx context.Context, l *lake.Lake, files iter.Seq[*lake.File]) (*lake.Reader, error) {
	local, err := l.Reader()
	if err != nil {
		return nil, err
	}
	var names []string
	for f := range files {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if err := local.Fetch(ctx, slices.Compact(names)...); err != nil {
		local.Close()
		return nil, err
	}
	return local, nil
}

func readSortKeys(ctx context.Context, local *lake.Reader, f *lake.File) (map[string]sortKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := columnar.OpenBlock(local.Path(f.Name), schemas.RunsTable.TableInfo)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	without, keys := setOf(f.Without), map[string]sortKey{}
	return keys, b.Values(ctx, []string{"run_id", "model", "hardware", "runtime_version", "max_concurrency"}, func(v []any) error {
		id := v[0].(string)
		if without[id] {
			return nil
		}
		k := sortKey{concurrency: -1}
		k.model, _ = v[1].(string)
		k.hardware, _ = v[2].(string)
		k.version, _ = v[3].(string)
		if n, ok := v[4].(int64); ok {
			k.concurrency = n
		}
		keys[id] = k
		return nil
	})
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// Run publishes the planned merges, each a block and then the compaction that
// makes it count, and calls each for those that are new. What is published stays
// when it is interrupted. Several may run at the same time: what one has
// published, the other finds, and where they saw different lakes both results are
// right and readers take the larger.
func (c *Compactor) Run(ctx context.Context, each func(*Merge, *lake.Compaction)) error {
	s, err := c.lake.Begin()
	if err != nil {
		return err
	}
	defer s.Close()
	for _, m := range c.merges {
		comp, err := c.merge(ctx, s, m)
		if err != nil {
			return fmt.Errorf("compact %s of %s: %w", m.Table, m.Day, err)
		}
		created, err := s.PublishCompaction(comp)
		if err != nil {
			return err
		}
		if created && each != nil {
			each(m, comp)
		}
	}
	_, err = s.Checkpoint(checkpointLeast)
	return err
}

func (c *Compactor) merge(ctx context.Context, s *lake.Session, m *Merge) (*lake.Compaction, error) {
	table := tableOf(m.Table)
	blob, err := s.Create()
	if err != nil {
		return nil, err
	}
	defer blob.Discard()
	w, err := columnar.NewMergeWriter(blob, table)
	if err != nil {
		return nil, err
	}
	comp := &lake.Compaction{Table: m.Table, Day: m.Day}
	local, err := fetch(ctx, c.lake, m.files())
	if err != nil {
		return nil, err
	}
	defer local.Close()
	rows := m.inside(table)
	parts := readAhead(ctx, local, table, rows, c.opts.Readers)
	defer parts.close()
	inGroup := int64(0)
	for _, r := range rows {
		if inGroup > 0 && inGroup+r.weight > groupWeight*int64(len(table.Columns)) {
			w.Break()
			inGroup = 0
		}
		inGroup += r.weight
		if err := parts.next(w.Append); err != nil {
			return nil, err
		}
		comp.Parts = append(comp.Parts, r.part.Part)
		if c.opts.Progress != nil {
			c.opts.Progress(r.part.Bytes)
		}
	}
	n, err := w.Close()
	if err != nil {
		return nil, err
	}
	comp.Block = lake.Block{
		Table: m.Table, Name: lake.BlockName(m.Table, m.Day, blob.SHA256()), SHA256: blob.SHA256(), Bytes: blob.Size(), Rows: n,
	}
	_, err = blob.Publish(comp.Block.Name)
	return comp, err
}

// files are those that the merge reads, one as often as it has parts.
func (m *Merge) files() iter.Seq[*lake.File] {
	return func(yield func(*lake.File) bool) {
		for _, r := range m.rows {
			if !yield(r.file) {
				return
			}
		}
	}
}

// inside returns the parts in the order in which the block holds them: by those
// of the sort columns that the table has. Only runs has more than the run, and in
// the other tables nothing but the run id can tell row groups apart.
func (m *Merge) inside(t schemas.TableInfo) []row {
	if t.Name == schemas.RunsTable.Name {
		return m.rows
	}
	rows := slices.Clone(m.rows)
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.part.Key, b.part.Key) })
	return rows
}

func tableOf(name string) schemas.TableInfo {
	for _, t := range schemas.MeasuredTables() {
		if t.Name == name {
			return t
		}
	}
	panic("upkeep: no table " + name) // plans are made of tables
}

package upkeep

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

const (
	// mostReaders is how many read for one that writes: reading small blocks takes
	// two to three times as long as writing their rows.
	mostReaders = 4
	// aheadBytes is about how much a reader holds, decoded, before the writer takes it.
	aheadBytes = 4 << 20
	// mostOpen is how many compacted blocks a reader keeps open.
	mostOpen = 4
)

// A stretch is parts of a merge that follow each other and lie in one file: they are
// read in one go.
type stretch struct {
	rows    []row
	large   bool // a part that does not go into memory
	done    chan struct{}
	batches [][]arrow.Record // of each part
	err     error
}

// stretchesOf cuts the parts of a merge, in their order.
func stretchesOf(rows []row, t schemas.TableInfo) []*stretch {
	var out []*stretch
	for len(rows) > 0 {
		n, size := 0, int64(0)
		for n < len(rows) && rows[n].file == rows[0].file && (n == 0 || size+decoded(rows[n], t) <= aheadBytes) {
			size += decoded(rows[n], t)
			n++
		}
		out = append(out, &stretch{rows: rows[:n], large: size > aheadBytes, done: make(chan struct{})})
		rows = rows[n:]
	}
	return out
}

// decoded is about what a part takes in memory.
func decoded(r row, t schemas.TableInfo) int64 { return r.part.Rows * int64(len(t.Columns)) * 8 }

// An ahead gives the rows of a merge's parts, part by part, to one who writes them.
// Others read the parts that come next, so that what is written does not depend on
// how many they are. They wait when two stretches each are not yet written.
type ahead struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	free   chan struct{} // a place for each stretch that may be in memory
	own    *source       // reads what is large

	stretches []*stretch
	at        int // the part of the first stretch that is next
}

// readAhead begins to read. The caller closes what it returns.
func readAhead(ctx context.Context, local *lake.Reader, t schemas.TableInfo, rows []row, readers int) *ahead {
	if readers == 0 {
		readers = min(runtime.GOMAXPROCS(0), mostReaders)
	}
	a := &ahead{free: make(chan struct{}, 2*readers), own: &source{local: local, table: t}, stretches: stretchesOf(rows, t)}
	a.ctx, a.cancel = context.WithCancel(ctx)
	work := make(chan *stretch)
	a.wg.Go(func() {
		defer close(work)
		a.assign(slices.Clone(a.stretches), work)
	})
	for range readers {
		a.wg.Go(func() {
			src := &source{local: local, table: t}
			defer src.close()
			for st := range work {
				st.err = src.hold(a.ctx, st)
				close(st.done)
			}
		})
	}
	return a
}

// assign hands stretches out in their order, each when there is a place for it: the
// one that the writer waits for always has one.
func (a *ahead) assign(all []*stretch, work chan<- *stretch) {
	for _, st := range all {
		if st.large {
			continue
		}
		select {
		case a.free <- struct{}{}:
		case <-a.ctx.Done():
			return
		}
		select {
		case work <- st:
		case <-a.ctx.Done():
			return
		}
	}
}

// next calls each for the rows of the next part, in batches that depend on the part
// only.
func (a *ahead) next(each func(arrow.Record) error) error {
	st := a.stretches[0]
	if st.large {
		a.stretches = a.stretches[1:]
		return a.own.read(a.ctx, st.rows[0], each)
	}
	select {
	case <-st.done:
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
	if st.err != nil {
		return st.err
	}
	for _, rec := range st.batches[a.at] {
		if err := each(rec); err != nil {
			return err
		}
		rec.Release()
	}
	st.batches[a.at] = nil
	if a.at++; a.at == len(st.rows) {
		a.stretches, a.at = a.stretches[1:], 0
		<-a.free
	}
	return nil
}

// close ends reading, and returns when nothing reads any more.
func (a *ahead) close() {
	a.cancel()
	a.wg.Wait()
	a.own.close()
}

// A source reads parts. It keeps the compacted blocks that it read last open: their
// parts come in turns with those of blocks of one part.
type source struct {
	local *lake.Reader
	table schemas.TableInfo
	kept  []keptBlock // the last used last
}

type keptBlock struct {
	name  string
	block *columnar.Block
}

// hold reads a stretch into memory.
func (s *source) hold(ctx context.Context, st *stretch) error {
	for _, r := range st.rows {
		var batches []arrow.Record
		err := s.read(ctx, r, func(rec arrow.Record) error {
			rec.Retain()
			batches = append(batches, rec)
			return nil
		})
		if err != nil {
			return err
		}
		st.batches = append(st.batches, batches)
	}
	return nil
}

func (s *source) read(ctx context.Context, r row, each func(arrow.Record) error) error {
	block, err := s.open(r.file)
	if err != nil {
		return err
	}
	if r.file.Compaction == nil {
		defer block.Close()
	}
	if n := block.Rows(); n != r.file.Rows {
		return fmt.Errorf("%s: %d rows, and its manifest says %d; servestat lake check says more", s.local.Path(r.file.Name), n, r.file.Rows)
	}
	return block.Read(ctx, r.part.From, r.part.From+r.part.Rows, each)
}

// open opens a file, which the caller closes if it is no compacted one.
func (s *source) open(f *lake.File) (*columnar.Block, error) {
	if f.Compaction == nil {
		return columnar.OpenBlock(s.local.Path(f.Name), s.table)
	}
	if i := slices.IndexFunc(s.kept, func(k keptBlock) bool { return k.name == f.Name }); i >= 0 {
		k := s.kept[i]
		s.kept = append(slices.Delete(s.kept, i, i+1), k)
		return k.block, nil
	}
	if len(s.kept) == mostOpen {
		s.kept[0].block.Close()
		s.kept = slices.Delete(s.kept, 0, 1)
	}
	block, err := columnar.OpenBlock(s.local.Path(f.Name), s.table)
	if err == nil {
		s.kept = append(s.kept, keptBlock{f.Name, block})
	}
	return block, err
}

func (s *source) close() {
	for _, k := range s.kept {
		k.block.Close()
	}
	s.kept = nil
}

package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/quantile"
)

// A runBuilder turns the records of one run after the other into blocks. Gaps go
// to the tokens block as they come; requests are held until the run closes.
type runBuilder struct {
	session *lake.Session

	index    int // of the run in the upload
	tokens   *columnar.TokensWriter
	blob     *lake.Blob
	itl      *schemas.Cell
	withGaps []bool // by request: few are failed, and all must be known
	requests requestLog
	closed   *schemas.Run // which closes it
}

func newRunBuilder(s *lake.Session) *runBuilder { return &runBuilder{session: s} }

// discard forgets the run in progress.
func (b *runBuilder) discard() {
	if b.tokens != nil {
		b.tokens.Abort()
	}
	if b.blob != nil {
		b.blob.Discard()
	}
	*b = runBuilder{session: b.session, index: b.index}
}

// at moves on to the run that a record belongs to. What an unusable run left
// behind is forgotten.
func (b *runBuilder) at(p schemas.Pos) {
	if p.Run != b.index {
		b.discard()
		b.index = p.Run
	}
}

func (b *runBuilder) add(rec schemas.Record) error {
	b.at(rec.Pos())
	switch rec := rec.(type) {
	case *schemas.Gaps:
		return b.addGaps(rec)
	case *schemas.Request:
		b.requests.add(rec)
	case *schemas.Run:
		b.closed = rec
	}
	return nil
}

func (b *runBuilder) addGaps(g *schemas.Gaps) error {
	if b.tokens == nil {
		if err := b.openTokens(); err != nil {
			return err
		}
	}
	for len(b.withGaps) <= g.Request {
		b.withGaps = append(b.withGaps, false)
	}
	b.withGaps[g.Request] = true
	return b.tokens.Append(g)
}

func (b *runBuilder) openTokens() error {
	var err error
	if b.blob, err = b.session.Create(); err != nil {
		return err
	}
	b.itl = schemas.NewCell("", "itl")
	b.tokens, err = columnar.NewTokensWriter(b.blob, b.itl)
	return err
}

// closeTokens completes the tokens block and returns the number of its rows.
func (b *runBuilder) closeTokens() (gaps int64, err error) {
	if b.tokens == nil {
		return 0, nil
	}
	b.itl.RunID = b.closed.ID
	return b.tokens.Close(b.closed.ID)
}

// publish puts the blocks of the run into the lake. Each block is made and synced while
// the others are: the disk is waited for once. What is left of the gaps is encoded beside
// the requests, and then completed says how those of completed requests are distributed;
// nil where nothing was measured.
func (b *runBuilder) publish(completed func() (*schemas.Cell, error)) ([]lake.Block, lake.RunEntry, error) {
	run := b.closed
	day := "unknown"
	if start := run.StartedAt(); start.OK {
		day = start.V.Format("2006-01-02")
	}
	var blocks [4]lake.Block
	var gaps int64
	var making errgroup.Group
	if b.requests.n > 0 {
		making.Go(func() (err error) {
			blocks[1], err = publishTable(b.session, schemas.RequestsTable, day, requestRows(run.ID, &b.requests))
			return err
		})
	}
	making.Go(func() (err error) {
		blocks[3], err = publishTable(b.session, schemas.RunsTable, day, slices.Values([]*schemas.Run{run}))
		return err
	})
	making.Go(func() (err error) {
		if gaps, err = b.closeTokens(); err != nil {
			return err
		}
		if b.tokens != nil {
			making.Go(func() (err error) {
				blocks[0], err = publishBlock(b.blob, schemas.TokensTable.Name, day, gaps)
				return err
			})
		}
		itl, err := completed()
		if err != nil || b.requests.n == 0 {
			return err
		}
		if run.GapKind == schemas.Synthetic { // made up by the tool: kept, and no measurement of ITL
			itl = nil
		}
		blocks[2], err = publishTable(b.session, schemas.CellsTable, day, slices.Values(cells(run.ID, &b.requests, itl)))
		return err
	})
	err := making.Wait()
	made := slices.DeleteFunc(blocks[:], func(b lake.Block) bool { return b.Name == "" })
	return made, lake.RunEntry{RunID: run.ID, Requests: int64(b.requests.n), Gaps: gaps}, err
}

func requestRows(runID string, requests *requestLog) iter.Seq[*schemas.RequestRow] {
	return func(yield func(*schemas.RequestRow) bool) {
		for r := range requests.all() {
			if !yield(&schemas.RequestRow{RunID: runID, Request: r}) {
				return
			}
		}
	}
}

func publishTable[T any](s *lake.Session, t *schemas.Table[T], day string, rows iter.Seq[*T]) (lake.Block, error) {
	blob, err := s.Create()
	if err != nil {
		return lake.Block{}, err
	}
	defer blob.Discard()
	n, err := columnar.WriteTable(blob, t, rows)
	if err != nil {
		return lake.Block{}, fmt.Errorf("table %s: %w", t.Name, err)
	}
	return publishBlock(blob, t.Name, day, n)
}

func publishBlock(blob *lake.Blob, table, day string, rows int64) (lake.Block, error) {
	sha := blob.SHA256()
	b := lake.Block{Table: table, Name: lake.BlockName(table, day, sha), SHA256: sha, Bytes: blob.Size(), Rows: rows}
	_, err := blob.Publish(b.Name)
	return b, err
}

// cells returns the distributions of a run's completed requests.
func cells(runID string, requests *requestLog, itl *schemas.Cell) []*schemas.Cell {
	ttft, tpot, e2el := schemas.NewCell(runID, "ttft"), schemas.NewCell(runID, "tpot"), schemas.NewCell(runID, "e2el")
	for r := range requests.all() {
		if r.Status != schemas.StatusOK {
			continue
		}
		if r.TTFT.OK {
			ttft.Add(r.TTFT.V)
		}
		if v := r.TPOT(); v.OK {
			tpot.Add(int64(v.V + 0.5))
		}
		if r.E2EL.OK {
			e2el.Add(r.E2EL.V)
		}
	}
	var out []*schemas.Cell
	for _, c := range []*schemas.Cell{ttft, itl, tpot, e2el} {
		if c != nil && c.Count > 0 {
			takeQuantiles(c)
			out = append(out, c)
		}
	}
	return out
}

// takeQuantiles fills in what runs are compared by.
func takeQuantiles(c *schemas.Cell) {
	middle, upto := c.Hist.Fine()
	at := func(p float64) schemas.Opt[float64] { return schemas.Some(quantile.HarrellDavis(middle, upto, p)) }
	c.P50, c.P95, c.P99 = at(0.50), at(0.95), at(0.99)
}

// completedITL returns the distribution of gaps over completed requests. Gaps
// are counted as they stream past, before it is known which requests failed; in
// the rare run where a failed one left gaps, they are counted again without it.
func (r *reading) completedITL(ctx context.Context) (*schemas.Cell, error) {
	b := r.runs
	drop := map[int]bool{}
	for q := range b.requests.all() {
		if q.Status != schemas.StatusOK && q.Index < len(b.withGaps) && b.withGaps[q.Index] {
			drop[q.Index] = true
		}
	}
	if len(drop) == 0 {
		return b.itl, nil
	}
	file, err := openRaw(ctx, r.raw.Path(), nil)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	records := r.c.open(file, r.c.up.Name, r.in.opts.Limits.reading())
	itl := schemas.NewCell(b.closed.ID, "itl")
	for records.Scan() {
		g, ok := records.Record().(*schemas.Gaps)
		if !ok || g.At.Run != b.index || drop[g.Request] {
			continue
		}
		itl.AddAll(g.Nanos)
	}
	return itl, records.Err()
}

// identityDigest names a run's identity in its manifest.
func identityDigest(run *schemas.Run, used map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q\n", run.SourceName, run.ParserVersion, run.Notes)
	for _, k := range sortedKeys(used) {
		fmt.Fprintf(h, "%q %q %q\n", k, used[k], run.Provenance[k])
	}
	for _, k := range sortedKeys(run.EngineArgs) {
		fmt.Fprintf(h, "arg %q %q\n", k, run.EngineArgs[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// A digest is a SHA-256 that also counts.
type digest struct {
	hash.Hash
	size int64
}

func newDigest() *digest { return &digest{Hash: sha256.New()} }

func (d *digest) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.Hash.Write(p)
}

func (d *digest) hex() string { return hex.EncodeToString(d.Sum(nil)) }

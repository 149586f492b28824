package columnar

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

func writeTokens(t testing.TB, gaps []schemas.Gaps) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewTokensWriter(&buf, schemas.NewCell("r", "itl"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range gaps {
		if err := w.Append(&gaps[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close("r"); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// checkTokens reads the file with Arrow's reader and compares every row.
func checkTokens(t testing.TB, data []byte, gaps []schemas.Gaps) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 30}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := fr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	rows := array.NewTableReader(tbl, tbl.NumRows())
	defer rows.Release()
	if !rows.Next() {
		if slices.ContainsFunc(gaps, func(g schemas.Gaps) bool { return len(g.Nanos) > 0 }) {
			t.Fatal("no rows")
		}
		return
	}
	rec, at := rows.Record(), 0
	runID, request, chunk := rec.Column(0).(*array.String), rec.Column(1).(*array.Int32), rec.Column(2).(*array.Int32)
	gap, tokens := rec.Column(3).(*array.Int64), rec.Column(4).(*array.Int32)
	for _, g := range gaps {
		for i, ns := range g.Nanos {
			switch {
			case runID.Value(at) != "r" || request.Value(at) != int32(g.Request) || chunk.Value(at) != int32(g.FirstChunk+i) || gap.Value(at) != ns:
				t.Fatalf("row %d is %s %d %d %d, want r %d %d %d", at, runID.Value(at), request.Value(at), chunk.Value(at), gap.Value(at), g.Request, g.FirstChunk+i, ns)
			case tokens.IsNull(at) != (g.Tokens == nil):
				t.Fatalf("row %d: tokens known: %v", at, !tokens.IsNull(at))
			case g.Tokens != nil && tokens.Value(at) != g.Tokens[i]:
				t.Fatalf("row %d: %d tokens, want %d", at, tokens.Value(at), g.Tokens[i])
			}
			at++
		}
	}
	if int64(at) != rec.NumRows() {
		t.Fatalf("%d rows, want %d", rec.NumRows(), at)
	}
}

// Batches, pages and row groups end where they end: in a request, in a Gaps.
func TestTokensAcrossRowGroups(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var gaps []schemas.Gaps
	for rows, request := 0, 0; rows < rowGroupRows+3*tokenBatch; request++ {
		g := schemas.Gaps{Request: request, FirstChunk: 1, Nanos: make([]int64, rnd.IntN(9000))}
		for i := range g.Nanos {
			g.Nanos[i] = rnd.Int64N(1 << (1 + rnd.IntN(62)))
		}
		if rnd.IntN(2) == 0 {
			g.Tokens = make([]int32, len(g.Nanos))
			for i := range g.Tokens {
				g.Tokens[i] = rnd.Int32()
			}
		}
		gaps = append(gaps, g)
		rows += len(g.Nanos)
	}
	data := writeTokens(t, gaps)
	checkTokens(t, data, gaps)
	if !bytes.Equal(data, writeTokens(t, gaps)) {
		t.Error("the same rows gave different bytes")
	}
}

// Differences of the extremes pass the range of 64 bits, and those of INT32
// columns that of 32 bits; both must come back.
func TestTokensOfExtremes(t *testing.T) {
	gaps := []schemas.Gaps{
		{Request: 0, FirstChunk: 1, Nanos: []int64{math.MaxInt64, math.MinInt64, 0, -1, math.MaxInt64}, Tokens: []int32{0, math.MaxInt32, 0, 1, math.MaxInt32}},
		{Request: math.MaxInt32 - 1, FirstChunk: math.MaxInt32 - 2, Nanos: []int64{1}},
		{Request: 0, FirstChunk: 1, Nanos: []int64{1}},
		{Request: math.MaxInt32, FirstChunk: 0, Nanos: []int64{1}},
	}
	checkTokens(t, writeTokens(t, gaps), gaps)
	checkTokens(t, writeTokens(t, nil), nil)
}

// Runs are a way to say values: what is written is the same, whether blocks end
// inside a run, at its end, or many runs later.
func TestRunsAreWrittenAsTheirValues(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var e deltaEncoder
	for _, longest := range []int{1, 2, 40, deltaBlock, deltaBlock + 1, 700, 5000} {
		for range 100 {
			var runs []run
			var values []int64
			for range 1 + rnd.IntN(20) {
				r := run{first: rnd.Int64N(1 << (1 + rnd.IntN(30))), step: rnd.Int64N(2), rows: 1 + rnd.IntN(longest)}
				runs = append(runs, r)
				for i := range r.rows {
					values = append(values, r.first+r.step*int64(i))
				}
			}
			if got, want := appendRuns(&e, nil, runs), appendDelta(&e, nil, values); !bytes.Equal(got, want) {
				t.Fatalf("%v: %d bytes, and of their values %d", runs, len(got), len(want))
			}
			if got, want := statsOfRuns(runs), statsOf(values); got != want {
				t.Fatalf("%v: %+v, and of their values %+v", runs, got, want)
			}
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add(uint64(1), 300, 62, 2)
	f.Add(uint64(2), 129, 1, 1)
	f.Fuzz(func(t *testing.T, seed uint64, n, bits, requests int) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		gaps := make([]schemas.Gaps, 1+requests&7)
		for r := range gaps {
			g := &gaps[r]
			g.Request, g.FirstChunk, g.Nanos = r, 1, make([]int64, n&1023)
			if rnd.IntN(2) == 0 {
				g.Tokens = make([]int32, len(g.Nanos))
			}
			for i := range g.Nanos {
				g.Nanos[i] = int64(rnd.Uint64()) >> (bits & 63)
			}
		}
		checkTokens(t, writeTokens(t, gaps), gaps)
	})
}

// BenchmarkDelta packs gaps of 14 ms: the column that takes the bytes and the time.
func BenchmarkDelta(b *testing.B) {
	rnd := rand.New(rand.NewPCG(9, 10))
	gaps := make([]int64, tokenBatch)
	for i := range gaps {
		gaps[i] = int64(14e6 * math.Exp(0.12*rnd.NormFloat64()))
	}
	var e deltaEncoder
	var dst []byte
	for b.Loop() {
		dst = appendDelta(&e, dst[:0], gaps)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(gaps)), "ns/value")
}

type brokenDisk struct{ room int }

func (d *brokenDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// A disk that is full is told, and the writer's goroutine does not stay behind.
func TestTokensTellFullDisk(t *testing.T) {
	w, err := NewTokensWriter(&brokenDisk{room: 100}, schemas.NewCell("r", "itl"))
	if err != nil {
		t.Fatal(err)
	}
	gaps := &schemas.Gaps{FirstChunk: 1, Nanos: make([]int64, 10_000)}
	for range 10 * rowGroupRows / len(gaps.Nanos) {
		if err = w.Append(gaps); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("ten row groups were accepted")
	}
	if _, err := w.Close("r"); err == nil {
		t.Error("a table that is not there was closed without an error")
	}
}

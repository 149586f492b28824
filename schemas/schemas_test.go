package schemas_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

func TestFormatPageIsFresh(t *testing.T) {
	var page bytes.Buffer
	if err := schemas.WriteFormat(&page); err != nil {
		t.Fatal(err)
	}
	schematest.Golden(t, "FORMAT.md", page.Bytes())
}

func TestEveryColumnSaysWhatItIs(t *testing.T) {
	for _, table := range schemas.Tables() {
		if table.Doc == "" || table.RowPer == "" {
			t.Errorf("table %s is not documented", table.Name)
		}
		for _, c := range table.Columns {
			if c.Doc == "" || c.ID <= 0 {
				t.Errorf("%s.%s: id %d, doc %q", table.Name, c.Name, c.ID, c.Doc)
			}
		}
	}
}

// Names and ids are promises to lakes that exist: this list only ever grows.
func TestPublishedColumnsKeepTheirIDs(t *testing.T) {
	var got bytes.Buffer
	for _, table := range schemas.Tables() {
		for _, c := range table.Columns {
			fmt.Fprintf(&got, "%s %d %s %s\n", table.Name, c.ID, c.Name, c.Type)
		}
	}
	schematest.Golden(t, "testdata/columns.txt", got.Bytes())
}

func TestHistogramBucketsTileTheIntegers(t *testing.T) {
	next := int64(0)
	for b := int32(0); b < 900*15+1000; b++ {
		lo, hi := schemas.HistogramBounds(b)
		if lo != next || hi < lo {
			t.Fatalf("bucket %d is [%d, %d], and the one before ended at %d", b, lo, hi, next-1)
		}
		for _, v := range []int64{lo, hi} {
			if got := schemas.HistogramBucket(v); got != b {
				t.Fatalf("bucket of %d is %d, want %d", v, got, b)
			}
		}
		next = hi + 1
	}
}

func TestHistogramMiddleIsWithinHalfAPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		v := rng.Int64N(1 << rng.IntN(60))
		lo, hi := schemas.HistogramBounds(schemas.HistogramBucket(v))
		middle := (float64(lo) + float64(hi)) / 2
		if d := middle - float64(v); d > 0.005*float64(v)+1e-9 || -d > 0.005*float64(v)+1e-9 {
			t.Fatalf("%d lies in [%d, %d], whose middle is %.3f %% off", v, lo, hi, 100*d/float64(v))
		}
	}
}

// However values are divided among runs, the runs' buckets add up to those of all.
func TestHistogramsMergeByAddition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var all schemas.Histogram
		parts := make([]schemas.Histogram, 1+rng.IntN(6))
		for range rng.IntN(2000) {
			v := rng.Int64N(1 << rng.IntN(45))
			all.Add(v)
			parts[rng.IntN(len(parts))].Add(v)
		}
		merged := map[int32]int64{}
		for _, p := range parts {
			bucket, count := p.Buckets()
			for i, b := range bucket {
				merged[b] += count[i]
			}
		}
		bucket, count := all.Buckets()
		if len(bucket) != len(merged) {
			t.Fatalf("%d buckets merged, want %d", len(merged), len(bucket))
		}
		for i, b := range bucket {
			if merged[b] != count[i] {
				t.Fatalf("bucket %d holds %d merged, want %d", b, merged[b], count[i])
			}
		}
	}
}

func TestMissingIsNULLAndNotZero(t *testing.T) {
	row := schemas.RequestsTable.Row(&schemas.RequestRow{RunID: "r", Request: &schemas.Request{Status: schemas.StatusFailed}})
	for i, c := range schemas.RequestsTable.Columns {
		if !c.Required && row[i] != nil {
			t.Errorf("%s of an empty request is %v, want NULL", c.Name, row[i])
		}
	}
}

func TestReportedNaNStaysReadableJSON(t *testing.T) {
	run := &schemas.Run{ID: "r", Reported: map[string]string{"burstiness": "Infinity", "mean_tpot_ms": "NaN", "completed": "3"}}
	row := schemas.RunsTable.Row(run)
	for i, c := range schemas.RunsTable.Columns {
		if c.Name == "reported" {
			if want := `{"burstiness":"Infinity","completed":3,"mean_tpot_ms":"NaN"}`; row[i] != want {
				t.Errorf("reported is %v, want %s", row[i], want)
			}
		}
	}
}

func TestBetterAloneSaysWhatIsWorse(t *testing.T) {
	for _, c := range []struct {
		better schemas.Better
		ratio  float64
		worse  bool
	}{{schemas.Lower, 1.05, true}, {schemas.Lower, 0.95, false}, {schemas.Higher, 1.05, false}, {schemas.Higher, 0.95, true}, {schemas.Neither, 2, false}} {
		if got := c.better.Worse(c.ratio); got != c.worse {
			t.Errorf("%s better, ratio %v: worse is %v", c.better, c.ratio, got)
		}
	}
}

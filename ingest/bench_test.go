package ingest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/simulate"
)

// bigResult writes one simulated result of a million gaps, about 13 MB.
func bigResult(b *testing.B) (path string, size int64) {
	b.Helper()
	s := simulate.DefaultSweep()
	s.Versions, s.Changes, s.Concurrency, s.Runs = []string{"0.20.0"}, nil, []int{32}, 1
	s.RequestsPerUser, s.OutputLen = 31, 1000
	dir := b.TempDir()
	if err := s.Write(b.Context(), dir, nil); err != nil {
		b.Fatal(err)
	}
	path = filepath.Join(dir, "0.20.0", "c32", "run1.json")
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return path, info.Size()
}

// BenchmarkIngest is JSON to published Parquet, the upload kept as well. Its
// peer on the same file is BenchmarkEncodingJSON, which only decodes.
func BenchmarkIngest(b *testing.B) {
	path, size := bigResult(b)
	b.SetBytes(size)
	gaps := int64(0)
	for b.Loop() {
		l, err := lake.CreateTemporary(filepath.Join(b.TempDir(), "lake"))
		if err != nil {
			b.Fatal(err)
		}
		in, err := New(l, Options{})
		if err != nil {
			b.Fatal(err)
		}
		uploads, _, err := Find([]string{path}, nil)
		if err != nil {
			b.Fatal(err)
		}
		rep, err := in.Ingest(b.Context(), uploads[0])
		if err != nil || len(rep.Runs) != 1 {
			b.Fatal(rep, err)
		}
		gaps += rep.Runs[0].Gaps
		in.Close()
	}
	b.ReportMetric(float64(gaps)/b.Elapsed().Seconds(), "gaps/s")
}

// BenchmarkEncodingJSON decodes the same file into structs with the standard
// library, and does nothing with it.
func BenchmarkEncodingJSON(b *testing.B) {
	path, size := bigResult(b)
	b.SetBytes(size)
	for b.Loop() {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		var run struct {
			TTFTs      []float64   `json:"ttfts"`
			ITLs       [][]float64 `json:"itls"`
			OutputLens []int64     `json:"output_lens"`
		}
		if err := json.Unmarshal(text, &run); err != nil {
			b.Fatal(err)
		}
	}
}

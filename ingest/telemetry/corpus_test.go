package telemetry

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// Every scrape of /metrics in the bundled corpus is read whole: no reject, and the
// requests that the server counted between the scrapes of a start only grow.
func TestCorpus(t *testing.T) {
	const corpus = "../../cmd/servestat/testdata/demo/vllm"
	starts, err := filepath.Glob(filepath.Join(corpus, "*", "*", "start*", "metrics-before.txt.gz"))
	if err != nil || len(starts) < 6 {
		t.Fatalf("%d starts with scrapes in the corpus, %v", len(starts), err)
	}
	for _, before := range starts {
		scrapes, err := filepath.Glob(filepath.Join(filepath.Dir(before), "metrics-after-*.txt.gz"))
		if err != nil || len(scrapes) == 0 {
			t.Fatalf("%s: no later scrape: %v", before, err)
		}
		last := -1.0
		for _, name := range append([]string{before}, scrapes...) {
			finished := requestsFinished(t, name)
			if finished < last {
				t.Errorf("%s: %v requests, fewer than before (%v)", name, finished, last)
			}
			last = finished
		}
		if last < 200 {
			t.Errorf("%s: %v requests at the end, want those of five levels", before, last)
		}
	}
}

func requestsFinished(t *testing.T, name string) float64 {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	sum, samples := 0.0, 0
	r := NewReader(z, name)
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.Reject:
			t.Errorf("%s: %s", name, rec)
		case *schemas.Sample:
			samples++
			if rec.Name == "vllm:request_success_total" {
				sum += rec.Value.V
			}
		}
	}
	if err := r.Err(); err != nil && err != io.EOF {
		t.Error(err)
	}
	if samples < 100 {
		t.Errorf("%s: %d samples", name, samples)
	}
	return sum
}

package ingest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// resultText is a result of which nothing is wrong.
const resultText = `{"date": "20260101-000000", "backend": "vllm", "model_id": "m", "num_prompts": 1, "ttfts": [0.1], "itls": [[0.1]]}`

const serverLogText = "(APIServer pid=1) INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.20.0\n"

// An event names one object. What it is good for depends on what lies around it, as it
// does for a reconcile; and a side-car or a server's log that comes after the results
// that it tells of is good for having those read again. Before, an event about a
// servestat.yaml put it into quarantine as a bad result, which no reconcile does.
func TestArrival(t *testing.T) {
	o := &objects{data: map[string][]byte{
		"in/servestat.yaml":           []byte("hardware: H100\n"),
		"in/c1/run1.json":             []byte(resultText),
		"in/c1/run2.json":             []byte(resultText),
		"in/c1/server.log":            []byte(serverLogText),
		"in/c1/notes.txt":             []byte("nothing\n"),
		"in/c1/summary.csv":           []byte("a,b\n"),
		"in/c2/deep/run.json":         []byte(resultText),
		"in/c2/.part/run.json":        []byte(resultText),
		"in/empty.json":               nil,
		"in/lake/lake.json":           []byte("{}"),
		"in/lake/raw/sha256/ab/x.zst": []byte(resultText),
	}}
	c1 := []string{"in/c1/run1.json", "in/c1/run2.json", "in/c1/server.log"}
	for _, c := range []struct {
		key     string
		uploads []string
		skipped string
	}{
		{"in/c1/run1.json", c1[:1], ""},
		{"in/c1/server.log", []string{"in/c1/server.log", "in/c1/run1.json", "in/c1/run2.json"}, ""},
		{"in/c1/summary.csv", c1, "no benchmark result"},
		{"in/c1/notes.txt", nil, "no benchmark result"},
		{"in/servestat.yaml", append(slices.Clone(c1), "in/c2/deep/run.json"), ""},
		{"in/c2/.part/run.json", nil, ""},
		{"in/lake/raw/sha256/ab/x.zst", nil, "a part of the lake in in/lake"},
	} {
		b, err := OpenArrival(t.Context(), o, "s3://lab", c.key)
		if err != nil {
			t.Fatal(err)
		}
		uploads, skipped, err := b.Arrived(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, up := range uploads {
			names = append(names, strings.TrimPrefix(up.Name, "s3://lab/"))
		}
		if !slices.Equal(names, c.uploads) {
			t.Errorf("%s: to take in: %q, want %q", c.key, names, c.uploads)
		}
		if (c.skipped == "") != (len(skipped) == 0) || len(skipped) > 0 && !strings.Contains(skipped[0].Why, c.skipped) {
			t.Errorf("%s: skipped %v, want %s", c.key, skipped, c.skipped)
		}
		b.Close()
	}
	for _, key := range []string{"in", "in/", "in/none.json", "in/empty.json", "../in/c1/run1.json", "in/../in/c1/run1.json", "/in/c1/run1.json", "", "."} {
		if _, err := OpenArrival(t.Context(), o, "s3://lab", key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v, want that it does not exist", key, err)
		}
	}
}

// A sweep of vllm bench sweep keeps what it varied in a summary.csv above the folders
// of its results. Who looks at one result by its key has to see it all the same.
func TestArrivalSeesWhatLiesAbove(t *testing.T) {
	o := &objects{data: map[string][]byte{
		"in/sweep/summary.csv":      []byte("a,b\n"),
		"in/sweep/combo/run=0.json": []byte(resultText),
		"in/servestat.yaml":         []byte("hardware: H100\n"),
		"servestat.yaml":            []byte("hardware: A100\n"),
	}}
	b, err := OpenArrival(t.Context(), o, "s3://lab", "in/sweep/combo/run=0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, name := range []string{"in/sweep/summary.csv", "in/servestat.yaml", "servestat.yaml"} {
		if _, ok := b.sizes[name]; !ok {
			t.Errorf("%s is not seen", name)
		}
	}
	uploads, _, err := b.Arrived(t.Context())
	if err != nil || len(uploads) != 1 {
		t.Errorf("%d uploads, %v", len(uploads), err)
	}
}

package serverlog

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// Every server log of the bundled corpus is read to its end: the version, the
// arguments and that the server got ready, or why it did not.
func TestCorpus(t *testing.T) {
	const corpus = "../../cmd/servestat/testdata/demo/vllm"
	logs, err := filepath.Glob(filepath.Join(corpus, "*", "*", "start*", "server.log"))
	if err != nil || len(logs) < 40 {
		t.Fatalf("%d logs in the corpus, %v", len(logs), err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Detect(text[:min(len(text), 64<<10)]); !ok {
			t.Errorf("%s: not recognised", name)
		}
		kinds, last := map[string]int{}, ""
		r := NewReader(bufio.NewReader(bytes.NewReader(text)), name)
		for r.Scan() {
			if e, ok := r.Record().(*schemas.LogEvent); ok {
				kinds[e.Kind.V]++
				if e.Facts["error"] != "" || e.Facts["exception"] != "" {
					last += e.Message
				}
			}
		}
		if err := r.Err(); err != nil && err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		refused := ""
		switch dir := filepath.ToSlash(name); {
		case strings.Contains(dir, "startup-mtp"):
			refused = "Unsupported speculative method: 'mtp'"
		case strings.Contains(dir, "startup-tool-parser"):
			refused = "nonesuch"
		case strings.Contains(dir, "startup-ngram"):
			refused = "SYNTHETIC_MODE"
		}
		switch {
		case kinds["version"] == 0 || kinds["engine_args"] == 0:
			t.Errorf("%s: no version or no arguments: %v", name, kinds)
		case refused == "" && kinds["ready"] == 0:
			t.Errorf("%s: the server is not said to be ready: %v", name, kinds)
		case refused != "" && !strings.Contains(last, refused):
			t.Errorf("%s: does not say %q: %.300s", name, refused, last)
		}
	}
}

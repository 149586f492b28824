package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/query"
)

// What the database engine may take is bounded by what is said, wherever it is said: a
// container that has a gigabyte is ended by its kernel at the default of two.
func TestEngineIsBounded(t *testing.T) {
	a := &app{config: viperOf(t, "lake")}
	if got, err := a.engine(); err != nil || got != query.DefaultLimits {
		t.Errorf("%+v, %v; want %+v", got, err, query.DefaultLimits)
	}
	a.config.Set("max-memory", "300MB")
	a.config.Set("max-temp", "1GB")
	if got, err := a.engine(); err != nil || got.Memory != 300e6 || got.Temp != 1e9 {
		t.Errorf("%+v, %v; want 300 MB and 1 GB", got, err)
	}
	for _, text := range []string{engineMemory, reportEngine} {
		if n, err := parseBytes(text); err != nil || n > query.DefaultLimits.Memory {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	dir := t.TempDir()
	writeFileOf(t, filepath.Join(dir, "r.json"), []byte(hostileResult("")))
	lake := filepath.Join(dir, "lake")
	for _, args := range [][]string{
		{"reconcile", "--lake", lake, "--max-memory", "1kB", dir},
		{"analyze", "--lake", lake, "--max-memory", "1kB"},
		{"report", "weekly", "--lake", lake, "--out", filepath.Join(dir, "out"), "--max-memory", "1kB"},
		{"watch", "--once", "--settle", "1ms", "--lake", filepath.Join(dir, "other"), "--max-memory", "1kB", dir},
	} {
		var stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader(""), os.Stdout, &stderr)
		if code == 0 || !strings.Contains(strings.ToLower(stderr.String()), "memory") {
			t.Errorf("%s: exit code %d: %s\nwant that a kilobyte is too little", strings.Join(args, " "), code, &stderr)
		}
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

// The reports in testdata/demo/report and testdata/demo/article, which the README
// shows, are what make demo writes over the bundled logs.
func TestDemoReportsAreFresh(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	demo := filepath.Join(here, "testdata", "demo")
	for _, d := range []struct{ logs, kind, golden string }{
		{"logs", "weekly", "report"},
		{"jetson-thor-article", "sweep", "article"},
	} {
		t.Run(d.golden, func(t *testing.T) {
			dir := t.TempDir()
			servestat(t, "ingest", "--lake", filepath.Join(dir, "lake"), filepath.Join(demo, d.logs))
			servestat(t, "report", d.kind, "--lake", filepath.Join(dir, "lake"), "--out", filepath.Join(dir, "out"))
			checkFolder(t, filepath.Join(dir, "out"), filepath.Join(demo, d.golden))
		})
	}
}

// checkFolder compares every file that was written with its golden file.
func checkFolder(t *testing.T, got, golden string) {
	files, err := os.ReadDir(got)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files in the report, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(got, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(golden, f.Name())
		if filepath.Ext(name) == ".png" {
			schematest.GoldenPNG(t, name, data)
		} else {
			schematest.Golden(t, name, data)
		}
	}
	old, err := os.ReadDir(golden)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range old {
		if _, err := os.Stat(filepath.Join(got, f.Name())); err != nil && !strings.HasPrefix(f.Name(), ".got-") {
			t.Errorf("%s is no longer written: delete it", filepath.Join(golden, f.Name()))
		}
	}
}

// servestat runs a command that must succeed and returns what it prints.
func servestat(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Fatalf("servestat %s: exit code %d\n%s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

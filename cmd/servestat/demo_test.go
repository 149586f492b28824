package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

// The reports in testdata/demo/report, neighbour and article, which the README
// shows, are what make demo writes over the bundled logs.
func TestDemoReportsAreFresh(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	demo := filepath.Join(here, "testdata", "demo")
	for _, d := range []struct {
		logs, golden string
		report       []string
	}{
		{"vllm/baseline", "report", []string{"weekly", "--week", "2026-W47"}},
		{"vllm/neighbour,vllm/baseline/0.20.2", "neighbour", []string{"compare", "group=baseline", "group=neighbour"}},
		{"jetson-thor-article", "article", []string{"sweep"}},
	} {
		t.Run(d.golden, func(t *testing.T) {
			dir := t.TempDir()
			ingest := []string{"ingest", "--lake", filepath.Join(dir, "lake")}
			for _, part := range strings.Split(d.logs, ",") {
				ingest = append(ingest, filepath.Join(demo, part))
			}
			servestat(t, ingest...)
			report := append([]string{"report"}, d.report...)
			answers(t, append(report, "--lake", filepath.Join(dir, "lake"), "--out", filepath.Join(dir, "out"))...)
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

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/viper"

	"github.com/servestat/servestat/ingest"
)

// watching is a watcher over a folder, with the clock in the test's hand.
func watching(t *testing.T, dir string) (w *watcher, lake string) {
	t.Helper()
	lake = filepath.Join(t.TempDir(), "lake")
	a := &app{config: viper.New(), stdout: io.Discard, stderr: io.Discard, term: &terminal{w: io.Discard}}
	a.config.Set("lake", lake)
	a.config.Set("format", "text")
	a.config.Set("memory", "512MB")
	return &watcher{a: a, dir: dir, root: dir, settle: time.Minute, seen: map[string]sighting{}, opts: ingest.Options{}}, lake
}

func runsIn(t *testing.T, lake string) string {
	t.Helper()
	_, out := answers(t, "sql", "--lake", lake, "--format", "csv", "select source_name, runtime_version, server_start from runs order by all")
	return out
}

// A file that is being written is left alone, for as long as it grows: half a result
// would be taken in as one that was cut short.
func TestWatchLeavesAFileAloneThatGrows(t *testing.T) {
	dir := t.TempDir()
	data := []byte(hostileResult(""))
	file := filepath.Join(dir, "r.json")
	w, lake := watching(t, dir)
	now := time.Now()
	for n := 10; n < len(data); n += len(data) / 4 {
		writeAt(t, file, data[:n], now)
		if err := w.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(w.settle / 2)
	}
	writeAt(t, file, data, now)
	for range 2 {
		if _, err := os.Stat(lake); err == nil {
			t.Fatal("taken while it was written")
		}
		if err := w.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(w.settle)
	}
	if got, want := runsIn(t, lake), "source_name,runtime_version,server_start\n"+filepath.Base(dir)+"/r.json,,\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func writeAt(t *testing.T, file string, data []byte, at time.Time) {
	t.Helper()
	writeFileOf(t, file, data)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// A server log and a side-car often come last, when the server has ended. The runs
// that they tell of are in the lake by then, and are told of all the same.
func TestWatchReadsResultsAgainThatALaterFileTellsOf(t *testing.T) {
	dir := t.TempDir()
	for _, run := range []string{"c1/run1.json.gz", "c8/run1.json.gz"} {
		data, err := os.ReadFile("testdata/demo/logs/0.20.0/" + run)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(run)), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFileOf(t, filepath.Join(dir, run), data)
	}
	w, lake := watching(t, dir)
	now := time.Now().Add(time.Hour)
	look := func() {
		t.Helper()
		if err := w.look(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	look()
	name := filepath.Base(dir)
	if got, want := runsIn(t, lake), "source_name,runtime_version,server_start\n"+name+"/c1/run1.json.gz,,\n"+name+"/c8/run1.json.gz,,\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	writeFileOf(t, filepath.Join(dir, "servestat.yaml"), []byte("runtime_version: '1.2'\nserver_start: night\n"))
	look()
	if got, want := runsIn(t, lake), "source_name,runtime_version,server_start\n"+name+"/c1/run1.json.gz,1.2,night\n"+name+"/c8/run1.json.gz,1.2,night\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What fails now is tried again at the next look: nothing is held for taken that is
// not in the lake.
func TestWatchTriesAgain(t *testing.T) {
	dir := t.TempDir()
	writeFileOf(t, filepath.Join(dir, "r.json"), []byte(hostileResult("")))
	w, lake := watching(t, dir)
	now := time.Now().Add(time.Hour)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.look(ended, now); err == nil {
		t.Fatal("no error")
	}
	if err := w.look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got, want := runsIn(t, lake), "source_name,runtime_version,server_start\n"+filepath.Base(dir)+"/r.json,,\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

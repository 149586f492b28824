package simulate

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree reads every file below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files map[string]string) []string {
	var all []string
	for name := range files {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func mustWrite(t *testing.T, s Sweep, dir string) map[string]string {
	t.Helper()
	if err := s.Write(context.Background(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return tree(t, dir)
}

func TestSweepWritesThisTree(t *testing.T) {
	want := `0.19.0/c1/run1.json 0.19.0/c1/run2.json 0.19.0/c2/run1.json 0.19.0/c2/run2.json 0.19.0/c4/run1.json 0.19.0/c4/run2.json
0.19.0/server.log 0.19.0/servestat.yaml
0.20.0/c1/run1.json 0.20.0/c1/run2.json 0.20.0/c2/run1.json 0.20.0/c2/run2.json 0.20.0/c4/run1.json 0.20.0/c4/run2.json
0.20.0/server.log 0.20.0/servestat.yaml`
	if got := names(mustWrite(t, small(), t.TempDir())); !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("got %v, want\n%s", got, want)
	}
}

func TestWritingTwiceGivesTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	first := mustWrite(t, small(), dir)
	again := mustWrite(t, small(), dir) // over the first
	elsewhere := mustWrite(t, small(), t.TempDir())
	for name, text := range first {
		if again[name] != text || elsewhere[name] != text {
			t.Errorf("%s differs from one writing to the next", name)
		}
	}
	if len(again) != len(first) {
		t.Errorf("%d files after the second writing, %d after the first", len(again), len(first))
	}
}

func TestGzipHoldsTheSameText(t *testing.T) {
	plain := mustWrite(t, small(), t.TempDir())
	s := small()
	s.Gzip = true
	packed := mustWrite(t, s, t.TempDir())
	if !slices.Contains(names(packed), "0.20.0/c4/run2.json.gz") || slices.Contains(names(packed), "0.20.0/c4/run2.json") {
		t.Fatalf("wrote %v", names(packed))
	}
	for name, text := range packed {
		name, isPacked := strings.CutSuffix(name, ".gz")
		if isPacked {
			text = unpack(t, text)
		}
		if text != plain[name] {
			t.Errorf("%s differs from what is written without gzip", name)
		}
	}
}

func unpack(t *testing.T, text string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestSidecarSaysWhatTheFilesCannot(t *testing.T) {
	s := small()
	s.Hardware = "Jetson AGX Thor (simulated)"
	want := `# What the result files in this folder cannot say. Written by servestat simulate.
runtime: vllm
runtime_version: "0.20.0"
hardware: "Jetson AGX Thor (simulated)"
simulated: true
dataset: random
path: "c{max_concurrency}/run{repeat}.json"
server_start: "{runtime_version}-start{repeat}"
server_log: server.log
`
	if got := s.sidecar("0.20.0"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.Name = "qwen"
	if got := s.sidecar("0.20.0"); !strings.Contains(got, `server_start: "qwen-{runtime_version}-start{repeat}"`) {
		t.Errorf("server starts of a named sweep do not carry its name:\n%s", got)
	}
}

// One wall clock goes through the sweep: runs follow each other, and the server
// was up whenever one was measured.
func TestRunsFollowEachOtherOnOneClock(t *testing.T) {
	type run struct {
		begin, end float64 // perf_counter
		date       time.Time
	}
	var runs []run
	files := mustWrite(t, small(), t.TempDir())
	for name, text := range files {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var r struct {
			Date       string    `json:"date"`
			Duration   float64   `json:"duration"`
			StartTimes []float64 `json:"start_times"`
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		date, err := time.Parse("20060102-150405", r.Date)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run{r.StartTimes[0], r.StartTimes[0] + r.Duration, date})
	}
	slices.SortFunc(runs, func(a, b run) int { return a.date.Compare(b.date) })
	epoch := DefaultSweep().Begin.Add(-uptime)
	for i, r := range runs {
		if i > 0 && r.begin < runs[i-1].end+betweenRuns.Seconds()-0.001 {
			t.Errorf("run %d began at %.1f s, the one before ended at %.1f s", i, r.begin, runs[i-1].end)
		}
		end := epoch.Add(time.Duration(r.end * 1e9))
		if off := end.Sub(r.date); off < 0 || off >= time.Second+time.Millisecond {
			t.Errorf("run %d ended at %v by its clock and at %v by its date", i, end, r.date)
		}
	}
	if text := files["0.19.0/server.log"]; !strings.Contains(text, "11-16 08:00:00 [utils.py:299]") {
		t.Errorf("the first server did not start when the sweep began:\n%.300s", text)
	}
}

func TestProgressCountsEveryRun(t *testing.T) {
	var done []int
	err := small().Write(context.Background(), t.TempDir(), func(n, total int) {
		done = append(done, n)
		if total != 12 {
			t.Errorf("total is %d, want 12", total)
		}
	})
	if err != nil || len(done) != 12 || done[0] != 1 || done[11] != 12 {
		t.Errorf("progress was %v, error %v", done, err)
	}
}

func TestCancelStopsBetweenFilesAndLeavesOnlyWholeOnes(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	err := small().Write(ctx, dir, func(done, total int) {
		if done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want that it was cancelled", err)
	}
	results := 0
	for name, text := range tree(t, dir) {
		if strings.HasSuffix(name, ".json") {
			results++
			if !json.Valid([]byte(text)) {
				t.Errorf("%s is cut off", name)
			}
		} else if filepath.Base(name) != "servestat.yaml" {
			t.Errorf("%s was left behind", name)
		}
	}
	if results != 3 {
		t.Errorf("%d results, want the 3 that were done", results)
	}
	if files := mustWrite(t, small(), dir); len(files) != 16 {
		t.Errorf("the same sweep could not be completed: %v", names(files))
	}
}

func TestWriteRefusesAFolderWithOtherResults(t *testing.T) {
	dir := t.TempDir()
	before := mustWrite(t, small(), dir)
	fewer := small()
	fewer.Runs = 1
	err := fewer.Write(context.Background(), dir, nil)
	if err == nil || !strings.Contains(err.Error(), "run2.json is not of this sweep, and would be read with it: remove it or write to another folder") {
		t.Errorf("got error %v", err)
	}
	for name, text := range tree(t, dir) {
		if before[name] != text {
			t.Errorf("%s was changed by the refused sweep", name)
		}
	}
}

func TestWriteSimulatesNothingThatItCannot(t *testing.T) {
	dir := t.TempDir()
	s := small()
	s.Runs = 0
	if err := s.Write(context.Background(), dir, nil); err == nil || err.Error() != "cannot simulate: runs is 0: give at least 1" {
		t.Errorf("got error %v", err)
	}
	if files := tree(t, dir); len(files) != 0 {
		t.Errorf("wrote %v", names(files))
	}
}

func TestAFileThatCannotBeWrittenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	full := errors.New("disk full")
	err := writeFile(filepath.Join(dir, "run1.json"), func(w *bufio.Writer) error {
		w.WriteString("half a fi")
		return full
	})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "run1.json") {
		t.Errorf("got error %v, want one that names the file and the cause", err)
	}
	if files := tree(t, dir); len(files) != 0 {
		t.Errorf("left %v", names(files))
	}
}

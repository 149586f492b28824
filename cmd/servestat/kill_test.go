package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/ingest/archive/archivetest"
)

// kills is at how many random points processes are killed: SERVESTAT_KILLS, which
// make kill sets to 100.
func kills(t *testing.T) int {
	text := os.Getenv("SERVESTAT_KILLS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A process killed at any moment, by kill -9, leaves a lake that lake check calls
// whole, and that the same command, run again, completes to the same bytes as if
// nothing had happened.
func TestKilledAtRandomPoints(t *testing.T) {
	n := kills(t)
	rng := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	ingested := filepath.Join(dir, "ingested")
	logs := "testdata/demo/logs/0.20.0"
	killUntil(t, rng, n*45/100, killed{
		args: []string{"ingest", "--lake", ingested, logs}, lake: ingested,
		again: func() { remove(t, ingested) },
	})
	compacted := filepath.Join(dir, "compacted")
	killUntil(t, rng, n*45/100, killed{
		args: []string{"lake", "compact", "--target", "1", "--lake", compacted}, lake: compacted,
		again: func() { remove(t, compacted); copyTree(t, ingested, compacted) },
	})
	collected := filepath.Join(dir, "collected")
	killUntil(t, rng, n-2*(n*45/100), killed{
		args: []string{"lake", "gc", "--grace", "0s", "--lake", collected}, lake: collected,
		again: func() { remove(t, collected); copyTree(t, compacted, collected) },
	})
}

// An archive is unpacked inside the lake for a while: a process killed then leaves
// nothing that the same command, run again, does not complete.
func TestKilledIngestOfAnArchiveIsCompletedByRunningItAgain(t *testing.T) {
	logs, err := filepath.Abs("testdata/demo/logs")
	if err != nil {
		t.Fatal(err)
	}
	members, err := archivetest.Folder(logs)
	if err != nil {
		t.Fatal(err)
	}
	archived := filepath.Join(t.TempDir(), "logs") // called as the folder is
	if err := os.WriteFile(archived, archivetest.Zip(members...), 0o666); err != nil {
		t.Fatal(err)
	}
	whole, lake := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "killed")
	begin := time.Now()
	servestatProcess(t, 0, []string{"ingest", "--lake", whole, logs})
	took := time.Since(begin)
	rng := rand.New(rand.NewPCG(1, 1))
	killed := 0
	for range 12 {
		if servestatProcess(t, time.Duration(rng.Int64N(int64(took))), []string{"ingest", "--lake", lake, archived}) {
			killed++
		}
	}
	servestatProcess(t, 0, []string{"ingest", "--lake", lake, archived})
	wantSame(t, whole, lake)
	if killed == 0 {
		t.Error("no kill came in time: the test shows nothing")
	}
}

// killed is a command that is killed while it works on a lake.
type killed struct {
	args  []string
	lake  string
	again func() // makes the lake as it was before
}

// killUntil kills the command until n of the kills came in time, and looks at the
// lake after each. In the end it lets the command finish.
func killUntil(t *testing.T, rng *rand.Rand, n int, k killed) {
	t.Helper()
	k.again()
	begin := time.Now()
	servestatProcess(t, 0, k.args)
	took := time.Since(begin)
	whole := k.lake + "-whole"
	copyTree(t, k.lake, whole)
	k.again()
	for done, tries := 0, 0; done < n; tries++ {
		if tries == 10*n {
			t.Fatalf("%v: %d of %d kills came in time", k.args, done, tries)
		}
		if !servestatProcess(t, time.Duration(rng.Int64N(int64(took))), k.args) { // it finished
			wantWhole(t, k)
			wantSame(t, whole, k.lake)
			k.again()
			continue
		}
		done++
		wantWhole(t, k)
	}
	servestatProcess(t, 0, k.args)
	wantSame(t, whole, k.lake)
}

func wantSame(t *testing.T, whole, lake string) {
	t.Helper()
	if diff := diffTrees(whole, lake); diff != "" {
		t.Fatalf("completed after kills, the lake differs:\n%s", diff)
	}
}

// wantWhole runs lake check. A lake that was killed before it was one is none.
func wantWhole(t *testing.T, k killed) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(k.lake, "lake.json")); err != nil {
		return
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"lake", "check", "--lake", k.lake}, strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("%v was killed, and lake check says (exit code %d):\n%s%s", k.args, code, &stdout, &stderr)
	}
}

// servestatProcess runs servestat as a process of its own, and kills it after a
// while if that is not 0. It reports whether it was killed.
func servestatProcess(t *testing.T, kill time.Duration, args []string) bool {
	t.Helper()
	ctx := t.Context()
	if kill > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, kill)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, "servestat", args...) // Cancel is Kill: no chance to clean up
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil && err != nil {
		return true
	}
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, out) // from any goroutine
	}
	return false
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(fmt.Errorf("copy of %s: %w", from, err))
	}
}

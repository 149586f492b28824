package main

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// Of a lake in a bucket, every block of the tables that a statement names was fetched,
// however few of its runs were asked for. Contained statements are staged alike; one of
// tokens alone failed, because the truth checks that are told besides asked for runs.
func TestABucketGivesTheBlocksOfTheRunsThatAreAskedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	uri := server.URI("lake")
	t.Setenv("SERVESTAT_CACHE", filepath.Join(t.TempDir(), "ingest"))
	servestat(t, "ingest", "--quiet", "--lake", uri, "testdata/demo/logs/0.19.0/c2", "testdata/demo/logs/0.20.0/c2")
	for _, contained := range []bool{false, true} {
		for _, c := range []struct {
			statement    string
			runs, tokens int // blocks that are fetched
		}{
			{"SELECT sum(gap_ns) FROM tokens", 0, 10},
			{"SELECT sum(gap_ns) FROM tokens JOIN runs USING (run_id) WHERE runtime_version = '0.20.0'", 10, 5},
			{"SELECT itl_mean_s FROM load_points WHERE runtime_version = '0.19.0'", 10, 5},
			{"SELECT sum(gap_ns) FROM tokens WHERE run_id = 'none'", 0, 0},
			{"SELECT us FROM exact_percentiles([0.5], true, of_runs := repeat = 3)", 10, 2},
			{"SELECT sum(gap_ns) FROM tokens t JOIN runs r ON t.run_id = r.run_id WHERE r.repeat = $n", 10, 2},
		} {
			cache := t.TempDir()
			t.Setenv("SERVESTAT_CACHE", cache)
			args := []string{"sql", "--format", "csv", "--lake", uri, c.statement}
			if contained {
				args = append(args, "--contained")
			}
			if strings.Contains(c.statement, "$n") {
				args = append(args, "--param", "n=3")
			}
			servestat(t, args...)
			if runs, tokens := cached(t, cache, "runs"), cached(t, cache, "tokens"); runs != c.runs || tokens != c.tokens {
				t.Errorf("%s (contained: %t) fetched %d blocks of runs and %d of tokens, want %d and %d", c.statement, contained, runs, tokens, c.runs, c.tokens)
			}
		}
	}
}

// cached counts the blocks of a table in a cache.
func cached(t *testing.T, dir, table string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "lakes"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(filepath.ToSlash(p), "/blocks/v1/"+table+"/") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

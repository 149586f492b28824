package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/servestat/servestat/schemas/lake/bucket"
	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
	"github.com/servestat/servestat/schemas/schematest"
)

// Scripts over a real S3 server. $S3 is what a URI needs to reach it, $BUCKET the
// folder that it keeps the bucket lab in, $SMALL the logs of two levels of the demo.
func TestBucketScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	demo, err := filepath.Abs("testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/bucket/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts found: ", err)
	}
	server, small := buckettest.Start(t), t.TempDir()
	for _, version := range []string{"0.19.0", "0.20.0"} {
		copyPart(t, filepath.Join(demo, "logs", version), filepath.Join(small, version), "c1", "c4")
	}
	testscript.Run(t, testscript.Params{
		Files:         scripts,
		UpdateScripts: schematest.Update(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("DEMO", demo)
			e.Setenv("SMALL", small)
			e.Setenv("S3", "?endpoint="+server.Endpoint)
			e.Setenv("BUCKET", server.Root)
			e.Setenv("SERVESTAT_CACHE", filepath.Join(e.WorkDir, "cache"))
			for _, key := range buckettest.Environment() {
				e.Setenv(key, os.Getenv(key))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "sametree": sameTree, "pack": pack, "upload": upload(server)},
	})
}

// copyPart copies the files of a folder, and of the folders in it those that are named.
func copyPart(t *testing.T, from, to string, folders ...string) {
	t.Helper()
	for _, name := range folders {
		copyTree(t, filepath.Join(from, name), filepath.Join(to, name))
	}
	files, err := filepath.Glob(filepath.Join(from, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		writeFileOf(t, filepath.Join(to, filepath.Base(name)), data)
	}
}

// upload puts the files of a folder, or one file, under a prefix: upload DIR PREFIX.
func upload(server *buckettest.Server) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: upload DIR PREFIX")
		}
		ts.Check(uploadTree(server, ts.MkAbs(args[0]), args[1]))
	}
}

func uploadTree(server *buckettest.Server, root, prefix string) error {
	b, err := bucket.Open(context.Background(), server.Location(prefix))
	if err != nil {
		return err
	}
	root, err = filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	return filepath.Walk(root, func(p string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		if p == root {
			return b.At("").Put(context.Background(), prefix, p, "")
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return b.Put(context.Background(), filepath.ToSlash(rel), p, "")
	})
}

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
// folder that it keeps the bucket lab in.
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
	server := buckettest.Start(t)
	testscript.Run(t, testscript.Params{
		Files:         scripts,
		UpdateScripts: schematest.Update(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("DEMO", demo)
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

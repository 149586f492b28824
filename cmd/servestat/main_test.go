package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/servestat/servestat/ingest/archive/archivetest"
	"github.com/servestat/servestat/schemas/schematest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"servestat": func() { os.Exit(interruptible(commandLine(os.Args))) },
		"bootstrap": func() { os.Exit(interruptible(commandLine(os.Args))) },
	})
}

// Scripts say what a person types and what comes back: stdout, stderr and exit
// code. They know $DEMO, the bundled logs, and $INGEST, the folder of the readers
// with their fixtures.
func TestScripts(t *testing.T) {
	demo, err := filepath.Abs("testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	readers, err := filepath.Abs("../../ingest")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts found: ", err)
	}
	testscript.Run(t, testscript.Params{
		Files:         scripts,
		UpdateScripts: schematest.Update(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("DEMO", demo)
			e.Setenv("INGEST", readers)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "sametree": sameTree, "pack": pack},
	})
}

// servestat.yaml is the configuration and, beside results, their side-car: each
// must let the other's keys be.
func TestEveryFlagMayStandInAServestatYAML(t *testing.T) {
	names := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "simulate" { // its flags say what to simulate, and are not configured
			return
		}
		c.Flags().VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { names[f.Name] = true })
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	a := &app{config: viper.New(), term: &terminal{}}
	walk(a.rootCommand())
	delete(names, "help")
	delete(names, "config") // names the file
	for name := range names {
		dir := t.TempDir()
		text, err := os.ReadFile("testdata/demo/logs/0.19.0/c1/run1.json.gz")
		if err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{"r.json.gz": text, "servestat.yaml": []byte(name + ": x\n")} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		servestat(t, "ingest", "--lake", filepath.Join(dir, "lake"), filepath.Join(dir, "r.json.gz"))
	}
}

// exits runs a command and wants this exit code: exits 3 servestat ingest x.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// pack makes an archive of a folder, the way its kind says: pack tar.gz FILE DIR.
// For gzip and zstd, DIR is a file.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pack zip|tar|tar.gz|tar.zst|gzip|zstd FILE DIR")
	}
	kind, from := args[0], ts.MkAbs(args[2])
	var data []byte
	switch kind {
	case "gzip":
		data = archivetest.Gzip([]byte(ts.ReadFile(from)))
	case "zstd":
		data = archivetest.Zstd([]byte(ts.ReadFile(from)))
	default:
		members, err := archivetest.Folder(from)
		ts.Check(err)
		data, err = archivetest.Pack(kind, members)
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o666))
}

// sametree wants two folders to hold the same files with the same bytes.
func sameTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sametree DIR DIR")
	}
	if diff := diffTrees(ts.MkAbs(args[0]), ts.MkAbs(args[1])); diff != "" {
		ts.Fatalf("%s and %s differ:\n%s", args[0], args[1], diff)
	}
}

// diffTrees names the files in which two folders differ.
func diffTrees(a, b string) string {
	left, right := readTree(a), readTree(b)
	var diff strings.Builder
	for name, data := range left {
		switch other, ok := right[name]; {
		case !ok:
			fmt.Fprintf(&diff, "only in the first: %s\n", name)
		case !bytes.Equal(data, other):
			fmt.Fprintf(&diff, "not the same bytes: %s\n", name)
		}
	}
	for name := range right {
		if _, ok := left[name]; !ok {
			fmt.Fprintf(&diff, "only in the second: %s\n", name)
		}
	}
	return diff.String()
}

func readTree(root string) map[string][]byte {
	tree := map[string][]byte{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			tree[rel+"/"] = nil
			return nil
		}
		tree[rel], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		panic(err)
	}
	return tree
}

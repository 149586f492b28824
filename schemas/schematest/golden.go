package schematest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests got; read the diff before committing it")

// Update reports whether the tests are to rewrite their golden files instead of
// comparing with them.
func Update() bool { return *update }

// maxDiffLines keeps a failure readable; the rest is in the .got- file.
const maxDiffLines = 120

// Golden compares got with the golden file at path.
func Golden(t testing.TB, path string, got []byte) {
	t.Helper()
	golden(t, path, got, func(want []byte) string {
		if bytes.Equal(want, got) {
			return ""
		}
		return firstLines(string(diff.Diff(path, want, gotPath(path), got)), maxDiffLines)
	})
}

// golden is what every kind of golden file has in common. same returns "" where
// the output matches the golden file's content, and otherwise how it differs.
func golden(t testing.TB, path string, got []byte, same func(want []byte) string) {
	t.Helper()
	if Update() {
		write(t, path, got)
		remove(t, gotPath(path))
		return
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		write(t, gotPath(path), got)
		t.Errorf("no golden file %s; what the test got is in %s: if it is right, run the test with -update", path, gotPath(path))
		return
	}
	if err != nil {
		t.Fatalf("reading the golden file: %v", err)
	}
	if how := same(want); how != "" {
		write(t, gotPath(path), got)
		t.Errorf("output differs from %s (run the test with -update if it is right):\n%s", path, how)
		return
	}
	remove(t, gotPath(path))
}

// gotPath names the file in which a mismatch is left: .got- before the base
// name, so that one line in .gitignore covers all of them.
func gotPath(path string) string {
	return filepath.Join(filepath.Dir(path), ".got-"+filepath.Base(path))
}

func firstLines(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	if len(lines) <= n {
		return s
	}
	return strings.Join(lines[:n], "") + fmt.Sprintf("… %d more lines of diff\n", len(lines)-n)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatalf("writing %s: %v", path, err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatalf("writing %s: %v", path, err)
	}
}

// remove deletes what an earlier failure left behind.
func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("removing a stale file: %v", err)
	}
}

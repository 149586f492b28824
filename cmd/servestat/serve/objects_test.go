package serve

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
)

// A folder that serves as a bucket gives what lies below it: no link leads out of it,
// and no pipe keeps the reader waiting.
func TestFoldersAsBuckets(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{filepath.Join(dir, "in", "a.json"): "{} ", outside: "secret"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"in/out.json": outside, "in/within.json": "a.json", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "in", "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := Folder(dir)
	for _, name := range []string{"in/a.json", "in/within.json"} {
		if e, err := f.Stat(t.Context(), name); err != nil || e.Size != 3 || e.Name != name {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	r, err := f.GetRange(t.Context(), "in/a.json", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, _ := io.ReadAll(r); string(data) != "}" {
		t.Errorf("%q", data)
	}
	for name, want := range map[string]error{
		"in/b.json": fs.ErrNotExist, "in/pipe.json": fs.ErrNotExist, "in": fs.ErrNotExist, ".": fs.ErrNotExist,
		"in/out.json": fs.ErrNotExist, "../secret": fs.ErrNotExist, outside: fs.ErrNotExist, "up/secret": fs.ErrNotExist,
	} {
		_, stat := f.Stat(t.Context(), name)
		_, get := f.Get(t.Context(), name)
		for _, err := range []error{stat, get} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	var names []string
	err = f.List(t.Context(), "in/", func(e lake.Entry) error {
		names = append(names, e.Name)
		return nil
	})
	if err != nil || !slices.Equal(names, []string{"in/a.json", "in/within.json"}) {
		t.Errorf("%q, %v", names, err)
	}
}

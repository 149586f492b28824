package lake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func newLake(t *testing.T) *Lake {
	t.Helper()
	l, err := Create(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func begin(t *testing.T, l *Lake) *Session {
	t.Helper()
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// One of the object-store libraries lets several of 16 racing writers believe
// that they won. Ours must not, in any of many rounds.
func TestOneOfManyRacingWritersPublishes(t *testing.T) {
	l := newLake(t)
	for round := range 50 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				s, err := l.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				created, err := s.Put(fmt.Sprintf("manifests/v1/%d.json", round), fmt.Appendf(nil, "writer %d", w))
				if err != nil {
					t.Error(err)
				}
				if created {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d writers won", round, won.Load())
		}
	}
	if _, err := os.Stat(l.Path("tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("tmp is left behind: %v", err)
	}
}

// The folder of private folders goes with the last of them, which is when another
// may just be making its own.
func TestPrivateFoldersComeAndGo(t *testing.T) {
	root := filepath.Join(t.TempDir(), "tmp")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 200 {
				p, err := newPrivate(root)
				if err != nil {
					t.Error(err)
					return
				}
				p.Close()
			}
		})
	}
	wg.Wait()
}

func TestPublishedFileIsNeverOverwritten(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	for i, want := range []bool{true, false} {
		created, err := s.Put("blocks/v1/x", fmt.Appendf(nil, "%d", i))
		if err != nil || created != want {
			t.Fatalf("put %d: created %v, %v", i, created, err)
		}
	}
	if got, _ := os.ReadFile(l.Path("blocks/v1/x")); string(got) != "0" {
		t.Errorf("the second writer's bytes are there: %q", got)
	}
}

// A killed process leaves its folder and no lock: the next session removes it. A
// living process's folder stays.
func TestNextSessionSweepsDeadOnes(t *testing.T) {
	l := newLake(t)
	alive := begin(t, l)
	dead := filepath.Join(l.Path("tmp"), "session-dead")
	if err := os.MkdirAll(dead, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"lock", "blob-1"} {
		if err := os.WriteFile(filepath.Join(dead, f), []byte("half a block"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, l)
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead session's folder is still there: %v", err)
	}
	if _, err := alive.Put("blocks/v1/y", []byte("y")); err != nil {
		t.Errorf("the living session was swept: %v", err)
	}
}

func TestManifestCommitsOnlyPublishedBlocks(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	m := &Manifest{RunID: "r", Identity: "i", ContentDigest: "c", Blocks: []Block{{Table: "runs", Name: BlockName("runs", "unknown", "abc")}}}
	if _, err := s.Commit(m); err == nil || !strings.Contains(err.Error(), "not published") {
		t.Errorf("commit over a missing block: %v", err)
	}
	if ms, err := l.Manifests(); err != nil || len(ms) != 0 {
		t.Errorf("manifests after a refused commit: %v, %v", ms, err)
	}
}

func TestEffectiveManifestDoesNotDependOnOrder(t *testing.T) {
	all := []*Manifest{
		{RunID: "a", ContentDigest: "1", Identity: "x", Known: 2},
		{RunID: "a", ContentDigest: "1", Identity: "y", Known: 3},              // knows more
		{RunID: "b", ContentDigest: "2", Identity: "x", Known: 1, Revision: 1}, // corrected
		{RunID: "b", ContentDigest: "2", Identity: "y", Known: 5},
		{RunID: "c", ContentDigest: "3", Identity: "x"}, // first by name
		{RunID: "d", ContentDigest: "3", Identity: "x"},
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var names []string
		for _, m := range Effective(all) {
			names = append(names, m.RunID+m.Identity)
		}
		if got := strings.Join(names, " "); got != "ay bx cx" {
			t.Fatalf("effective: %s, want ay bx cx", got)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, marker, want string }{
		{"newer", `{"format":"servestat.lake","version":99}`, "newer than this servestat"},
		{"foreign", `{"format":"photo.album"}`, "not a lake"},
		{"garbage", `{{{`, "not a lake"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lake.json"), []byte(c.marker), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNotLake) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestCreateRefusesAFolderOfOtherThings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("made a lake among other files: %v", err)
	}
}

func TestDamagedManifestIsNamed(t *testing.T) {
	l := newLake(t)
	if err := os.MkdirAll(l.Path("manifests/v1"), 0o777); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"{": "bad.json", `{"schema":"servestat.manifest/9"}`: "upgrade servestat"} {
		if err := os.WriteFile(l.Path("manifests/v1/bad.json"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Manifests(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

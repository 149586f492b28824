package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
)

func openFake(t *testing.T, f *fake) *Bucket {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "tester")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
	if f.objects == nil {
		f.objects = map[string]object{}
	}
	b, err := open(t.Context(), Location{Bucket: "lab", Endpoint: "http://fake", Region: "here"}, f)
	if err != nil {
		t.Fatal(err)
	}
	b.pause = func(context.Context, int) error { return nil }
	return b
}

func remote(t *testing.T, store lake.Store) lake.Remote {
	return lake.Remote{Store: store, Name: "s3://lab", ID: "lab", Cache: &lake.Cache{Dir: t.TempDir(), Limit: 1 << 20}}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// Whatever becomes of a put's answer, who made the object is told so, and nobody
// else is.
func TestAmbiguousPutsAreResolved(t *testing.T) {
	taken := map[string]object{"x": {data: []byte("theirs"), meta: "their put"}}
	for _, c := range []struct {
		name   string
		there  map[string]object
		faults []fault
		want   bool
		fails  string
	}{
		{name: "all goes well", want: true},
		{name: "taken", there: taken, want: false},
		{name: "its answer is lost, and it was made", faults: []fault{cutAfter}, want: true},
		{name: "its answer is an error, and it was made", faults: []fault{errorAfter}, want: true},
		{name: "it is lost on its way", faults: []fault{cutBefore}, want: true},
		{name: "its answer is lost, and another one was first", there: taken, faults: []fault{cutAfter}, want: false},
		{name: "it is lost, and another one was first", there: taken, faults: []fault{cutBefore, slow, conflict}, want: false},
		{name: "conflict", faults: []fault{conflict, conflict}, want: true},
		{name: "slow down", faults: []fault{slow, slow, slow}, want: true},
		{name: "made, and its answers lost again and again", faults: []fault{cutAfter, cutAfter, errorAfter}, want: true},
		{name: "denied", faults: []fault{denied}, fails: "may not"},
		{name: "never", faults: []fault{cutBefore, cutBefore, cutBefore, cutBefore, cutBefore, cutBefore, cutBefore, cutBefore}, fails: "after 8 attempts"},
	} {
		f := &fake{objects: map[string]object{}}
		for k, o := range c.there {
			f.objects[k] = o
		}
		puts := 0
		f.fault = func(_ int, r *http.Request) fault {
			if r.Method != http.MethodPut || puts >= len(c.faults) {
				return none
			}
			puts++
			return c.faults[puts-1]
		}
		created, err := openFake(t, f).PutIfAbsent(t.Context(), "x", write(t, "ours"))
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error that says %q", c.name, err, c.fails)
			}
		case err != nil || created != c.want:
			t.Errorf("%s: created %v, %v; want %v", c.name, created, err, c.want)
		case (string(f.objects["x"].data) == "ours") != c.want:
			t.Errorf("%s: told %v, and the object is %q", c.name, created, f.objects["x"].data)
		}
	}
}

// Racing writers, one request in five of whom goes wrong: never do two win, and one
// does, unless the one that made the object ran out of attempts before it could know.
func TestOneOfManyRacingPutsWinsThroughFaults(t *testing.T) {
	f := &fake{}
	b := openFake(t, f)
	f.fault = nowAndThen(rand.New(rand.NewPCG(1, 1)), conflict, slow, cutBefore, cutAfter, errorAfter)
	var files [16]string
	for w := range files {
		files[w] = write(t, fmt.Sprint(w))
	}
	decided := 0
	for round := range 100 {
		var won, gaveUp atomic.Int32
		var winner atomic.Value
		var wg sync.WaitGroup
		for _, file := range files {
			wg.Go(func() {
				created, err := b.PutIfAbsent(t.Context(), fmt.Sprint(round), file)
				switch {
				case err != nil && strings.Contains(err.Error(), "after"):
					gaveUp.Add(1)
				case err != nil:
					t.Error(err)
				}
				if created {
					won.Add(1)
					winner.Store(file)
				}
			})
		}
		wg.Wait()
		if won.Load() == 0 && gaveUp.Load() > 0 {
			continue
		}
		if won.Load() != 1 {
			t.Fatalf("round %d: %d writers won", round, won.Load())
		}
		decided++
		if want, _ := os.ReadFile(winner.Load().(string)); string(want) != string(f.objects[fmt.Sprint(round)].data) {
			t.Fatalf("round %d: the object is %q, and the writer of %q was told that it won", round, f.objects[fmt.Sprint(round)].data, want)
		}
	}
	if decided < 90 {
		t.Errorf("%d of 100 rounds had a winner", decided)
	}
}

// Some stores take the condition and replace the object all the same: nothing is
// published there.
func TestStoreThatOverwritesIsRefused(t *testing.T) {
	f := &fake{overwrites: true}
	_, err := lake.CreateRemote(t.Context(), remote(t, openFake(t, f)))
	if !errors.Is(err, lake.ErrOverwrites) {
		t.Fatalf("a store that overwrites: %v", err)
	}
	if len(f.objects) > 0 {
		t.Errorf("something was left there: %v", f.objects)
	}
}

// A download that breaks off goes on where it stopped, and what arrives is what was
// sent.
func TestBrokenDownloadIsResumed(t *testing.T) {
	f := &fake{}
	l, err := lake.CreateRemote(t.Context(), remote(t, openFake(t, f)))
	if err != nil {
		t.Fatal(err)
	}
	name := "raw/sha256/ab/abcd.zst"
	text := strings.Repeat("0123456789", 1000)
	f.objects[name] = object{data: []byte(text)}
	cuts := 3
	f.fault = func(_ int, r *http.Request) fault {
		if r.Method == http.MethodGet && cuts > 0 {
			cuts--
			return cutBody
		}
		return none
	}
	r, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Fetch(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(r.Path(name)); string(got) != text {
		t.Errorf("%d bytes came, of %d", len(got), len(text))
	}
	if cuts > 0 {
		t.Error("nothing was cut: the test shows nothing")
	}
	if err := r.Fetch(t.Context(), "raw/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestGetRange(t *testing.T) {
	f := &fake{objects: map[string]object{"x": {data: []byte("0123456789")}}}
	r, err := openFake(t, f).GetRange(t.Context(), "x", 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, _ := io.ReadAll(r); string(got) != "3456" {
		t.Errorf("bytes 3 to 6 are %q", got)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"s3://lab", "s3://lab"},
		{"s3://lab/a/b/", "s3://lab/a/b"},
		{"s3://lab/a?endpoint=http://127.0.0.1:7070&region=eu&path-style=1", "s3://lab/a?endpoint=http%3A%2F%2F127.0.0.1%3A7070&path-style=1&region=eu"},
		{"s3://lab/a?path-style=0", "s3://lab/a?path-style=0"},
		{"s3://key:secret@lab/a", "credentials have no place in a URI"},
		{"s3:///a", "want s3://bucket/prefix"},
		{"s3://lab/a//b", "no empty part"},
		{"s3://lab/../b", "none that is . or .."},
		{"s3://lab?endpont=x", `unknown "endpont"`},
		{"s3://lab?endpoint=127.0.0.1:7070", "want http://host:port"},
		{"s3://lab?path-style=yes", "want 0 or 1"},
		{"s3://lab?region=a&region=b", "region stands 2 times"},
		{"gs://lab/a", "Google Cloud Storage has no conditional writes of S3's kind"},
		{"az://lab/a", "Azure Blob Storage speaks another protocol"},
		{"https://example.org/lab", "a store is named s3://bucket/prefix?endpoint="},
		{"ftp://lab", "want s3://bucket/prefix"},
	} {
		loc, err := Parse(c.text)
		got := loc.URI()
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: a secret is said: %s", c.text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"s3://lab/a?endpoint=http://h:1&region=r&path-style=1", "s3://lab", "gs://x", "s3://[::1]/%2e%2e/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		loc, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(loc.URI())
		if err != nil || again != loc {
			t.Errorf("%q reads as %+v, whose URI %q reads as %+v, %v", text, loc, loc.URI(), again, err)
		}
	})
}

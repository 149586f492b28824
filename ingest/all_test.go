package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/servestat/servestat/ingest/archive/archivetest"
	"github.com/servestat/servestat/schemas/lake"
)

// ingestAll takes uploads in several at a time and returns their names as they
// were told, and the lake.
func ingestAll(t *testing.T, opts Options, uploads []Upload) (told []string, l *lake.Lake) {
	t.Helper()
	l = newTestLake(t)
	in, err := New(l, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	err = in.IngestAll(t.Context(), uploads, nil, func(rep *Report) error {
		told = append(told, rep.Summary())
		told = append(told, rep.Warnings...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return told, l
}

// mixedUploads are good and bad ones, large and small, of one run and of several,
// and the same one twice.
func mixedUploads(t *testing.T) []Upload {
	dir := t.TempDir()
	for i := range 20 {
		text := fmt.Sprintf(result, fmt.Sprintf(`"n": %d, `, i))
		switch i % 5 {
		case 1:
			text = "[" + text + ", " + fmt.Sprintf(result, fmt.Sprintf(`"m": %d, `, i)) + "]"
		case 2:
			text = strings.Repeat(" ", 3*chunkSize+i) + text
		case 3:
			text = text[:200]
		case 4:
			text = fmt.Sprintf(result, "")
		}
		write(t, filepath.Join(dir, fmt.Sprintf("r%02d.json", i)), text)
	}
	uploads, _, err := Find([]string{filepath.Join(dir, "*.json")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(uploads, uploads[4], uploads[0])
}

// However many are read at the same time, what is told and what is in the lake
// is the same, byte for byte.
func TestJobsChangeNothing(t *testing.T) {
	uploads := mixedUploads(t)
	told, l := ingestAll(t, Options{Jobs: 1}, uploads)
	want := files(t, l)
	for _, opts := range []Options{{Jobs: 2}, {Jobs: 16, Memory: 4 << 30}, {Jobs: 16, Memory: 1}} {
		again, l := ingestAll(t, opts, uploads)
		if strings.Join(again, "\n") != strings.Join(told, "\n") {
			t.Errorf("%+v: told\n%s\nwant\n%s", opts, strings.Join(again, "\n"), strings.Join(told, "\n"))
		}
		if got := files(t, l); got != want {
			t.Errorf("%+v: the lake is\n%s\nwant\n%s", opts, got, want)
		}
	}
}

// watched is an upload that knows how many of its kind are open.
func watched(t *testing.T, name string, size int64, open, most *atomic.Int64) Upload {
	t.Helper()
	return Upload{Name: name, Size: size, Open: func() (io.ReadCloser, error) {
		now := open.Add(1)
		for {
			seen := most.Load()
			if now <= seen || most.CompareAndSwap(seen, now) {
				break
			}
		}
		return &closer{Reader: strings.NewReader(fmt.Sprintf(result, fmt.Sprintf(`"name": %q, `, name))), close: func() { open.Add(-1) }}, nil
	}}
}

type closer struct {
	io.Reader
	close func()
}

func (c *closer) Close() error { c.close(); return nil }

func TestMemoryIsHonoured(t *testing.T) {
	const large = 10 << 30
	for _, c := range []struct {
		jobs   int
		memory int64
		size   int64
		most   int64
	}{
		{jobs: 8, memory: 3 * 48 << 20, size: 0, most: 3},
		{jobs: 2, memory: 3 * 48 << 20, size: 0, most: 2},
		{jobs: 8, memory: 512 << 20, size: large, most: 1}, // larger than the budget: alone
	} {
		var open, most atomic.Int64
		var uploads []Upload
		for i := range 30 {
			uploads = append(uploads, watched(t, fmt.Sprintf("u%d", i), c.size, &open, &most))
		}
		told, _ := ingestAll(t, Options{Jobs: c.jobs, Memory: c.memory}, uploads)
		if len(told) != len(uploads) || most.Load() > c.most+1 { // one more is looked into: is it an archive?
			t.Errorf("%+v: %d told, %d open at a time", c, len(told), most.Load())
		}
	}
}

// An error ends it after what came before, and leaves nothing at work.
func TestIngestAllStopsAtTheFirstError(t *testing.T) {
	uploads := mixedUploads(t)
	broken := errors.New("the disk is gone")
	uploads[7].Open = func() (io.ReadCloser, error) { return nil, broken }
	l := newTestLake(t)
	in, err := New(l, Options{Jobs: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	told := 0
	err = in.IngestAll(t.Context(), uploads, nil, func(*Report) error { told++; return nil })
	if !errors.Is(err, broken) || told != 7 {
		t.Errorf("%d told, then %v", told, err)
	}
	stop := errors.New("enough")
	err = in.IngestAll(t.Context(), mixedUploads(t), nil, func(*Report) error { return stop })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told = 0
	err = in.IngestAll(ctx, mixedUploads(t), nil, func(*Report) error {
		if told++; told == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || told != 3 {
		t.Errorf("%d told, then %v", told, err)
	}
}

// What is told of progress adds up to what there is, of uploads that are read
// once and of those that are read again.
func TestProgressOfSeveralAddsUp(t *testing.T) {
	uploads := mixedUploads(t)
	var mu sync.Mutex
	var sum, want int64
	for _, up := range uploads {
		want += up.Size
	}
	ingestAll(t, Options{Jobs: 4, Progress: func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		if sum += n; n <= 0 || sum > want {
			t.Errorf("%d bytes, %d of %d", n, sum, want)
		}
	}}, uploads)
	if sum != want {
		t.Errorf("%d of %d bytes were told", sum, want)
	}
}

// A file that is written to while it is read is taken as it was seen once: what
// is kept, what is digested and what is in the tables are the same bytes.
func TestUploadThatChangesIsTakenOnce(t *testing.T) {
	opened := 0
	up := Upload{Name: "growing", Path: filepath.Join(t.TempDir(), "growing"), Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(fmt.Sprintf(result, fmt.Sprintf(`"opened": %d, `, opened)))), nil
	}}
	l := newTestLake(t)
	for range 2 {
		in, err := New(l, Options{})
		if err != nil {
			t.Fatal(err)
		}
		rep, err := in.Ingest(t.Context(), up)
		if err != nil || len(rep.Runs) != 1 || rep.Known {
			t.Fatal(rep, err)
		}
		in.Close()
		raw, err := openRaw(t.Context(), l.Path(rep.Raw), nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := newDigest()
		if _, err := io.Copy(sum, onlyReader{raw}); err != nil || sum.hex() != rep.UploadSHA256 {
			t.Errorf("what is kept is %s: %v, want %s", sum.hex(), err, rep.UploadSHA256)
		}
		raw.Close()
	}
}

// A server takes in uploads as they come, each in a goroutine of its own: what is
// in the lake afterwards is what one call with all of them leaves, where the same
// upload came twice at the same time too.
func TestIngestAllFromSeveralGoroutines(t *testing.T) {
	uploads := slices.DeleteFunc(mixedUploads(t), func(up Upload) bool {
		// Which of the names of one content counts is a question of who is first.
		return slices.Contains([]string{"r09.json", "r14.json", "r19.json"}, filepath.Base(up.Name))
	})
	_, l := ingestAll(t, Options{}, uploads)
	want := files(t, l)

	l = newTestLake(t)
	in, err := New(l, Options{Jobs: 3})
	if err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	var all sync.WaitGroup
	for _, up := range uploads {
		all.Go(func() {
			err := in.IngestAll(t.Context(), []Upload{up}, nil, func(*Report) error { told.Add(1); return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if int(told.Load()) != len(uploads) {
		t.Errorf("%d reports of %d uploads", told.Load(), len(uploads))
	}
	if got := files(t, l); got != want {
		t.Errorf("the lake is\n%s\nwant\n%s", got, want)
	}
}

// What is said of one upload counts for it and, where it is an archive, for its
// members, and for no other.
func TestLabelsOfOneUpload(t *testing.T) {
	l := newTestLake(t)
	in, err := New(l, Options{Labels: map[string]string{"hardware": "H100"}})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	member := archivetest.Member{Name: "r.json", Text: fmt.Sprintf(result, `"n": 1, `)}
	for _, up := range []Upload{
		stream("a.json", []byte(fmt.Sprintf(result, `"n": 2, `)), map[string]string{"runtime_version": "2"}),
		stream("b.zip", archivetest.Zip(member), map[string]string{"runtime_version": "1"}),
		stream("c.json", []byte(fmt.Sprintf(result, `"n": 3, `)), nil),
	} {
		if err := in.IngestAll(t.Context(), []Upload{up}, nil, func(*Report) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range ms {
		got[m.SourceName] = m.Values["hardware"] + " " + m.Values["runtime_version"]
	}
	if want := map[string]string{"a.json": "H100 2", "b.zip/r.json": "H100 1", "c.json": "H100 "}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func stream(name string, data []byte, labels map[string]string) Upload {
	return Upload{Name: name, Labels: labels, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

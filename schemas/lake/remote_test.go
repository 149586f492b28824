package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A memory is a store whose clock the test sets.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	times map[string]time.Time
	now   time.Time
	gets  int
}

func newMemory() *memory {
	return &memory{files: map[string][]byte{}, times: map[string]time.Time{}, now: time.Now()}
}

func (m *memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	data, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (m *memory) GetRange(ctx context.Context, name string, from, n int64) (io.ReadCloser, error) {
	r, err := m.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(io.Discard, r, from)
	return io.NopCloser(io.LimitReader(r, n)), err
}

func (m *memory) PutIfAbsent(_ context.Context, name, file string) (bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; ok {
		return false, nil
	}
	m.files[name], m.times[name] = data, m.now
	return true, nil
}

func (m *memory) List(_ context.Context, folder string, each func(Entry) error) error {
	m.mu.Lock()
	var found []Entry
	for name, data := range m.files {
		if strings.HasPrefix(name, folder) {
			found = append(found, Entry{Name: name, Size: int64(len(data)), ModTime: m.times[name], Version: fmt.Sprint(len(data))})
		}
	}
	m.mu.Unlock()
	for _, e := range found {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Stat(_ context.Context, name string) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return Entry{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return Entry{Name: name, Size: int64(len(data)), ModTime: m.times[name]}, nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memory) passes(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func newRemote(t *testing.T, m *memory, limit int64) *Lake {
	t.Helper()
	l, err := CreateRemote(t.Context(), Remote{Store: m, Name: "s3://lab/lake", ID: "lake", Cache: &Cache{Dir: filepath.Join(t.TempDir(), "cache"), Limit: limit}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// hurry makes waiting short for a test.
func hurry(t *testing.T, limit time.Duration) {
	t.Helper()
	oldLimit, oldPoll := holdLimit, leasePoll
	t.Cleanup(func() { holdLimit, leasePoll = oldLimit, oldPoll })
	holdLimit, leasePoll = limit, time.Millisecond
}

func TestCollectorWaitsForSessionsInAStore(t *testing.T) {
	hurry(t, 30*time.Millisecond)
	m := newMemory()
	l := newRemote(t, m, 1<<20)
	s := begin(t, l)
	if _, err := l.Collect(t.Context(), time.Now(), 0, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("collected beside a session: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Collect(t.Context(), time.Now(), 0, nil); err != nil {
		t.Errorf("collected after it: %v", err)
	}
	for name := range m.files {
		if name != markerName {
			t.Errorf("left behind: %s", name)
		}
	}
}

// A process that was killed holds nobody back for ever.
func TestLeaseOfTheDeadEndsByItself(t *testing.T) {
	hurry(t, 30*time.Millisecond)
	m := newMemory()
	l := newRemote(t, m, 1<<20)
	m.files[leaseDir+"/session-dead-7"], m.times[leaseDir+"/session-dead-7"] = nil, m.now
	m.passes(leaseFor - time.Second)
	if _, err := l.Collect(t.Context(), time.Now(), 0, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("collected beside one that may live: %v", err)
	}
	m.passes(2 * time.Second)
	if _, err := l.Collect(t.Context(), time.Now(), 0, nil); err != nil {
		t.Errorf("collected after its time: %v", err)
	}
	if _, there := m.files[leaseDir+"/session-dead-7"]; there {
		t.Error("its lease is left")
	}
	m.files[leaseDir+"/collect-dead-1"], m.times[leaseDir+"/collect-dead-1"] = nil, m.now
	if _, err := l.Begin(); !errors.Is(err, ErrBusy) {
		t.Errorf("a session beside who removes: %v", err)
	}
	m.passes(leaseFor + time.Second)
	begin(t, l)
}

// A laptop that slept, a process that was stopped: others may have taken it for dead,
// and removed what it relies on.
func TestSuspendedSessionPublishesNothingMore(t *testing.T) {
	s := begin(t, newRemote(t, newMemory(), 1<<20))
	share := s.share.(*lease)
	share.mu.Lock()
	share.renewed = time.Now().Add(-leaseSafe - time.Second)
	share.mu.Unlock()
	if created, err := s.Put("blocks/v1/x", []byte("x")); created || err == nil || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("published after 5 minutes away: %v, %v", created, err)
	}
}

// Sessions and collectors that begin at any moment are never at work together.
func TestNobodyPublishesWhileFilesAreRemoved(t *testing.T) {
	hurry(t, 10*time.Second)
	l := newRemote(t, newMemory(), 1<<20)
	var publishers, collectors, met atomic.Int32
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 15 {
				s, err := l.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				publishers.Add(1)
				if collectors.Load() > 0 {
					met.Add(1)
				}
				time.Sleep(200 * time.Microsecond)
				publishers.Add(-1)
				s.Close()
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 10 {
				held, err := l.holdAlone()
				if err != nil {
					t.Error(err)
					return
				}
				if collectors.Add(1) > 1 || publishers.Load() > 0 {
					met.Add(1)
				}
				time.Sleep(200 * time.Microsecond)
				if publishers.Load() > 0 {
					met.Add(1)
				}
				collectors.Add(-1)
				held.Close()
			}
		})
	}
	wg.Wait()
	if met.Load() > 0 {
		t.Errorf("%d times they were at work together", met.Load())
	}
}

// The cache forgets what was used least recently, and what a reader holds stays with
// the reader.
func TestCacheForgetsAndReadersKeep(t *testing.T) {
	m := newMemory()
	l := newRemote(t, m, 2500)
	s := begin(t, l)
	var names []string
	for i := range 4 {
		b, err := s.Create()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(b, "%01000d", i)
		names = append(names, BlockName("runs", "unknown", b.SHA256()))
		if _, err := b.Publish(names[i]); err != nil {
			t.Fatal(err)
		}
		b.Discard()
	}
	if err := os.RemoveAll(l.cache.Dir + "/lakes"); err != nil {
		t.Fatal(err)
	}
	held, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for i, name := range names {
		if err := held.Fetch(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		_ = os.Chtimes(l.cache.path(Entry{Name: name}), at, at)
		l.cache.forget()
	}
	for i, name := range names {
		if _, err := os.Stat(l.cache.path(Entry{Name: name})); (err == nil) != (i >= 2) {
			t.Errorf("file %d of 4, of which 2 fit: in the cache %v", i, err == nil)
		}
		if text, err := os.ReadFile(held.Path(name)); err != nil || len(text) != 1000 {
			t.Errorf("file %d is gone under its reader: %v", i, err)
		}
	}
	gets := m.gets
	other, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Fetch(t.Context(), names[3]); err != nil || m.gets != gets {
		t.Errorf("what the cache has was fetched again: %v", err)
	}
	if err := other.Fetch(t.Context(), names[0]); err != nil || m.gets != gets+1 {
		t.Errorf("what it forgot: %v, %d gets", err, m.gets-gets)
	}
	other.Close()
	m.files[names[1]] = []byte("something else")
	if err := other.Fetch(t.Context(), names[1]); err == nil {
		t.Error("a closed reader fetched")
	}
	third, err := l.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if err := third.Fetch(t.Context(), "../../outside"); !errors.Is(err, ErrDamaged) {
		t.Errorf("a name that leaves the lake: %v", err)
	}
	if err := third.Fetch(t.Context(), names[1]); !errors.Is(err, ErrDamaged) {
		t.Errorf("what is not what its name says: %v", err)
	}
}

// A metadata file of the same name with other content is another one: of a lake that
// was removed and made anew.
func TestCacheKnowsAnotherVersion(t *testing.T) {
	m := newMemory()
	l := newRemote(t, m, 1<<20)
	s := begin(t, l)
	put := func(source string) {
		delete(m.files, (&Manifest{RunID: "r", Identity: "i"}).Name())
		if _, err := s.Commit(&Manifest{RunID: "r", Identity: "i", SourceName: source}); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []string{"first", "the second"} {
		put(source)
		for range 2 {
			ms, err := l.Manifests()
			if err != nil || len(ms) != 1 || ms[0].SourceName != source {
				t.Fatalf("%v, %v; want one from %s", ms, err, source)
			}
		}
	}
}

// Many short processes add a little each: none of them adds enough to look by that.
func TestShortProcessesDoNotFillTheCache(t *testing.T) {
	dir := t.TempDir()
	total := func() (n int64) {
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
			if info, err := d.Info(); err == nil && !d.IsDir() {
				n += info.Size()
			}
			return nil
		})
		return n
	}
	for i := range 40 {
		c := (&Cache{Dir: filepath.Join(dir, "cache"), Limit: 25000}).of("lake")
		c.keepText(bytes.Repeat([]byte("x"), 1000), Entry{Name: fmt.Sprintf("manifests/v1/%d.json", i), Version: "1"})
	}
	if n := total(); n > 26000 || n < 20000 {
		t.Errorf("%d bytes are kept, of at most 25000", n)
	}
}

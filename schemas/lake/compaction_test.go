package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// publish commits a run of one tokens block with the given text, as ingest does.
func publish(t *testing.T, s *Session, run, content, parser string, revision int, text string) *Manifest {
	t.Helper()
	b := putBlock(t, s, text)
	m := &Manifest{RunID: run, ContentDigest: content, UploadSHA256: "upload-" + run, ParserVersion: parser, Identity: parser, Revision: revision, Blocks: []Block{b}}
	if _, err := s.Commit(m); err != nil {
		t.Fatal(err)
	}
	return m
}

func putBlock(t *testing.T, s *Session, text string) Block {
	t.Helper()
	blob, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Discard()
	fmt.Fprint(blob, text)
	b := Block{Table: "tokens", Name: BlockName("tokens", "2026-11-16", blob.SHA256()), SHA256: blob.SHA256(), Bytes: blob.Size(), Rows: int64(len(text))}
	if _, err := blob.Publish(b.Name); err != nil {
		t.Fatal(err)
	}
	return b
}

// compact publishes a compaction of the manifests' blocks.
func compact(t *testing.T, s *Session, ms ...*Manifest) *Compaction {
	t.Helper()
	c := &Compaction{Table: "tokens", Day: "2026-11-16"}
	text := "merged"
	for _, m := range ms {
		b := m.Blocks[0]
		c.Parts = append(c.Parts, Part{Key: m.RunID, SHA256: b.SHA256, Bytes: b.Bytes, Rows: b.Rows})
		text += " " + m.RunID + m.Identity
	}
	c.Block = putBlock(t, s, text)
	if _, err := s.PublishCompaction(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// reads says which file each run is read from: run=block, and which keys of each
// file are left out.
func reads(t *testing.T, l *Lake) string {
	t.Helper()
	seen, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range seen.Files("tokens") {
		text, err := os.ReadFile(l.Path(f.Name))
		if err != nil {
			t.Fatal(err)
		}
		var live []string
		for _, p := range f.Live() {
			live = append(live, p.Key)
		}
		line := fmt.Sprintf("[%s] %s", text, strings.Join(live, ","))
		if len(f.Without) > 0 {
			line += " without " + strings.Join(f.Without, ",")
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

// Every run is read from exactly one file, whatever compactions there are and
// whatever became of the runs since.
func TestReadersResolveToCompactedBlocks(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	a := publish(t, s, "a", "ca", "p-1", 0, "A")
	b := publish(t, s, "b", "cb", "p-1", 0, "B")
	want(t, "before", reads(t, l), "[A] a; [B] b")
	compact(t, s, a, b)
	want(t, "compacted", reads(t, l), "[merged ap-1 bp-1] a,b")
	c := publish(t, s, "c", "cc", "p-1", 0, "C")
	want(t, "arrived later", reads(t, l), "[C] c; [merged ap-1 bp-1] a,b")

	// Two processes that compacted different states of the lake: both are right, and
	// no row is read twice.
	compact(t, s, b, c)
	compact(t, s, a, b, c)
	want(t, "raced", reads(t, l), "[merged ap-1 bp-1 cp-1] a,b,c")

	// A run that is superseded after it was compacted.
	publish(t, s, "a", "ca", "p-1", 1, "A relabelled")
	want(t, "superseded", reads(t, l), "[A relabelled] a; [merged ap-1 bp-1 cp-1] b,c without a")

	// A compacted block that is lost is no loss while the old ones are there.
	seen, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range seen.Files("tokens") {
		if f.Compaction != nil {
			os.Remove(l.Path(f.Name))
		}
	}
	want(t, "lost", reads(t, l), "[A relabelled] a; [merged bp-1 cp-1] b,c")
}

func TestCompactionIsRefusedBeforeItsBlockIsThere(t *testing.T) {
	s := begin(t, newLake(t))
	_, err := s.PublishCompaction(&Compaction{Table: "tokens", Day: "unknown", Block: Block{Name: BlockName("tokens", "unknown", "ab")}})
	if err == nil || !strings.Contains(err.Error(), "not published") {
		t.Errorf("published over a missing block: %v", err)
	}
}

// A new parser may read a run differently, so that its content is another: it must
// replace the old one, and not stand beside it.
func TestLaterParserSupersedes(t *testing.T) {
	for _, c := range []struct {
		name string
		ms   []*Manifest
		want string
	}{
		{"another content", []*Manifest{{RunID: "a", ContentDigest: "1", ParserVersion: "vllm-9"}, {RunID: "a", ContentDigest: "2", ParserVersion: "vllm-10"}}, "a:2"},
		{"the same content", []*Manifest{{RunID: "a", ContentDigest: "1", ParserVersion: "vllm-2", Identity: "z"}, {RunID: "a", ContentDigest: "1", ParserVersion: "vllm-1", Identity: "a", Known: 9}}, "a:1"},
		{"a deliberate label outlasts it", []*Manifest{{RunID: "a", ContentDigest: "1", ParserVersion: "vllm-1", Revision: 1}, {RunID: "a", ContentDigest: "2", ParserVersion: "vllm-2"}}, "a:1"},
		// b is a copy of a, and stays hidden while only one of them is read again:
		// the run would count twice for that while.
		{"copies, half way through a rebuild", []*Manifest{
			{RunID: "a", ContentDigest: "1", ParserVersion: "vllm-1"}, {RunID: "b", ContentDigest: "1", ParserVersion: "vllm-1"},
			{RunID: "a", ContentDigest: "2", ParserVersion: "vllm-2"},
		}, "a:2"},
		{"copies that the later parser tells apart", []*Manifest{
			{RunID: "a", ContentDigest: "1", ParserVersion: "vllm-1"}, {RunID: "b", ContentDigest: "1", ParserVersion: "vllm-1"},
			{RunID: "a", ContentDigest: "2", ParserVersion: "vllm-2"}, {RunID: "b", ContentDigest: "3", ParserVersion: "vllm-2"},
		}, "a:2 b:3"},
		{"versions with a slash", []*Manifest{{RunID: "a", ContentDigest: "1", ParserVersion: "telemetry/1"}, {RunID: "a", ContentDigest: "2", ParserVersion: "telemetry/2"}}, "a:2"},
	} {
		var got []string
		for _, m := range Effective(c.ms) {
			got = append(got, m.RunID+":"+m.ContentDigest)
		}
		want(t, c.name, strings.Join(got, " "), c.want)
	}
}

// What is beaten once stays beaten, however the lake grows: gc relies on it.
func TestSupersededStaysSuperseded(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for range 2000 {
		var ms []*Manifest
		hidden := map[*Manifest]bool{}
		for range 8 {
			ms = append(ms, &Manifest{
				RunID: fmt.Sprint(rng.IntN(3)), ContentDigest: fmt.Sprint(rng.IntN(3)), Identity: fmt.Sprint(len(ms)),
				Revision: rng.IntN(3), ParserVersion: fmt.Sprint("p-", rng.IntN(2)), Known: rng.IntN(2),
			})
			seen := Effective(ms)
			if len(seen) == 0 {
				t.Fatal("nothing is seen")
			}
			for _, m := range ms {
				visible := slices.Contains(seen, m)
				if visible && hidden[m] {
					t.Fatalf("%s came back", m.Name())
				}
				hidden[m] = !visible
			}
		}
	}
}

// names lists what gc would remove, by what it is.
func names(found []Garbage) string {
	var out []string
	for _, g := range found {
		kind, _, _ := strings.Cut(g.Name, "/")
		out = append(out, kind+": "+g.Why)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "; ")
}

func garbage(t *testing.T, l *Lake, now time.Time) []Garbage {
	t.Helper()
	found, err := l.Garbage(now, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCollectKeepsWhatAReaderMayUse(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	a := publish(t, s, "a", "ca", "p-1", 0, "A")
	b := publish(t, s, "b", "cb", "p-1", 0, "B")
	orphan := putBlock(t, s, "of an ingest that died")
	old := time.Now().Add(-100 * time.Hour)
	for _, name := range []string{a.Blocks[0].Name, b.Blocks[0].Name, orphan.Name} {
		if err := os.Chtimes(l.Path(name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	want(t, "uncompacted", names(garbage(t, l, now)), "blocks: nothing names it")

	// The blocks are old, but were needed until the compaction came.
	first := compact(t, s, a, b)
	want(t, "just compacted", names(garbage(t, l, now)), "blocks: nothing names it")
	now = now.Add(25 * time.Hour)
	want(t, "a day later", names(garbage(t, l, now)), "blocks: a compaction holds its rows; blocks: nothing names it")

	// The compacted block is damaged: nothing goes on its word.
	if err := os.WriteFile(l.Path(first.Block.Name), []byte("damaged"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if removed, err := l.Collect(t.Context(), now, 24*time.Hour, nil); err == nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

func TestCollect(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	a := publish(t, s, "a", "ca", "p-1", 0, "A")
	b := publish(t, s, "b", "cb", "p-1", 0, "B")
	small := compact(t, s, a, b)
	c := publish(t, s, "c", "cc", "p-1", 0, "C")
	large := compact(t, s, a, b, c)
	publish(t, s, "d", "cd", "p-1", 0, "D")
	publish(t, s, "d", "cd", "p-1", 1, "D relabelled")
	before := reads(t, l)
	now := time.Now().Add(25 * time.Hour)

	// Nobody may write while files go: a writer could adopt one of them.
	defer func(limit time.Duration) { holdLimit = limit }(holdLimit)
	holdLimit = 50 * time.Millisecond
	if _, err := l.Collect(t.Context(), now, 24*time.Hour, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("collected beside a session: %v", err)
	}
	s.Close()
	var began []string
	done := map[string]int64{}
	removed, err := l.Collect(t.Context(), now, 24*time.Hour, func(what string, bytes int64) func(int64) {
		began = append(began, fmt.Sprintf("%s, %d bytes", what, bytes))
		return func(n int64) { done[what] += n }
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "began", strings.Join(began, "; "), fmt.Sprintf("reading what compaction wrote, %d bytes; removing, %d bytes", large.Block.Bytes, bytesOf(removed)))
	if done["reading what compaction wrote"] != large.Block.Bytes || done["removing"] != bytesOf(removed) {
		t.Errorf("said to be done: %v", done)
	}
	want(t, "removed", names(removed), "blocks: a compaction holds its rows; blocks: another compaction holds what it holds; "+
		"blocks: of a run that manifests/v1/d-p-1-r1.json supersedes; compactions: another compaction holds what it holds")
	want(t, "reads", reads(t, l), before)
	for name, there := range map[string]bool{
		a.Blocks[0].Name: false, small.Name(): false, small.Block.Name: false, large.Name(): true, large.Block.Name: true, a.Name(): true,
	} {
		if ok, _ := l.Has(name); ok != there {
			t.Errorf("%s is there: %v, want %v", name, ok, there)
		}
	}
	if again, err := l.Collect(t.Context(), now, 24*time.Hour, nil); err != nil || len(again) != 0 {
		t.Errorf("a second time: %v, %v", again, err)
	}

	// The first version of servestat knows nothing of compactions, and would miss the
	// blocks. It lists every .json among the manifests and wants its schema: it stops
	// at the requirement, and advises to upgrade.
	text, err := os.ReadFile(l.Path("manifests/v1/requires-collected.json"))
	if err != nil || !strings.HasPrefix(string(text), `{"schema":"servestat.requires/1"`) {
		t.Errorf("the lake does not require a servestat that knows compaction: %s, %v", text, err)
	}
}

func TestUnknownRequirementIsRefused(t *testing.T) {
	l := newLake(t)
	if err := begin(t, l).Require("time-travel"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Snapshot(); err == nil || !strings.Contains(err.Error(), `"time-travel", which this servestat does not know: upgrade`) {
		t.Errorf("a lake that needs what we do not know: %v", err)
	}
}

// A checkpoint saves reading many manifests. It must neither hide a new one nor
// bring back one that is gone, and a damaged one does no harm.
func TestCheckpointOnlyRepeats(t *testing.T) {
	l := newLake(t)
	s := begin(t, l)
	var ms []*Manifest
	for i := range 5 {
		ms = append(ms, publish(t, s, fmt.Sprint("r", i), fmt.Sprint("c", i), "p-1", 0, fmt.Sprint("text ", i)))
	}
	if created, err := s.Checkpoint(6); created || err != nil {
		t.Errorf("checkpoint of too few: %v, %v", created, err)
	}
	if created, err := s.Checkpoint(5); !created || err != nil {
		t.Fatalf("checkpoint: %v, %v", created, err)
	}
	if created, err := s.Checkpoint(1); created || err != nil {
		t.Errorf("checkpoint of nothing new: %v, %v", created, err)
	}
	ms = append(ms, publish(t, s, "later", "c9", "p-1", 0, "later"))
	check := func(what string, n int) {
		t.Helper()
		got, err := l.Manifests()
		if err != nil || len(got) != n {
			t.Fatalf("%s: %d manifests, %v; want %d", what, len(got), err, n)
		}
	}
	check("one more", 6)
	if err := os.Remove(l.Path(ms[0].Name())); err != nil {
		t.Fatal(err)
	}
	check("one less", 5)
	name := l.bestCheckpoint().Name
	if err := os.WriteFile(l.Path(name), []byte(`{"schema":"servestat.checkpoint/1","manif`), 0o666); err != nil {
		t.Fatal(err)
	}
	check("damaged", 5)
	found, err := l.Inspect()
	if err != nil || len(found.Faults) != 1 || found.Faults[0].Name != name {
		t.Errorf("faults of a damaged checkpoint: %v, %v", found.Faults, err)
	}
	if _, err := os.Stat(l.Path(ms[1].Name())); errors.Is(err, fs.ErrNotExist) {
		t.Error("a manifest is gone")
	}
}

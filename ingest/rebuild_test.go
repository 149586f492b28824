package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
)

// A lake with everything that an upload may be read with: every source of
// identity, copies, corrected labels, companions, a cut and a damaged archive, a
// faulty side-car, and a file that is no result.
func lakeOfEverything(t *testing.T) *lake.Lake {
	t.Helper()
	l := newTestLake(t)
	dir := t.TempDir()
	text := fmt.Sprintf(result, `"vllm_version": "0.9.1", `)
	one := write(t, filepath.Join(dir, "a", "c2", "r.json"), text)
	write(t, filepath.Join(dir, "a", "servestat.yaml"), "hardware: H100\npath: 'c{max_concurrency}/*.json'\nserver_start: '{hardware}-1'\nlabels:\n  team: serving\n")
	write(t, filepath.Join(dir, "a", "c2", "server.log"), "INFO 08-07 21:14:02 [api_server.py:1896] vLLM API server version 0.10.0\n")
	copied := write(t, filepath.Join(dir, "b", "copy.json"), strings.ReplaceAll(text, ", \"", ",  \""))
	cut := write(t, filepath.Join(dir, "cut.json.gz"), gzipped(t, text)[:250])
	damaged := write(t, filepath.Join(dir, "damaged.json.gz"), gzipped(t, text)[:30]+strings.Repeat("x", 300))
	faulty := write(t, filepath.Join(dir, "faulty", "r.json"), strings.Replace(text, `"duration": 1.0`, `"duration": 1.5`, 1))
	write(t, filepath.Join(dir, "faulty", "servestat.yaml"), "nonsense: 1\n")
	other := write(t, filepath.Join(dir, "other.json"), `{"hello": "world"}`)
	ingestPaths(t, l, Options{Labels: map[string]string{"image": "x"}}, one, copied, cut, damaged, faulty, other)
	ingestPaths(t, l, Options{Labels: map[string]string{"hardware": "H200"}, Relabel: true}, one)
	ingestPaths(t, l, Options{Labels: map[string]string{"hardware": "B200"}, Relabel: true}, one)
	ingestPaths(t, l, Options{}, "llmperf/testdata/2023")
	ingestPaths(t, l, Options{Labels: map[string]string{"server_start": "s1"}}, filepath.Join(dir, "a"), "../cmd/servestat/testdata/demo/vllm/neighbour")
	return l
}

func rebuild(t *testing.T, from, into *lake.Lake) []Rebuilt {
	t.Helper()
	var out []Rebuilt
	if err := Rebuild(t.Context(), from, into, nil, func(r Rebuilt) { out = append(out, r) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRebuildIntoAnotherLakeGivesTheSameBytes(t *testing.T) {
	l := lakeOfEverything(t)
	receipts, err := l.Receipts()
	if err != nil {
		t.Fatal(err)
	}
	companions, observed := 0, 0
	for _, r := range receipts {
		if r.Observed != nil {
			observed++
		}
		companions += len(r.Inputs.Beside)
	}
	if companions == 0 || observed == 0 {
		t.Error("no upload has a companion, or none is a server log: the test shows less than it says")
	}
	into := newTestLake(t)
	for _, r := range rebuild(t, l, into) {
		if r.Faulty {
			t.Errorf("%s: %s", r.SourceName, r.Left)
		}
	}
	if got, want := contents(t, into), contents(t, l); got != want {
		t.Errorf("the rebuilt lake holds\n%s\nnot\n%s", got, want)
	}
	before := contents(t, l)
	rebuild(t, l, l)
	if contents(t, l) != before {
		t.Error("rebuilding with the same readers changed the lake")
	}
}

// contents is every file of a lake with its bytes.
func contents(t *testing.T, l *lake.Lake) string {
	t.Helper()
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(files(t, l)), "\n") {
		name, _, _ := strings.Cut(line, " ")
		data, err := os.ReadFile(filepath.Join(l.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", name, digestText(data))
	}
	return b.String()
}

func digestText(data []byte) string {
	d := newDigest()
	_, _ = d.Write(data)
	return d.hex()[:12]
}

// A later parser replaces what an earlier one made, under the labels that count
// now, and leaves one manifest to see of each run. Before, a manifest of the later
// parser lost where the name of the earlier one came first.
func TestRebuildWithALaterParser(t *testing.T) {
	l := lakeOfEverything(t)
	seenBefore := seen(t, l)
	for i := range producers {
		defer func(v string) { producers[i].parserVersion = v }(producers[i].parserVersion)
		producers[i].parserVersion += "0" // vllm-3 becomes vllm-30
	}
	for _, o := range []*observed{&serverLogs, &telemetries, &judged} {
		defer func(v string) { o.parserVersion = v }(o.parserVersion)
		o.parserVersion += "0"
	}
	rebuild(t, l, l)
	var want []string
	for _, line := range seenBefore {
		want = append(want, line+"0")
	}
	got := seen(t, l)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("readers see\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if ok, err := l.Has("manifests/v1/requires-reparsed.json"); err != nil || !ok {
		t.Errorf("an earlier servestat would count both: %v, %v", ok, err)
	}
	before := contents(t, l)
	rebuild(t, l, l)
	if contents(t, l) != before {
		t.Error("rebuilding a second time changed the lake")
	}
}

// seen says of each run that readers see its labels and its parser.
func seen(t *testing.T, l *lake.Lake) []string {
	t.Helper()
	snapshot, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range snapshot.Manifests {
		out = append(out, fmt.Sprintf("%s %v r%d %s", m.RunID, m.Values, m.Revision, m.ParserVersion))
	}
	return out
}

func TestRebuildLeavesWhatWasNotRecorded(t *testing.T) {
	l := newTestLake(t)
	s, err := l.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PutReceipt(&lake.Receipt{UploadSHA256: strings.Repeat("a", 64), Context: "x", SourceName: "old.json", Raw: lake.RawName(strings.Repeat("a", 64))}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutReceipt(&lake.Receipt{
		UploadSHA256: strings.Repeat("b", 64), Context: "x", SourceName: "gone.json", Raw: lake.RawName(strings.Repeat("b", 64)), Inputs: &lake.Inputs{},
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rebuild(t, l, l) {
		got = append(got, fmt.Sprintf("%s: %v %s", r.SourceName, r.Faulty, r.Left))
	}
	want := "old.json: true its receipt does not say what it was read with: ingest the file itself again\ngone.json: true the kept upload is missing"
	if strings.Join(got, "\n") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), want)
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

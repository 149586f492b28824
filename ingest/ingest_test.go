package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// result is a detailed result with two requests; the second one fails after two
// of its chunks came, so its gaps must count nowhere.
const result = `{"date": "20260701-120000", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "m",
"tokenizer_id": "m", "num_prompts": 2, %s"request_rate": "inf", "burstiness": 1.0, "max_concurrency": 2, "duration": 1.0,
"completed": 1, "failed": 1, "total_input_tokens": 8, "total_output_tokens": 4, "request_throughput": 1.0,
"output_throughput": 4.0, "total_token_throughput": 12.0, "input_lens": [8, 8], "output_lens": [4, 0], "ttfts": [0.1, 0.2],
"itls": [[0.01, 0.02, 0.03], [0.5]], "start_times": [100.0, 100.0], "generated_texts": ["", ""], "errors": ["", "boom"],
"mean_ttft_ms": 100.0, "mean_itl_ms": 20.0}`

func newTestLake(t *testing.T) *lake.Lake {
	t.Helper()
	l, err := lake.CreateTemporary(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// ingestPaths takes paths in and returns what became of each upload.
func ingestPaths(t *testing.T, l *lake.Lake, opts Options, paths ...string) []*Report {
	t.Helper()
	in, err := New(l, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	uploads, _, err := Find(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Report
	for u, err := range in.Uploads(t.Context(), uploads, nil) {
		if err != nil {
			t.Fatal(err)
		}
		rep, err := in.Ingest(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rep)
	}
	return out
}

// values returns the identity of the only run that readers see.
func values(t *testing.T, l *lake.Lake) map[string]string {
	t.Helper()
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	seen := lake.Effective(ms)
	if len(seen) != 1 {
		t.Fatalf("readers see %d runs, want 1", len(seen))
	}
	return seen[0].Values
}

func files(t *testing.T, l *lake.Lake) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(l.Dir(), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(l.Dir(), p)
			fmt.Fprintf(&b, "%s %x\n", rel, len(data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Each source may be overruled by those above it, and by none below.
func TestIdentityComesFromTheSourceOfHighestAuthority(t *testing.T) {
	dir := t.TempDir()
	metadata := `"vllm_version": "meta", "gpu": "meta", "image": "meta", `
	file := write(t, filepath.Join(dir, "path", "c2", "r.json"), fmt.Sprintf(result, metadata))
	write(t, filepath.Join(dir, SidecarName), "hardware: car\nruntime_version: car\npath: \"{path_label}/c{max_concurrency}/{note}.json\"\nlabels: {team: car}\n")
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"side-car, metadata, path", Options{}, "hardware=car image=meta max_concurrency=2 note=r path_label=path runtime_version=car team=car"},
		{"label", Options{Labels: map[string]string{"runtime_version": "label", "team": "label"}},
			"hardware=car image=meta max_concurrency=2 note=r path_label=path runtime_version=label team=label"},
	} {
		l := newTestLake(t)
		ingestPaths(t, l, c.opts, file)
		var got []string
		for _, k := range sortedKeys(values(t, l)) {
			got = append(got, k+"="+values(t, l)[k])
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, s, c.want)
		}
	}
}

func TestNearerSidecarOverrulesFarther(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, SidecarName), "hardware: far\nimage: far\n")
	write(t, filepath.Join(dir, "a", SidecarName), "hardware: near\n")
	file := write(t, filepath.Join(dir, "a", "b", "r.json"), fmt.Sprintf(result, ""))
	l := newTestLake(t)
	ingestPaths(t, l, Options{}, file)
	if v := values(t, l); v["hardware"] != "near" || v["image"] != "far" {
		t.Errorf("identity is %v", v)
	}
}

// A value of a side-car may refer to others, wherever they come from; a label
// with braces is a label with braces.
func TestSidecarValuesReferToOtherValues(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, SidecarName), "path: \"{host}/r.json\"\nserver_start: \"{host}-{repeat}\"\nimage: \"{nobody}\"\nhardware: \"{server_start}\"\n")
	file := write(t, filepath.Join(dir, "h1", "r.json"), fmt.Sprintf(result, `"run_number": 7, `))
	for range 20 { // maps are walked in another order each time
		l := newTestLake(t)
		ingestPaths(t, l, Options{Labels: map[string]string{"note": "{x}"}}, file)
		v := values(t, l)
		if v["server_start"] != "h1-7" || v["note"] != "{x}" || v["image"] != "" || v["hardware"] != "" {
			t.Fatalf("identity is %v", v)
		}
	}
}

func TestSidecarMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"runtime_version: 0.20":    "put it in quotes",
		"runtimeversion: \"0.20\"": "unknown key",
		"path: \"c{a}/{a}.json\"":  "stands twice",
		"path: \"plain.json\"":     "no {placeholder}",
		"labels: [a]":              "mapping",
		"server_log: gone.log":     "gone.log",
		"hardware: [unclosed":      "side-car",
		"server_start: {a: 1}":     "want a text",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, SidecarName), text)
		file := write(t, filepath.Join(dir, "r.json"), fmt.Sprintf(result, ""))
		good := write(t, filepath.Join(t.TempDir(), "good.json"), fmt.Sprintf(result, ""))
		reports := ingestPaths(t, newTestLake(t), Options{}, file, good)
		if !strings.Contains(reports[0].Quarantined, want) {
			t.Errorf("%s: quarantined with %q, want %q", text, reports[0].Quarantined, want)
		}
		if reports[1].Quarantined != "" {
			t.Errorf("%s: the next upload suffered: %s", text, reports[1].Quarantined)
		}
	}
}

// A path and a side-car cannot overrule what the client wrote down while it
// measured; the contradiction is said.
func TestFileIsBelievedAboutItsLoad(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "c64", "r.json"), fmt.Sprintf(result, ""))
	l := newTestLake(t)
	ingestPaths(t, l, Options{PathPattern: "c{max_concurrency}/*"}, dir)
	if v, said := values(t, l)["max_concurrency"]; said {
		t.Errorf("%s: max_concurrency %s was taken from the path", file, v)
	}
}

func TestPathPattern(t *testing.T) {
	for _, c := range []struct{ pattern, path, want string }{
		{"{runtime_version}/{hardware}/c{max_concurrency}/…", "x/0.20.0/H100/c32/deep/run.json", "hardware=H100 max_concurrency=32 runtime_version=0.20.0"},
		{"c{max_concurrency}/run{repeat}.json", "logs/c8/run3.json.gz", "max_concurrency=8 repeat=3"},
		{"c{max_concurrency}/run{repeat}.json", "logs/mc8/run3.json", ""},
		{"{a}-{b}.json", "x-y-z.json", "a=x b=y-z"},
		{"v*/{b}/*.json", "v1/here/x.json", "b=here"},
	} {
		p, err := compilePath(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		id := NewIdentity()
		p.identify(id, c.path)
		var got []string
		for k := range id.values {
			v, _, _ := id.Get(k)
			got = append(got, k+"="+v)
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s of %s: %s, want %s", c.pattern, c.path, s, c.want)
		}
	}
}

// The lake is a set: whatever the order and however often, the same uploads give
// the same files.
func TestOrderAndRepetitionLeaveNoTrace(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 4 {
		paths = append(paths, write(t, filepath.Join(dir, fmt.Sprintf("%d.json", i)), fmt.Sprintf(result, fmt.Sprintf(`"n": "%d", `, i))))
	}
	once := newTestLake(t)
	ingestPaths(t, once, Options{}, paths...)
	often := newTestLake(t)
	ingestPaths(t, often, Options{}, paths[3], paths[1])
	ingestPaths(t, often, Options{}, paths[2], paths[0], paths[1])
	ingestPaths(t, often, Options{}, paths...)
	if a, b := files(t, once), files(t, often); a != b {
		t.Errorf("once:\n%s\noften:\n%s", a, b)
	}
}

// The same numbers in another file, with other white space and other key order,
// are the same run; the lake keeps both uploads and shows one.
func TestSameRunInTwoFilesCountsOnce(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(result, "")
	a := write(t, filepath.Join(dir, "a.json"), text)
	b := write(t, filepath.Join(dir, "b.json"), strings.ReplaceAll(text, ", ", ",   "))
	l := newTestLake(t)
	ingestPaths(t, l, Options{}, a, b)
	values(t, l) // fails unless there is exactly one
	if rs, err := l.Receipts(); err != nil || len(rs) != 2 {
		t.Errorf("%d receipts, %v; want one an upload", len(rs), err)
	}
}

func TestContradictionIsSaidAndRelabelSettlesIt(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "r.json"), fmt.Sprintf(result, ""))
	l := newTestLake(t)
	label := func(v string) map[string]string { return map[string]string{"runtime_version": v} }
	ingestPaths(t, l, Options{Labels: label("0.19.0")}, file)
	other := ingestPaths(t, l, Options{Labels: label("0.20.0")}, file)
	seen := values(t, l)["runtime_version"]
	if seen == "0.19.0" && (len(other[0].Warnings) != 1 || !strings.Contains(other[0].Warnings[0], "--relabel")) {
		t.Errorf("the contradiction was not said: %v", other[0].Warnings)
	}
	for _, v := range []string{"0.20.0", "0.19.0", "0.21.0", "0.21.0"} {
		ingestPaths(t, l, Options{Labels: label(v), Relabel: true}, file)
		if got := values(t, l)["runtime_version"]; got != v {
			t.Errorf("relabelled %s, readers see %s", v, got)
		}
	}
}

func TestMoreIsKnownLater(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "r.json"), fmt.Sprintf(result, ""))
	l := newTestLake(t)
	ingestPaths(t, l, Options{}, file)
	ingestPaths(t, l, Options{Labels: map[string]string{"hardware": "H100"}}, file)
	ingestPaths(t, l, Options{}, file)
	if v := values(t, l); v["hardware"] != "H100" {
		t.Errorf("readers see %v", v)
	}
}

func TestBadUploadIsKeptWithItsReasonAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(result, "")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, text)
	z.Close()
	for name, bad := range map[string]string{
		"headless.json": text[len(text)/2:],
		"empty.json":    "",
		"other.json":    `{"hello": "world"}`,
		"damaged.gz":    zipped.String()[:40] + "\x00\x00\x00\x00\x00\x00\x00\x00" + zipped.String()[48:],
		"utf16.json":    "\xff\xfe{\x00",
		"binary.json":   "\x00\x01\x02",
	} {
		l := newTestLake(t)
		file := write(t, filepath.Join(dir, name), bad)
		good := write(t, filepath.Join(dir, "good-"+name), text)
		reports := ingestPaths(t, l, Options{}, file, good)
		if reports[0].Quarantined == "" || len(reports[0].Runs) != 0 {
			t.Errorf("%s: not quarantined: %+v", name, reports[0].Receipt)
		}
		if ok, err := l.Has(reports[0].Raw); !ok || err != nil {
			t.Errorf("%s: its bytes are not kept: %v", name, err)
		}
		if len(reports[1].Runs) != 1 {
			t.Errorf("%s: the next upload was not taken: %+v", name, reports[1].Receipt)
		}
		again := ingestPaths(t, l, Options{}, file)
		if !again[0].Known || again[0].Quarantined != reports[0].Quarantined {
			t.Errorf("%s: again: %+v", name, again[0].Receipt)
		}
	}
}

func TestCancelledIngestPublishesNothingHalf(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "r.json"), fmt.Sprintf(result, ""))
	l := newTestLake(t)
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	uploads, _, err := Find([]string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Ingest(ctx, uploads[0]); err == nil {
		t.Error("a cancelled ingest reported success")
	}
	in.Close()
	if got := files(t, l); strings.Count(got, "\n") != 1 {
		t.Errorf("left behind:\n%s", got)
	}
}

func TestFindTellsFilesByContent(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "result.txt"), fmt.Sprintf(result, ""))
	write(t, filepath.Join(dir, "a", "notes.json"), `{"hello": 1}`)
	write(t, filepath.Join(dir, "a", SidecarName), "hardware: x")
	write(t, filepath.Join(dir, ".hidden", "r.json"), fmt.Sprintf(result, ""))
	write(t, filepath.Join(dir, "lake", "lake.json"), "{}")
	write(t, filepath.Join(dir, "lake", "r.json"), fmt.Sprintf(result, ""))
	uploads, skipped, err := Find([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(uploads) != 1 || !strings.HasSuffix(uploads[0].Name, "/a/result.txt") {
		t.Errorf("uploads: %v", uploads)
	}
	if len(skipped) != 1 || !strings.HasSuffix(skipped[0].Name, "/a/notes.json") {
		t.Errorf("skipped: %v", skipped)
	}
	if _, _, err := Find([]string{filepath.Join(dir, "*.nothing")}, nil); err == nil {
		t.Error("a pattern that matches nothing was accepted")
	}
	stdin, _, err := Find([]string{"-"}, strings.NewReader(fmt.Sprintf(result, "")))
	if err != nil || len(stdin) != 1 || stdin[0].Name != "stdin" {
		t.Errorf("stdin: %v %v", stdin, err)
	}
}

// What is whole in a file that was cut short is read, and marked.
func TestTruncatedUploadIsReadAsFarAsItGoes(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(result, "")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, text)
	z.Close()
	for name, cut := range map[string]string{
		"cut.json":    text[:strings.Index(text, "generated_texts")],
		"cut.json.gz": zipped.String()[:zipped.Len()-12],
	} {
		l := newTestLake(t)
		rep := ingestPaths(t, l, Options{}, write(t, filepath.Join(dir, name), cut))[0]
		if rep.Quarantined != "" || len(rep.Runs) != 1 || rep.Runs[0].Requests != 2 || len(rep.Rejects) == 0 {
			t.Errorf("%s: %+v", name, rep.Receipt)
		}
	}
}

// The sum of a request's gaps is its E2EL less its TTFT, to the nanosecond.
func TestGapsAddUp(t *testing.T) {
	reads := 0
	for _, p := range producers[:2] {
		files, err := filepath.Glob(map[bool]string{true: "vllm/testdata/v0.*/*.json", false: "aiperf/testdata/v*/*.jsonl"}[reads == 0])
		if err != nil || len(files) == 0 {
			t.Fatalf("no files: %v", err)
		}
		for _, name := range files {
			file, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			sums, r := map[int]int64{}, p.open(file, name, Limits{}.reading())
			for r.Scan() {
				switch rec := r.Record().(type) {
				case *schemas.Gaps:
					for _, ns := range rec.Nanos {
						sums[rec.Request] += ns
					}
				case *schemas.Request:
					exact := rec.E2ELMethod.V == "exact" && rec.Status == schemas.StatusOK && rec.TTFT.OK
					if sum, ok := sums[rec.Index]; exact && ok && sum != rec.E2EL.V-rec.TTFT.V && rec.Chunks.V > 1 {
						t.Errorf("%s: request %d: gaps add up to %d ns, E2EL - TTFT is %d", name, rec.Index, sum, rec.E2EL.V-rec.TTFT.V)
					}
				case *schemas.Run:
					clear(sums)
				}
			}
			file.Close()
			reads++
		}
	}
}

// inference-perf tells of each request three times, in its list, in the file of
// its stage and in the summary: in a folder one account counts.
func TestInferencePerfCountsOnce(t *testing.T) {
	list := `[{"start_time": 1.0, "end_time": 2.0, "request": "{}", "response": "", "error": null, "info": null}]`
	summary := `{"load_summary": {"count": 1, "requested_rate": 1.0}, "successes": {"count": 1}, "failures": {"count": 0}}`
	const requests, all, adapter = "per_request_lifecycle_metrics.json", "summary_lifecycle_metrics.json", "adapter_x_lifecycle_metrics.json"
	const s0, s1, p0, p1, pAll = "stage_0_lifecycle_metrics.json", "stage_1_lifecycle_metrics.json",
		"stage_0_prometheus_metrics.json", "stage_1_prometheus_metrics.json", "summary_prometheus_metrics.json"
	for _, c := range []struct{ there, want []string }{
		{[]string{requests, all, s0, s1, p0, p1, pAll, adapter}, []string{s0, p0, s1, p1}},
		{[]string{requests, all, s0, adapter}, []string{requests}},
		{[]string{requests, all}, []string{requests}},
		{[]string{all, s0, p0, pAll}, []string{s0, p0}},
		{[]string{all, s0, s1}, []string{s0, s1}},
		{[]string{all}, []string{all}},
		{[]string{requests, p0, p1, pAll}, []string{requests, p0, p1}},
	} {
		dir := t.TempDir()
		for _, name := range c.there {
			write(t, filepath.Join(dir, name), map[bool]string{true: list, false: summary}[name == requests])
		}
		uploads, skipped, err := Find([]string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, up := range uploads {
			got = append(got, filepath.Base(up.Name))
		}
		if !slices.Equal(got, c.want) || len(skipped) != len(c.there)-len(c.want) {
			t.Errorf("of %v: %v, want %v", c.there, got, c.want)
		}
		for _, s := range skipped {
			if !strings.HasPrefix(s.Why, "the same run as ") {
				t.Errorf("%s: %s", s.Name, s.Why)
			}
		}
		outright, _, err := Find([]string{filepath.Join(dir, c.there[0])}, nil)
		if err != nil || len(outright) != 1 {
			t.Errorf("%s, named outright: %v %v", c.there[0], outright, err)
		}
	}
}

// A process publishes a run's manifest and dies before the receipt, while another,
// which began before that, reads the same upload: it finds the manifest there.
func TestManifestOfAProcessThatDiedMeanwhile(t *testing.T) {
	l := newTestLake(t)
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := write(t, filepath.Join(t.TempDir(), "r.json"), fmt.Sprintf(result, ""))
	rep := ingestPaths(t, l, Options{}, path)[0]
	if err := os.Remove(l.Path(lake.ReceiptName(rep.UploadSHA256, rep.Context))); err != nil {
		t.Fatal(err)
	}
	uploads, _, err := Find([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := in.Ingest(t.Context(), uploads[0])
	if err != nil || len(again.Runs) != 1 || again.Runs[0].Manifest != rep.Runs[0].Manifest {
		t.Fatalf("%+v, %v; want the run of %s", again, err, rep.Runs[0].Manifest)
	}
}

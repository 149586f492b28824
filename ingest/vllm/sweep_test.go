package vllm

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

const sweepFolder = "sweep/SERVE--max_num_seqs=4-BENCH--max_concurrency=2-num_prompts=2/"

func runOf(t *testing.T, name string) *schemas.Run {
	t.Helper()
	records := readNamed(t, bytes.NewReader(recordtest.File(t, name)), name)
	run, ok := records[len(records)-1].(*schemas.Run)
	if !ok {
		t.Fatalf("%s: %s", name, recordtest.Shorthand(records[len(records)-1]))
	}
	return run
}

// TestComplete: what the run of an interrupted sweep lacks, its neighbours know.
func TestComplete(t *testing.T) {
	for companion, want := range map[string]string{
		sweepFolder + "summary.json": "map[max_num_seqs:4 run_number:1] engine map[max_num_seqs:4]",
		"sweep/summary.csv":          `map[chat_template:"a \"b\", c" enforce_eager:true max_num_seqs:4.0 run_number:1] engine map[]`,
		"sweep/summary.json":         "map[run_number:1] engine map[]", // of other runs
	} {
		run := runOf(t, sweepFolder+"run=1.json")
		if err := Complete(run, companion, bytes.NewReader(recordtest.File(t, companion))); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(run.Notes, noteInterrupted) == (len(run.Extra) > 1) {
			t.Errorf("%s: notes %q", companion, run.Notes)
		}
		if got := fmt.Sprintf("%v engine %v", run.Extra, run.EngineArgs); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", companion, got, want)
		}
	}
	if run := runOf(t, sweepFolder+"run=1.json"); !slices.Contains(run.Notes, noteInterrupted) {
		t.Errorf("notes %q", run.Notes)
	}
	run := runOf(t, sweepFolder+"run=0.json")
	before := recordtest.Shorthand(run)
	if err := Complete(run, sweepFolder+"summary.json", bytes.NewReader(recordtest.File(t, sweepFolder+"summary.json"))); err != nil || recordtest.Shorthand(run) != before {
		t.Errorf("a complete run was changed to %s%v", recordtest.Shorthand(run), err)
	}
}

// TestCompleteFromPyTorch: the arguments of the client are taken from the same
// result in another format, if it is the same; what could be secret is not.
func TestCompleteFromPyTorch(t *testing.T) {
	text := recordtest.File(t, "offline/serve.pytorch.json")
	run := runOf(t, "v0.15.0/ok.json")
	if err := Complete(run, "bench.pytorch.json", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if run.Seed != schemas.Some[int64](7) || run.Dataset != schemas.Some("random") || run.Extra["random_input_len"] != "128" || len(run.Extra) != 1 || run.EngineArgs != nil {
		t.Errorf("seed %v, dataset %v, extra %v, engine %v", run.Seed, run.Dataset, run.Extra, run.EngineArgs)
	}
	other := runOf(t, "v0.9.2/ramp_up.json")
	if err := Complete(other, "bench.pytorch.json", bytes.NewReader(text)); err != nil || other.Seed.OK {
		t.Errorf("taken from another run: seed %v, %v", other.Seed, err)
	}
	if err := Complete(other, "bench.pytorch.json", strings.NewReader(`[{"metric": 1}, {"metric": {"benchmark_values": [NaN]}}]`)); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "[", "{}", `[{"metric": 1}`} {
		if err := Complete(other, "bench.pytorch.json", strings.NewReader(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if err := Complete(other, "summary.csv", strings.NewReader(",a\n0,\"")); err == nil {
		t.Error("a table that is cut: no error")
	}
}

func TestExplain(t *testing.T) {
	for _, c := range cases {
		why, ok := Explain(recordtest.File(t, c.file))
		if ok == (c.format != "" || c.file == "hostile/not_a_run.json") {
			t.Errorf("%s: explained as %q, %v", c.file, why, ok)
		}
	}
	if _, ok := Explain([]byte("PK\x03\x04…xl/workbook.xml")); !ok {
		t.Error("a workbook is not explained")
	}
	for _, head := range []string{"", "[", "{", "nonsense", "[1]", `{"a"`} {
		if why, ok := Explain([]byte(head)); ok {
			t.Errorf("%s: explained as %q", head, why)
		}
	}
}

// TestFoldersOfSweeps: what a folder says to be a parameter of the server, by the names
// that serve, serve_workload and startup give theirs. Nothing else of a name is
// believed, for values may hold a dash.
func TestFoldersOfSweeps(t *testing.T) {
	const text = `{"backend": "openai", "completed": 1, "run_number": 0, "max_num_seqs": 4, "dtype": "bfloat16", "request_rate": 5, "tag": "a-BENCH"}`
	for folder, want := range map[string]map[string]string{
		"SERVE--max_num_seqs=4-BENCH--dtype=bfloat16":                  {"max_num_seqs": "4"},
		"SERVE--max_num_seqs=4-WL--request_rate=5":                     {"max_num_seqs": "4"},
		"SERVE--max_num_seqs=4-BENCH--dtype=bfloat16-WL--request_rate": {"max_num_seqs": "4"},
		"SERVE--max_num_seqs=4-dtype=bfloat16-STARTUP--x=1":            {"max_num_seqs": "4", "dtype": "bfloat16"},
		"SERVE--max_num_seqs=4/request_rate=5":                         {"max_num_seqs": "4"},
		"SERVE--max_num_seqs=48-BENCH--x=1":                            nil,
		"BENCH--max_num_seqs=4":                                        nil,
		"max_num_seqs=4":                                               nil,
	} {
		var run *schemas.Run
		for r := NewReader(strings.NewReader(text), "sweep/"+folder+"/run=0.json"); r.Scan(); {
			run, _ = r.Record().(*schemas.Run)
		}
		if run == nil || !maps.Equal(run.EngineArgs, want) {
			t.Errorf("%s: %v, want %v", folder, run.EngineArgs, want)
		}
	}
}

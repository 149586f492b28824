package analyze

import (
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/query"
)

func reportedBy(text string) query.Object {
	o, err := query.ParseObject(text)
	if err != nil {
		panic(err)
	}
	return o
}

// clientRun is a run of vllm bench: in is "dialect version", with "rtfx" where the
// result has that key.
func clientRun(in string, input, output int64) *Run {
	f := strings.Fields(in)
	r := &Run{RunIdentity: &query.RunIdentity{
		Producer: "vllm", Bench: "serve", Dialect: f[0], MaxConcurrency: query.Count{V: 8, Valid: true},
	}}
	for _, word := range f[1:] {
		if word == "rtfx" {
			r.Reported = reportedBy(`{"rtfx": 0.0}`)
			continue
		}
		r.RuntimeVersion = query.Text{V: word, Valid: true}
	}
	r.Sum = &query.RunSummary{Completed: 10, InputTokens: query.Count{V: 10 * input, Valid: true}, OutputTokens: query.Count{V: 10 * output, Valid: true}}
	return r
}

// vLLM's client changed what its numbers mean three times without a word in its
// results (formats of v0.11.1, v0.15.0 and v0.20.0).
func TestChangesOfTheClient(t *testing.T) {
	for _, c := range []struct {
		story        string
		base, cand   *Run
		versions     string // of the changes that are told
		otherwise    func(base, cand *Run)
		versionsThen string
	}{
		{story: "by the versions of the images, with other prompt lengths", base: clientRun("cli+backend rtfx 0.19.1", 128, 64), cand: clientRun("cli+backend rtfx 0.20.0", 131, 64), versions: "0.20.0"},
		{story: "the same lengths: both counted alike", base: clientRun("cli+backend rtfx 0.19.1", 128, 64), cand: clientRun("cli+backend rtfx 0.20.0", 128, 64)},
		{story: "a nightly build before the release", base: clientRun("cli+backend rtfx 0.20.0rc1", 128, 64), cand: clientRun("cli+backend rtfx 0.20.0rc1.dev5+g1", 131, 64)},
		{
			story: "by the keys alone; the temperature may be said", base: clientRun("cli", 128, 64), cand: clientRun("cli+backend rtfx", 128, 64), versions: "0.15.0",
			otherwise: func(base, cand *Run) {
				base.Labels, cand.Labels = map[string]string{"temperature": "0"}, map[string]string{"temperature": "0.0"}
			},
		},
		{
			story: "answers became longer; those of another data set end where the model ends them", base: clientRun("script", 128, 60), cand: clientRun("cli+backend 0.12.0", 128, 64), versions: "0.11.1",
			otherwise: func(base, cand *Run) {
				base.Dataset, cand.Dataset = query.Text{V: "sharegpt", Valid: true}, query.Text{V: "sharegpt", Valid: true}
			},
		},
		{story: "the keys go before the version of a server that another image measured", base: clientRun("cli 0.20.0", 128, 64), cand: clientRun("cli+backend rtfx 0.20.0", 128, 64), versions: "0.15.0"},
		{story: "no rtfx, no version: it may be on either side", base: clientRun("cli+backend", 128, 64), cand: clientRun("cli+backend rtfx", 128, 64)},
		{story: "the Rust client has changes of its own", base: clientRun("rust 0.10.0", 128, 64), cand: clientRun("cli+backend rtfx 0.20.0", 131, 60)},
	} {
		told := func() string {
			var versions []string
			for _, w := range clientsDiffer([]*Run{c.base}, []*Run{c.cand}) {
				_, after, _ := strings.Cut(w, "from v")
				version, _, _ := strings.Cut(after, " ")
				versions = append(versions, version)
				if !strings.HasSuffix(w, "the baseline's client is of before, the candidate's is not") {
					t.Errorf("%s: %s", c.story, w)
				}
			}
			return strings.Join(versions, " ")
		}
		if got := told(); got != c.versions {
			t.Errorf("%s: told %q, want %q", c.story, got, c.versions)
		}
		if c.otherwise == nil {
			continue
		}
		if c.otherwise(c.base, c.cand); told() != c.versionsThen {
			t.Errorf("%s: told %q all the same", c.story, told())
		}
	}
	older, newer := clientRun("cli", 128, 64), clientRun("cli+backend rtfx", 128, 64)
	if got := clientsDiffer([]*Run{newer}, []*Run{older}); len(got) != 1 || !strings.HasSuffix(got[0], "the candidate's client is of before, the baseline's is not") {
		t.Errorf("the other way round: %q", got)
	}
	sides := clientSides([]*Run{older, newer, newer})
	if len(sides) != 2 || len(sides[older]) != 1 || len(sides[newer]) != 1 {
		t.Errorf("side by side: %v", sides)
	}
	if s := clientSides([]*Run{newer, newer}); len(s) != 0 {
		t.Errorf("one client: %v", s)
	}
}

// vLLM v0.6.0 to v0.6.3 printed the mean of E2EL as its median and the other way round.
func TestSwappedE2EL(t *testing.T) {
	old := clientRun("script", 8, 8)
	old.Reported = reportedBy(`{"mean_e2el_ms": 1.5, "median_e2el_ms": 1.5, "total_token_throughput": 1.5}`)
	if !old.swapsE2EL() || !strings.Contains(old.whyDifferent("mean_e2el_ms", 3), "stand for each other") {
		t.Error("not noticed")
	}
	if strings.Contains(old.whyDifferent("p99_e2el_ms", 3), "stand for each other") {
		t.Error("a percentile is not swapped")
	}
	mended := clientRun("script", 8, 8)
	mended.Reported = old.Reported
	mended.Burstiness = query.Number{V: 1, Valid: true}
	if mended.swapsE2EL() {
		t.Error("v0.6.4 has a burstiness")
	}
}

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas/simulate"
)

// onPath is a sweep of a path: a model on a machine, five starts, two levels.
func onPath(change func(*simulate.Sweep)) simulate.Sweep {
	s := simulate.DefaultSweep()
	s.Versions, s.Concurrency, s.Changes = []string{"0.20.2"}, []int{1, 8}, nil
	if change != nil {
		change(&s)
	}
	return s
}

func comparedPaths(t *testing.T, generic, tuned simulate.Sweep) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), []string{"paths", write(t, generic), write(t, tuned)}, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestPaths(t *testing.T) {
	faster := func(s *simulate.Sweep) { s.ITLSlope, s.Seed = s.ITLSlope*8/10, 2 }
	later := func(s *simulate.Sweep) { s.Begin = s.Begin.Add(3 * time.Hour) }
	moe := simulate.LogLine{Level: "WARNING", Source: "fused_moe.py:1090", Message: "Using default MoE config. Performance might be sub-optimal! Config file not found at /configs/E=128,N=1856,device_name=NVIDIA_Thor.json"}
	fp8 := simulate.EngineArg{Name: "kv_cache_dtype", Value: "'fp8_e4m3'"}
	cases := []struct {
		story          string
		generic, tuned simulate.Sweep
		code           int
		says           []string
		not            []string
	}{
		{
			"one argument differs, and the tuned path is faster: it may be put down to that argument",
			onPath(nil), onPath(func(s *simulate.Sweep) { faster(s); s.EngineArgs = []simulate.EngineArg{fp8} }), 0,
			[]string{"Improved", "one thing was set otherwise, engine argument kv_cache_dtype", "with it came achieved KV cache dtype", "fragility: ", "same prompts: yes", "order: interleaved"},
			[]string{"cannot be attributed"},
		},
		{
			// The article's author suspected the missing MoE configuration. Batch size and
			// KV cache differed as well, so that nobody can know.
			"a warning of a missing MoE configuration on the slower path, whose arguments differ too: it is listed, and not named as the cause",
			onPath(func(s *simulate.Sweep) { s.StartupWarnings = []simulate.LogLine{moe} }),
			onPath(func(s *simulate.Sweep) { faster(s); s.Slots = 4; s.EngineArgs = []simulate.EngineArg{fp8} }), 1,
			[]string{
				"cannot be attributed: 2 things were set otherwise", "start-up log     FAIL P1 moe_default_config", "engine argument  max_num_seqs",
				"at max concurrency 8 the tuned path queues: its max_num_seqs is 4",
			},
			[]string{"because", "due to", "root cause", "put down to it"},
		},
		{
			"nothing differs but the hour: all of one path ran before all of the other",
			onPath(nil), onPath(func(s *simulate.Sweep) { s.Seed = 3; later(s) }), 0,
			[]string{"nothing that is recorded differs", "order effect: the generic path ran first (in 25 of 25 pairs of starts)"}, nil,
		},
		{
			"other output lengths are another workload, and no path",
			onPath(nil), onPath(func(s *simulate.Sweep) { s.OutputLen = 64 }), exitInvalid,
			[]string{"same prompts: no", "nothing can be attributed", "mean output length"}, []string{"fragility"},
		},
	}
	for _, c := range cases {
		code, out := comparedPaths(t, c.generic, c.tuned)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.story, code, c.code)
		}
		for _, words := range c.says {
			if !strings.Contains(out, words) {
				t.Errorf("%s: does not say %q", c.story, words)
			}
		}
		for _, words := range c.not {
			if strings.Contains(out, words) {
				t.Errorf("%s: says %q", c.story, words)
			}
		}
		if t.Failed() {
			t.Log(out)
		}
	}
}

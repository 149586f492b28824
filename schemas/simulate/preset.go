package simulate

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// A Preset is a named data set: sweeps in folders of their own, and files that
// were not simulated.
type Preset struct {
	Name  string
	Text  string // what it is, and what of it is assumed
	Parts []Part
	Files []File
}

// A Part is a sweep of a preset and its folder; "" is the preset's own.
type Part struct {
	Folder string
	Sweep  Sweep
}

// A File is written as it is.
type File struct{ Path, Text string }

// Presets returns the presets, the simplest first.
func Presets() []Preset { return []Preset{demo(), jetsonThorArticle()} }

// PresetByName returns the preset called name.
func PresetByName(name string) (Preset, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preset{}, fmt.Errorf("no preset %q: have %s", name, strings.Join(names, ", "))
}

// RunFiles is the number of simulated result files in p.
func (p Preset) RunFiles() int {
	n := 0
	for _, part := range p.Parts {
		n += part.Sweep.RunFiles()
	}
	return n
}

// Write writes every part of p, as [Sweep.Write] does, into its folder below dir.
func (p Preset) Write(ctx context.Context, dir string, progress func(done, total int)) error {
	before := 0
	for _, part := range p.Parts {
		var report func(int, int)
		if progress != nil {
			report = func(done, _ int) { progress(before+done, p.RunFiles()) }
		}
		if err := part.Sweep.Write(ctx, filepath.Join(dir, part.Folder), report); err != nil {
			return err
		}
		before += part.Sweep.RunFiles()
	}
	for _, file := range p.Files {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(file.Path)), func(w *bufio.Writer) error {
			_, err := w.WriteString(file.Text)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// demo is the default sweep with a regression to find.
func demo() Preset {
	s := DefaultSweep()
	s.Changes = []Change{{Version: "0.20.0", Parameter: "itl", Factor: 1.05}}
	return Preset{
		Name: "demo",
		Text: "Two versions, six levels of concurrency, five server starts each. Version 0.20.0 decodes 5 % slower " +
			"at every level; nothing else differs but noise.",
		Parts: []Part{{Sweep: s}},
	}
}

const (
	article = "Nemotron 3 Nano Looks Fast on Jetson Thor - Until Concurrency Makes the Runtime Tell the Truth, " +
		"https://thelgtm.dev/nemotron-3-nano-looks-fast-on-jetson-thor-until-concurrency-makes-the-runtime-tell-the-truth/"
	nano = "Nemotron-3-Nano-30B-A3B-NVFP4"
	qwen = "Qwen3-8B"
)

// jetsonThorArticle is a simulation of the benchmark that servestat grew out
// of, whose raw logs were never published.
func jetsonThorArticle() Preset {
	return Preset{
		Name: "jetson-thor-article",
		Text: "What the raw logs behind an article could have looked like. Source: " + article + `.

Published for ` + nano + `: at concurrency 1 an ITL of 14.18 ms and 65.67 tok/s; at 32 an ITL of
65.90 ms (4.65 times), a TTFT of 741.70 ms and 429.57 tok/s. Published for ` + qwen + `: 41.12 tok/s at
concurrency 1 and 1065.22 tok/s at 32, with a TPOT of "roughly 23-28 ms". The simulation is tuned to these.

Everything else is assumed. A decode step is affine in the running sequences, and so is a prefill: that
draws the curves between 1 and 32, and so c=2..16 are the model's, not data. Output length is 79 tokens
because that is the length at which the three figures of ` + nano + ` at 32 agree with each other (Little's
law); TTFT at concurrency 1, and that of ` + qwen + `, follow from it. Slots, prompt length, number of
requests and noise are the defaults of servestat simulate. tegrastats.log and tool-calls.jsonl are assumed
whole: the article publishes neither power nor tool calls. The compute domains are within the board's 40 to 130 W,
and a tenth of the calls of ` + nano + ` break off under load, so that there is something to find.

The folder ` + nano + `/0.20.2-mtp holds the log of a start that is refused, as the article tells it of
--speculative-config with the method mtp. Its lines are vLLM's forms, and not taken from a log. The config.json beside it says as much of the model
as is asked of it: it has no num_nextn_predict_layers, and so no layers for multi-token prediction.

The folder published/ holds rows as they were printed, as summaries and not as logs. The two of concurrency 1
contradict each other, 65.67 and 19.04 tok/s; and the second contradicts itself, for a TPOT of 14.32 ms is
69.8 tok/s.`,
		Parts: []Part{
			{nano, thorSweep(nano, tuning{
				itl1: 14180 * time.Microsecond, itl32: 65900 * time.Microsecond,
				ttft1: 96940 * time.Microsecond, ttft32: 741700 * time.Microsecond,
			}, ToolCalls{Calls: 100, Loaded: 32, Wrong: 0.01, WrongLoaded: 0.1, Each: 600 * time.Millisecond}, moeWarning)},
			{qwen, thorSweep(qwen, tuning{
				itl1: 23400 * time.Microsecond, itl32: 28 * time.Millisecond,
				ttft1: 96 * time.Millisecond, ttft32: 189200 * time.Microsecond,
			}, ToolCalls{Calls: 100, Loaded: 32, Wrong: 0.01, WrongLoaded: 0.01, Each: 800 * time.Millisecond})},
		},
		Files: []File{
			{nano + "/0.20.2-mtp/server.log", mtpRejected},
			{nano + "/0.20.2-mtp/config.json", nanoConfig},
			{"published/c1.json", publishedRow(1, "19.04", `"mean_tpot_ms": 14.32`)},
			{"published/c1-headline.json", publishedRow(1, "65.67", `"mean_tpot_ms": null, "mean_itl_ms": 14.18`)},
			{"published/c32.json", publishedRow(32, "429.57", `"mean_ttft_ms": 741.70, "mean_tpot_ms": 65.92`)},
			{"published/servestat.yaml", publishedSidecar},
		},
	}
}

// A tuning is the latencies that a sweep shall show at concurrency 1 and 32.
type tuning struct{ itl1, itl32, ttft1, ttft32 time.Duration }

// thorSweep is the article's machine running a model tuned to t. The engine's
// arguments are those that the article's author gave for all models.
func thorSweep(model string, t tuning, calls ToolCalls, warnings ...LogLine) Sweep {
	s := DefaultSweep()
	s.Name, s.Model, s.Hardware = model, model, "Jetson AGX Thor (simulated)"
	s.Versions = []string{"0.20.2"}
	s.OutputLen = 79

	// Straight lines through the two levels. TTFT holds one decode step.
	s.ITLSlope = (t.itl32 - t.itl1) / 31
	s.ITLBase = t.itl1 - s.ITLSlope
	s.TTFTBase = t.ttft1 - t.itl1
	s.TTFTSlope = (t.ttft32 - t.itl32 - s.TTFTBase) / 31

	s.EngineArgs = []EngineArg{
		{"kv_cache_dtype", "'fp8_e4m3'"},
		{"max_num_batched_tokens", "16384"},
		{"enable_chunked_prefill", "True"},
		{"async_scheduling", "True"},
	}
	s.StartupWarnings = warnings
	s.Machine = &Machine{Idle: 4, Busy: 30, Slope: 8, Rest: 9, Board: 12, Memory: 96, Total: 122.8, ClockMHz: 1386}
	s.ToolCalls = &calls
	return s
}

// moeWarning is the start-up line that the author suspected to be behind the
// steep ITL. Its wording is vLLM's; the shape in the file name is that of the
// model, and not taken from a log.
var moeWarning = LogLine{
	Level:  "WARNING",
	Source: "fused_moe.py:1090",
	Message: "Using default MoE config. Performance might be sub-optimal! Config file not found at " +
		"/usr/local/lib/python3.12/dist-packages/vllm/model_executor/layers/fused_moe/configs/E=128,N=1856,device_name=NVIDIA_Thor.json",
}

// publishedRow has the keys of a result saved without --save-detailed, as far
// as their values were published.
func publishedRow(level int, throughput, latencies string) string {
	return fmt.Sprintf(`{"label": null, "model_id": %q, "tokenizer_id": null, "source": %q, "max_concurrency": %d, "request_goodput": null, "output_throughput": %s, %s}`,
		nano, article, level, throughput, latencies)
}

// nanoConfig is what the checkpoint's own file says of what is asked of it: nothing
// of layers for multi-token prediction.
const nanoConfig = `{"model_type": "nemotron_h", "architectures": ["NemotronHForCausalLM"]}
`

// mtpRejected is the log of a server that does not start with MTP: the checkpoint
// has no layers for it.
const mtpRejected = `(APIServer pid=2093) Written by servestat simulate: there was no such server.
(APIServer pid=2093) INFO 11-16 09:00:00 [utils.py:299] vLLM server version 0.20.2, serving model ` + nano + `
(APIServer pid=2093) INFO 11-16 09:00:00 [utils.py:233] non-default args: {'model': '` + nano + `', 'max_model_len': 32768, 'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 3}}
(APIServer pid=2093) Traceback (most recent call last):
(APIServer pid=2093)   File "/usr/local/lib/python3.12/dist-packages/vllm/config/speculative.py", line 512, in __post_init__
(APIServer pid=2093)     raise NotImplementedError(
(APIServer pid=2093) NotImplementedError: Unsupported speculative method: 'mtp'
`

const publishedSidecar = `# Rows that were published, no logs: nobody outside has seen the runs behind them.
# ` + article + `
model: "` + nano + `"
runtime: vllm
runtime_version: "0.20.2"
hardware: "Jetson AGX Thor Developer Kit"
simulated: false
`

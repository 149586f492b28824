package preflight

import (
	"fmt"
	"strconv"
)

// factNames are the facts that are worth a line, in the order in which they are
// told. What is not among the first of its names is looked for under the next.
var factNames = []struct {
	name, unit string
	keys       []string
}{
	{"vLLM version", "", []string{"engine_config.version", "version.version"}},
	{"commit", "", []string{"engine_config.commit", "version.commit"}},
	{"model", "", []string{"engine_config.model", "version.model", "engine_args.model"}},
	{"architecture", "", []string{"architecture.architecture"}},
	{"dtype", "", []string{"engine_config.dtype"}},
	{"quantization", "", []string{"engine_config.quantization"}},
	{"KV cache dtype", "", []string{"engine_config.kv_cache_dtype", "kv_cache.dtype"}},
	{"context", "tokens", []string{"engine_config.max_seq_len", "context.max_model_len"}},
	{"tensor parallel", "", []string{"engine_config.tensor_parallel_size"}},
	{"pipeline parallel", "", []string{"engine_config.pipeline_parallel_size"}},
	{"data parallel", "", []string{"engine_config.data_parallel_size"}},
	{"max requests at a time", "", []string{"engine_args.max_num_seqs"}},
	{"max batched tokens", "tokens", []string{"batching.max_num_batched_tokens", "engine_args.max_num_batched_tokens"}},
	{"max scheduled tokens", "tokens", []string{"batching.max_num_scheduled_tokens"}},
	{"structured output backend", "", []string{"engine_config.structured_outputs_config.backend", "engine_config.decoding_config.backend"}},
	{"tool-call parser", "", []string{"engine_args.tool_call_parser"}},
	{"reasoning parser", "", []string{"engine_args.reasoning_parser", "engine_config.structured_outputs_config.reasoning_parser"}},
	{"draft tokens", "", []string{"engine_config.speculative_config.num_spec_tokens"}},
	{"sampler", "", []string{"sampler.sampler"}},
	{"sampling defaults", "", []string{"sampling_defaults.parameters"}},
	{"Mamba SSM cache dtype", "", []string{"engine_args.mamba_ssm_cache_dtype"}},
	{"GPU memory utilization", "", []string{"engine_args.gpu_memory_utilization", "memory.gpu_memory_utilization"}},
	{"weights", "GiB", []string{"weights.weights_gib", "memory.weights_gib"}},
	{"loading", "s", []string{"weights.seconds"}},
	{"KV cache memory", "GiB", []string{"kv_cache.available_gib"}},
	{"KV cache", "tokens", []string{"kv_cache.tokens"}},
	{"requests of full context in the KV cache", "", []string{"kv_cache.max_concurrency"}},
	{"KV cache padding at most", "%", []string{"kv_cache.waste_percent"}},
	{"CUDA graphs", "GiB", []string{"graph_capture.gib"}},
	{"start of the engine", "s", []string{"engine_init.seconds"}},
	{"of it compilation", "s", []string{"engine_init.compilation_seconds", "compile.seconds"}},
}

// facts lists what the log says of the server.
func (s *start) facts() []Fact {
	out := []Fact{}
	for _, f := range factNames {
		for _, key := range f.keys {
			v := s.known[key]
			if v.value == "" || v.value == "None" {
				continue
			}
			out = append(out, Fact{Name: f.name, Value: v.value, Unit: f.unit, Line: v.line})
			break
		}
	}
	return append(out, s.peak.facts()...)
}

// A peak is the most that the periodic lines of an engine say.
type peak struct {
	lines            int64
	running, waiting float64
	usage            float64 // of the KV cache, per cent

	drafted, accepted float64 // tokens of speculative decoding, over all lines
}

// speculated takes in a line about the drafts of the last seconds.
func (p *peak) speculated(facts map[string]string) {
	p.drafted += number(facts["drafted"])
	p.accepted += number(facts["accepted"])
}

func (p *peak) add(facts map[string]string) {
	p.lines++
	p.running = max(p.running, number(facts["running"]))
	p.waiting = max(p.waiting, number(facts["waiting"]))
	p.usage = max(p.usage, number(facts["gpu_kv_cache_usage_percent"]))
}

func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}

func (p *peak) facts() (out []Fact) {
	if p.drafted > 0 {
		out = append(out, Fact{Name: "drafted tokens accepted, token-weighted", Value: fmt.Sprintf("%.1f", 100*p.accepted/p.drafted), Unit: "%"})
	}
	if p.lines == 0 {
		return out
	}
	return append(out, []Fact{
		{Name: "most running", Value: fmt.Sprint(p.running), Unit: "requests"},
		{Name: "most waiting", Value: fmt.Sprint(p.waiting), Unit: "requests"},
		{Name: "KV cache usage at most", Value: fmt.Sprint(p.usage), Unit: "%"},
	}...)
}

package serverlog

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"github.com/servestat/servestat/schemas/wordset"
)

// Kinds of event that are told by more than one statement, or need code of their own.
const (
	kindVersion   = "version"
	kindConfig    = "engine_config"
	kindArguments = "engine_args"
	kindStats     = "engine_stats"
	kindSpec      = "spec_decode"
	kindReady     = "ready"
	kindHTTPError = "http_error"
	kindException = "exception"
	kindUsage     = "usage_error"
	kindNotice    = "notice"
	kindShutdown  = "shutdown"

	kindDefaultConfig = "default_kernel_config"
	kindTunedConfig   = "tuned_kernel_config"
)

// A statement is a message that states facts: each named group of its form is
// one.
type statement struct {
	kind string
	form *regexp.Regexp
	word string // that is in every message of the form
}

// number is a number as vLLM prints it.
const number = `-?[\d.,]*\d`

// statementForms lists the messages that state facts, by kind. The first word of
// each is plain text, by which it is found; # stands for a number. Wordings of
// several versions stand one below the other, the oldest first.
var statementForms = []struct{ kind, forms string }{
	{kindVersion, `
		vLLM (?:API )?server version (?P<version>[^\s,]+)(?:, serving model (?P<model>\S+))?`},
	{"platform", `
		Automatically detected platform (?P<platform>\w+)`},
	{"architecture", `
		Resolved architecture: (?P<architecture>\S+)`},
	{"context", `
		Using max model len (?P<max_model_len>#)`},
	{"batching", `
		Chunked prefill is enabled with max_num_batched_tokens=(?P<max_num_batched_tokens>#)
		max_num_scheduled_tokens is set to (?P<max_num_scheduled_tokens>#) based on the speculative decoding settings`},
	{"async_scheduling", `
		Asynchronous scheduling is (?P<state>enabled|disabled)`},
	{"parallel", `
		rank (?P<rank>\d+) in world size (?P<world_size>\d+) is assigned as (?P<ranks>.*)`},
	{"checkpoint", `
		Filesystem type for checkpoints: (?P<filesystem>\S+)\. Checkpoint size: (?P<checkpoint_gib>#) GiB\. Available RAM: (?P<ram_gib>#) GiB
		Detected ModelOpt (?P<checkpoint>\w+) checkpoint`},
	{"weights", `
		Loading model weights took (?P<weights_gib>#) Gi?B
		Loading weights took (?P<seconds>#) seconds
		Model loading took (?P<weights_gib>#) Gi?B(?: memory)? and (?P<seconds>#) seconds`},
	{"memory", `
		Free memory on device (?:\S+ )?\((?P<free_gib>#)/(?P<total_gib>#) GiB\) on startup\. Desired GPU memory utilization is \((?P<gpu_memory_utilization>#), (?P<desired_gib>#) GiB\)\. Actual usage is (?P<weights_gib>#) GiB for weight, (?P<activation_gib>#) GiB for peak activation, (?P<non_torch_gib>#) GiB for non-torch memory, and (?P<graph_gib>#) GiB for CUDAGraph memory
		CUDA graph memory profiling is enabled \(default since \S+\)\. The current --gpu-memory-utilization=(?P<gpu_memory_utilization>#) is equivalent to --gpu-memory-utilization=(?P<without_graph_profiling>#)
		Total CPU offloaded parameters: (?P<offloaded>.*)`},
	{"kv_cache", `
		# GPU blocks: (?P<gpu_blocks>#), # CPU blocks: (?P<cpu_blocks>#)
		Available KV cache memory: (?P<available_gib>#) GiB
		GPU KV cache size: (?P<tokens>#) tokens(?:, Maximum concurrency for (?P<tokens_per_request>#) tokens per request: (?P<max_concurrency>#)x)?
		Maximum concurrency for (?P<tokens_per_request>#) tokens per request: (?P<max_concurrency>#)x
		Add (?P<padding_layers>\d+) padding layers, may waste at most (?P<waste_percent>#)%
		Using (?P<dtype>\S+) data type to store kv cache`},
	{"compile", `
		torch.compile (?:takes|took) (?P<seconds>#) s in total
		Compiling a graph for (?P<graph>.*) takes (?P<seconds>#) s
		Directly load the compiled graph\(s\) for (?P<cached_graph>.*) from the cache, took (?P<seconds>#) s
		Dynamo bytecode transform time: (?P<dynamo_seconds>#) s
		Initial profiling/warmup run took (?P<warmup_seconds>#) s`},
	{"graph_capture", `
		Graph capturing finished in (?P<seconds>#) secs(?:, took (?P<gib>#) GiB)?
		Profiling CUDA graph memory: (?P<graphs>.*)
		Estimated CUDA graph memory: (?P<estimated_gib>#) GiB
		CUDA graph pool memory: (?P<gib>#) GiB \(actual\), (?P<estimated_gib>#) GiB \(estimated\)`},
	{"engine_init", `
		init engine \(profile, create kv cache, warmup model\) took (?P<seconds>#) s(?:econds)?(?: \(compilation: (?P<compilation_seconds>#) s)?`},
	{"attention_backend", `
		Using (?P<backend>Flash Attention|FlashInfer|Triton|XFormers|ROCm\S*|Pallas|Torch SDPA|FlashMLA) (?:MLA )?backend(?: on V\d engine)?
		Using (?P<backend>Triton Attention) backend
		Using (?P<backend>\S+) attention backend out of potential backends: (?P<candidates>\[.*\])
		Using (?P<backend>\S+) backend \(selected via (?P<asked_by>\S+)\)
		Using AttentionBackendEnum\.(?P<backend>\w+) backend
		Using (?P<backend>\S+) (?P<for>MLA prefill) backend
		Using backend AttentionBackendEnum\.(?P<backend>\w+) for (?P<for>.*)
		Using AttentionBackendEnum\.(?P<backend>\w+) for (?P<for>\w+)
		Using FlashAttention version (?P<flash_attention>\d+)`},
	{"moe_backend", `
		Using '?(?P<backend>[^\s']+)'?(?: (?P<quantization>\S+))? MoE backend(?: out of potential backends: (?P<candidates>\[.*\]))?
		Using (?P<backend>\w+) backend for (?P<quantization>\S+) MoE`},
	{"linear_backend", `
		Selected (?P<backend>\S+) for (?P<for>\S+)
		Using (?P<backend>\S*LinearKernel) for (?P<for>.*)`},
	{"sampler", `
		Using (?P<sampler>\S+) for top-p & top-k sampling
		FlashInfer is not available\. Falling back to the (?P<sampler>\S+) implementation of top-p & top-k sampling`},
	{"all_reduce", `
		Using (?P<backends>\[.*\]) all-reduce backends \(in dispatch order\) for group '(?P<group>[^']*)' out of potential backends: (?P<candidates>\[.*\])
		vLLM is using nccl==(?P<nccl>\S+)`},
	{"model_runner", `
		Using (?P<runner>V\d) Model Runner`},
	{"cudagraph_mode", `
		CUDAGraphMode.(?P<asked>\w+) is not supported with .*; setting cudagraph_mode=(?P<mode>\w+)`},
	{kindDefaultConfig, `
		Using default (?P<kernel>.*?) config\. Performance might be sub-optimal!(?: +Config file not found at:? (?P<file>.*))?`},
	{kindTunedConfig, `
		Using configuration from (?P<file>.*) for (?P<kernel>.*?)\.?$`},
	{"jit_monitor", `
		Kernel JIT monitor activated`},
	{"sampling_defaults", `
		Default (?:vLLM )?sampling parameters have been overridden by (?P<by>the model's .*?)(?:: ` + "`(?P<parameters>.*?)`" + `)?(?:\. | recommended)
		Using default (?P<api>\w+) sampling params from model: (?P<parameters>\{.*\})`},
	{"unknown_env", `
		Unknown vLLM environment variable detected: (?P<variable>\w+)`},
	{"tool_choice", `
		"auto" tool choice has been enabled`},
	{"preemption", `
		Sequence group (?P<request>\S+) is preempted by (?P<mode>\S+) mode .*total_num_cumulative_preemption=(?P<total>\d+)`},
	{"listening", `
		Starting vLLM (?:API )?server (?:(?P<server>\d+) )?on (?P<address>\S+)`},
	{kindShutdown, `
		[shutdown] (?P<component>[^:]+): (?:shutdown triggered|trigger received signal=(?P<signal>\w+))`},
}

// statements are the statements by their first word. Most commands never ask, so the
// patterns are not compiled whenever a process starts.
var statements = sync.OnceValue(func() map[string][]statement {
	all := map[string][]statement{}
	for _, s := range statementForms {
		for form := range strings.SplitSeq(s.forms, "\n") {
			if form = strings.TrimSpace(form); form == "" {
				continue
			}
			first := firstWord(form)
			rest := strings.ReplaceAll(strings.TrimPrefix(form, first), ">#)", ">"+number+")")
			form := "^" + regexp.QuoteMeta(first) + rest
			all[first] = append(all[first], statement{s.kind, regexp.MustCompile(form), longestLiteral(form)})
		}
	}
	return all
})

// longestLiteral returns the longest text that whatever matches a form holds. To
// look for it first spares most of the matching: twenty forms begin with Using.
func longestLiteral(form string) string {
	re, err := syntax.Parse(form, syntax.Perl)
	if err != nil {
		return ""
	}
	longest := ""
	for _, sub := range re.Simplify().Sub {
		if text := string(sub.Rune); sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0 && len(text) > len(longest) {
			longest = text
		}
	}
	return longest
}

// firstWord returns what stands in front of the first blank or dot of a message.
// CUDAGraphMode.FULL is thus found by what does not vary.
func firstWord(message string) string {
	if i := strings.IndexAny(message, " ."); i > 0 && !strings.HasPrefix(message, "torch.compile") {
		return message[:i]
	} else if i > 0 {
		return "torch.compile"
	}
	return message
}

// state returns the kind of statement that a message is, and what it states.
func state(message string) (kind string, facts map[string]string) {
	for _, s := range statements()[firstWord(message)] {
		if !strings.Contains(message, s.word) {
			continue
		}
		m := s.form.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		facts = map[string]string{}
		for i, name := range s.form.SubexpNames() {
			if name != "" && m[i] != "" {
				facts[name] = plain(m[i])
			}
		}
		addShape(s.kind, facts)
		addCommit(facts)
		return s.kind, facts
	}
	if !strings.Contains(message, " during inference: ") {
		return stateConfig(message)
	}
	if m := compiled.FindStringSubmatch(message); m != nil {
		return "jit_during_inference", map[string]string{"backend": m[1], "event": m[2], "kernel": m[3]}
	}
	return stateConfig(message)
}

// compiled is the warning that a kernel was compiled or tuned while requests
// waited. It may begin with the name of any backend.
var compiled = regexp.MustCompile(`^(\S+) (.*) during inference: (\S+?)(?: \(.*\))?\.(?: This causes|$)`)

// addCommit adds the commit of a build that is no release.
func addCommit(facts map[string]string) {
	if m := commit.FindStringSubmatch(facts["version"]); m != nil {
		facts["commit"] = m[1]
	}
}

// plain removes the commas that group the digits of a whole number.
func plain(value string) string {
	if strings.IndexByte(value, ',') > 0 && strings.Trim(value, "0123456789,") == "" {
		return strings.ReplaceAll(value, ",", "")
	}
	return value
}

// stateConfig reads the messages that are lists: the arguments and the engine's
// configuration; and the banner.
func stateConfig(message string) (kind string, facts map[string]string) {
	for _, a := range announcements {
		if !strings.Contains(message, a.words) {
			continue
		}
		says := a.says(message)
		if says == nil {
			continue
		}
		switch a.kind {
		case kindArgs:
			args, _ := parseArgs(says[0])
			return kindArguments, args
		case kindEngine:
			facts, _ = parsePairs(says[1]+")", "=")
			flatten(facts)
			facts["version"] = says[0]
			addCommit(facts)
			return kindConfig, facts
		case kindBanner:
			facts = map[string]string{"version": says[0]}
			addCommit(facts)
			return kindVersion, facts
		case kindModel:
			return kindVersion, map[string]string{"model": says[0]}
		}
	}
	return "", nil
}

// wholeArguments reports whether a line of arguments has its end.
func wholeArguments(message string) bool {
	_, args, _ := strings.Cut(message, "args: ")
	_, whole := parseArgs(args)
	return whole
}

// nested are the settings of an engine's configuration that are objects, and of
// interest in parts.
var nested = []string{"speculative_config", "compilation_config", "kernel_config", "structured_outputs_config", "decoding_config"}

// flatten adds the parts of nested settings: speculative_config.method.
func flatten(facts map[string]string) {
	for _, name := range nested {
		inner, separator := facts[name], "="
		if i := strings.IndexByte(inner, '('); i > 0 && !strings.HasPrefix(inner, "{") {
			inner = inner[i+1:]
		} else if strings.HasPrefix(inner, "{") {
			inner, separator = inner[1:], ":"
		} else {
			continue
		}
		parts, _ := parsePairs(inner, separator)
		for part, value := range parts {
			facts[name+"."+part] = value
		}
		delete(facts, name)
	}
}

// shape finds in the name of a configuration file the shape that it is for:
// E=128,N=768,device_name=NVIDIA_Thor,dtype=fp8_w8a8,block_shape=[128,128].json
var shape = regexp.MustCompile(`\b(E|N|K|device_name|dtype|block_shape)=(\[[^\]]*\]|[^,'"/]*?)(?:,|$)`)

// addShape says for which shape of experts or matrices a kernel's configuration
// file was looked for. The name of the file is a path, a list of them as Python
// prints it, or several with commas between them: one name in several folders.
func addShape(kind string, facts map[string]string) {
	if kind != kindDefaultConfig && kind != kindTunedConfig {
		return
	}
	first, _, _ := strings.Cut(facts["file"], ".json")
	for _, m := range shape.FindAllStringSubmatch(first, -1) {
		if facts[m[1]] == "" {
			facts[m[1]] = m[2]
		}
	}
}

// A cause is a reason for a failure that is found anywhere in the text of an
// exception. Whatever matches its form holds one of its words: to look for those
// first spares nearly all of the matching.
type cause struct {
	name  string
	words []string
	form  *regexp.Regexp
}

// causes are the reasons for which servers do not start, and their figures.
var causes = []cause{
	{"spec_rejected", []string{"Unsupported speculative method", "Unknown speculative decoding method"}, regexp.MustCompile(`(?:Unsupported speculative method|Unknown speculative decoding method): '?(?P<method>[\w-]+)`)},
	{"spec_rejected", []string{"is not supported yet", "Target and draft model should", "has no num_nextn_predict_layers"}, regexp.MustCompile(`(?:Speculative decoding with draft model|Draft model speculative decoding) is not supported yet|Target and draft model should have the same vocabulary size|has no num_nextn_predict_layers`)},
	{"memory_taken", []string{"on startup is less than desired GPU memory utilization"}, regexp.MustCompile(`Free memory on device (?:\S+ )?\((?P<free_gib>[\d.]+)/(?P<total_gib>[\d.]+) GiB\) on startup is less than desired GPU memory utilization \((?P<gpu_memory_utilization>[\d.]+), (?P<desired_gib>[\d.]+) GiB\)`)},
	{"no_kv_cache", []string{"No available memory for the cache blocks"}, regexp.MustCompile(`No available memory for the cache blocks`)},
	{"kv_cache_too_small", []string{"To serve at least one request"}, regexp.MustCompile(`To serve at least one request with the models?'s? max seq len \((?P<max_model_len>\d+)\)`)},
	{"max_model_len", []string{"User-specified max_model_len"}, regexp.MustCompile(`User-specified max_model_len \((?P<max_model_len>\d+)\) is greater than the derived max_model_len \((?P<derived>[^)]*)\)?`)},
	{"out_of_memory", []string{"out of memory", "torch.OutOfMemoryError"}, regexp.MustCompile(`(?:CUDA|HIP) out of memory(?:\. Tried to allocate (?P<asked>[\d.]+ \wiB))?|torch\.OutOfMemoryError`)},
	{"port_in_use", []string{"ddress already in use"}, regexp.MustCompile(`[Aa]ddress already in use`)},
}

// addCause says why something failed, where its text does.
func addCause(text string, facts map[string]string) {
	for _, c := range causes {
		if !slices.ContainsFunc(c.words, func(word string) bool { return strings.Contains(text, word) }) {
			continue
		}
		m := c.form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		facts["cause"] = c.name
		for i, name := range c.form.SubexpNames() {
			if name != "" && m[i] != "" {
				facts[name] = m[i]
			}
		}
		return
	}
}

// notices are words of INFO lines that qualify what a server measured, though
// vLLM says them in passing. What they mean is for others to judge.
var notices = wordset.New(
	"You are running Marlin kernel", "Marlin kernel can achieve better", "DeepGEMM is", "DeepGemm",
	"falling back to", "Falling back to", "Transformers backend", "Transformers modeling backend",
	"Cudagraph is disabled", "CUDA graph is not supported", "Forcing enforce", "cudagraph_mode", "Cudagraph mode", "Disabling CUDA Graphs", "disabling cudagraphs",
	"FlashInfer top-p/top-k sampling", "ustom allreduce is disabled", "Custom collectives are disabled", "custom all-reduce kernel",
	"quick allreduce is disabled", "All Reduce is disabled", "lashinfer allreduce", "AllReduce fusion pass is disabled",
	"Detected DP deployment", "Reducing Torch", "leaving Torch threads", "isabling prefix caching", "disabling both.",
	"isabling chunked prefill", "Chunked prefill is not supported", "isabling cascade", "V0 Engine", "V0 LLM engine",
	"prefix caching: disabling", "prefix caching to be disabled", "prefix caching not supported", "overriding cudagraph_mode", "Setting cudagraph_mode", "allreduce workspace unavailable", "Enforce eager set",
	"No available shared memory broadcast block", "Skipping FlashInfer autotune", "No FlashInfer autotune cache", "Aborted request",
	"Simulating MoE routing", "disabling stats logging", "will be disabled", "_ATTN backend to prevent", "forcing ", "Forcing ",
)

// isNotice reports whether an INFO line is kept though it states no fact.
func isNotice(message string) bool { return notices.In(message) }

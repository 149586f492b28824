package preflight

import (
	"regexp"
	"strings"
)

const settingPrefixCaching = "prefix caching"

// rejected is what became of a speculative method with which no server starts.
const rejected = "rejected"

// A comparison says where a setting is asked for, among the server's arguments,
// and where the engine says what it made of it.
type comparison struct {
	name     string
	asked    []string // arguments, by any of their names
	achieved func(s *start) said
	same     func(asked, achieved string) bool
}

// comparisons are the settings in which servers of one command line differ. What
// nobody asked for is left to vLLM, and is no difference.
var comparisons = []comparison{
	{"attention backend", []string{"attention_backend"}, backendOf("attention_backend"), sameBackend},
	{"MoE backend", []string{"moe_backend", "kernel_config.moe_backend"}, backendOf("moe_backend"), sameBackend},
	{"linear backend", []string{"linear_backend", "kernel_config.linear_backend"}, backendOf("linear_backend"), sameKernel},
	{"KV cache dtype", []string{"kv_cache_dtype"}, factOf("engine_config.kv_cache_dtype"), sameDType},
	{"quantization", []string{"quantization"}, factOf("engine_config.quantization"), sameText},
	{settingPrefixCaching, []string{"enable_prefix_caching"}, switchOf("engine_config.enable_prefix_caching"), sameSwitch},
	{"chunked prefill", []string{"enable_chunked_prefill"}, switchOf("engine_config.enable_chunked_prefill"), sameSwitch},
	{"graph mode", []string{"cudagraph_mode", "compilation_config.cudagraph_mode"}, graphMode, sameText},
	{"async scheduling", []string{"async_scheduling"}, switchOf("async_scheduling.state"), sameSwitch},
	{"max model len", []string{"max_model_len"}, factOf("engine_config.max_seq_len"), sameText},
	{"max batched tokens", []string{"max_num_batched_tokens"}, factOf("batching.max_num_batched_tokens"), sameText},
	{"speculative method", []string{"speculative_method"}, speculation, sameText},
	{"reasoning parser", []string{"reasoning_parser"}, factOf("engine_config.structured_outputs_config.reasoning_parser"), sameText},
}

// settings sets what was asked for beside what was achieved.
func (s *start) settings() []Setting {
	var out []Setting
	for _, c := range comparisons {
		set := Setting{Name: c.name, Asked: s.asked(c.asked), Standing: NotKnown}
		achieved := c.achieved(s)
		set.Achieved, set.Line = achieved.value, achieved.line
		if set.Asked == "" && set.Achieved == "" {
			continue
		}
		if set.Asked != "" && set.Achieved != "" {
			set.Standing = Differs
			if c.same(set.Asked, set.Achieved) {
				set.Standing = Same
			}
		}
		out = append(out, set)
	}
	return out
}

// asked returns what the arguments ask for; auto and the like ask for nothing.
func (s *start) asked(names []string) string {
	for _, name := range names {
		if v := s.argument(name); v != "" && v != "auto" && v != "None" {
			return plainSwitch(v)
		}
	}
	return ""
}

// argument returns an argument of the server. Parts of arguments that are objects
// are found inside their text.
func (s *start) argument(name string) string {
	if v, ok := s.known[kindArguments+"."+name]; ok {
		return v.value
	}
	if name == "speculative_method" {
		return inside(s.known[kindArguments+".speculative_config"].value, "method")
	}
	if object, part, ok := strings.Cut(name, "."); ok {
		return inside(s.known[kindArguments+"."+object].value, part)
	}
	return ""
}

// inside finds a value in the text of an object, JSON or Python: "method": "mtp",
// 'method': 'mtp', method='mtp'.
func inside(object, name string) string {
	if !strings.Contains(object, name) {
		return ""
	}
	m := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `['"]?\s*[:=]\s*['"]?(?:<\w+\.)?([\w.-]+)`).FindStringSubmatch(object)
	if m == nil {
		return ""
	}
	return m[1]
}

// backendOf returns what the server chose, which may be several.
func backendOf(kind string) func(*start) said {
	return func(s *start) said {
		all := s.backends[kind]
		if len(all) == 0 {
			return said{}
		}
		names := make([]string, len(all))
		for i, b := range all {
			names[i] = b.value
		}
		return said{strings.Join(names, ", "), all[0].line}
	}
}

func factOf(key string) func(*start) said {
	return func(s *start) said {
		v := s.known[key]
		if v.value == "None" {
			v.value = "none"
		}
		return v
	}
}

// switchOf returns whether something is on.
func switchOf(key string) func(*start) said {
	return func(s *start) said {
		v := s.known[key]
		v.value = plainSwitch(v.value)
		return v
	}
}

func plainSwitch(v string) string {
	switch v {
	case "True", "true", "enabled":
		return "on"
	case "False", "false", "disabled":
		return "off"
	}
	return v
}

// graphMode is what CUDA graphs cover in the end: the engine's configuration, unless
// a later line takes some of it back.
func graphMode(s *start) said {
	if v, ok := s.known["cudagraph_mode.mode"]; ok {
		return v
	}
	if eager := s.known["engine_config.enforce_eager"]; eager.value == "True" {
		return said{"NONE", eager.line}
	}
	v := s.known["engine_config.compilation_config.cudagraph_mode"]
	if _, mode, ok := strings.Cut(v.value, "CUDAGraphMode."); ok {
		mode, _, _ = strings.Cut(mode, ":")
		v.value = strings.TrimSuffix(mode, ">")
	}
	return v
}

// speculation is the method that the engine runs, or none.
func speculation(s *start) said {
	if v, ok := s.known["engine_config.speculative_config.method"]; ok {
		return v
	}
	if s.cause == "spec_rejected" {
		return said{rejected, s.exception.line}
	}
	return factOf("engine_config.speculative_config")(s)
}

func sameText(asked, achieved string) bool { return strings.EqualFold(asked, achieved) }

func sameSwitch(asked, achieved string) bool { return asked == achieved }

// sameDType knows that fp8 is fp8_e4m3.
func sameDType(asked, achieved string) bool {
	return sameText(asked, achieved) || strings.EqualFold(asked+"_e4m3", achieved) || strings.EqualFold(asked, achieved+"_e4m3")
}

// sameBackend compares the names of backends, which vLLM writes in several ways:
// cutlass is VLLM_CUTLASS, FLASH_ATTN is Flash Attention. Where a server chose
// several, one that was asked for has to be among them.
func sameBackend(asked, achieved string) bool {
	for one := range strings.SplitSeq(achieved, ", ") {
		if a, b := backendName(asked), backendName(one); a == b || "vllm"+a == b {
			return true
		}
	}
	return false
}

var backendWords = strings.NewReplacer("_", "", "-", "", " ", "", "attention", "attn", "attentionbackend", "attn")

func backendName(name string) string { return backendWords.Replace(strings.ToLower(name)) }

// sameKernel finds the backend in the name of a kernel: CutlassFP8ScaledMMLinearKernel.
func sameKernel(asked, achieved string) bool {
	return strings.Contains(backendName(achieved), backendName(asked))
}

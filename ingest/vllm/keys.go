package vllm

import (
	"regexp"
	"strings"
)

// identityKeys fill fields of [schemas.Run] and are kept nowhere else.
var identityKeys = keySet(`date endpoint_type backend label model_id tokenizer_id num_prompts request_rate burstiness max_concurrency ramp_up_strategy`)

// summaryKeys are what the tools themselves found, and settings of old versions
// that no field has room for. Other such keys are told by their form.
var summaryKeys = keySet(`
	duration completed failed total_input_tokens total_output_tokens
	request_throughput request_goodput output_throughput total_token_throughput
	max_output_tokens_per_s max_concurrent_requests rtfx rps_change_events ramp_up_start_rps ramp_up_end_rps
	request_goodput: input_throughput request_inthroughput best_of use_beam_search version
	max_model_len steady_state failed_requests total_input_sequences input_sequence_throughput
	mode num_conversations per_turn_metrics turns_per_conversation multi_turn_concurrency inter_turn_delay_ms
	prefix_global_ratio prefix_conversation_ratio prefix_unique_ratio no_history_accumulation
	conversations_completed conversations_failed avg_turns_completed avg_conversation_duration_ms
	mm_processor_stats encoder_summary percentiles_e2el_ms
	correct_rate(%) ttft_description tpot_description
	avg_latency percentiles
	elapsed_time num_requests total_num_tokens requests_per_second tokens_per_second`)

var (
	summaryPrefixes = []string{"spec_decode_", "diffusion_", "probe_"}
	statistic       = regexp.MustCompile(`^(mean|median|std|p\d+(\.\d+)?)_.+_ms$`)
	startup         = regexp.MustCompile(`^(avg_(cold|warm)_.+_time|(cold|warm)_.+_(times|percentiles))$`)
)

func isSummary(key string) bool {
	if summaryKeys[key] || statistic.MatchString(key) || startup.MatchString(key) {
		return true
	}
	for _, prefix := range summaryPrefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// isText reports whether the value of key is prompts or answers, which are
// dropped.
func isText(key string) bool { return key == "generated_texts" || key == keyOutputs }

const keyOutputs = "outputs"

func keySet(list string) map[string]bool {
	set := map[string]bool{}
	for _, key := range strings.Fields(list) {
		set[key] = true
	}
	return set
}

// flatten adds a value of the summary to reported: an object as its members,
// joined to the key by dots.
func flatten(reported map[string]string, key string, text []byte) {
	if len(text) == 0 || text[0] != '{' {
		reported[key] = string(text)
		return
	}
	for name, value := range members(text) {
		flatten(reported, key+"."+name, value)
	}
}

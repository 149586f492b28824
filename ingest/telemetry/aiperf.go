package telemetry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// aiperf reads what AIPerf observes beside a benchmark: server_metrics_export.jsonl,
// a scrape of /metrics a line, and gpu_telemetry_export.jsonl, a GPU at one moment
// a line.
//
//	{"endpoint_url":"…/metrics","timestamp_ns":1795413437853688262,"metrics":{
//	  "vllm:prompt_tokens":[{"labels":{"engine":"0"},"value":64.0}],
//	  "vllm:time_to_first_token_seconds":[{"labels":{…},"buckets":{"0.05":2.0,"+Inf":2.0},"sum":0.06,"count":2.0}]}}
//	{"timestamp_ns":…,"telemetry_source_url":"…","gpu_index":0,"telemetry_data":{"nvidia_power_usage":312.4,…}}
//
// AIPerf takes _total off the names of counters, and does not say which they are.
// Those of vLLM get it back, so that they are called as in a scrape. Several servers,
// or machines, are in one file: endpoint_url tells them apart.
type aiperf struct{}

// endpointLabel says where a sample was fetched.
const endpointLabel = "endpoint_url"

// An aiperfLine is a line of either file.
type aiperfLine struct {
	Endpoint    string                     `json:"endpoint_url"`
	Source      string                     `json:"telemetry_source_url"`
	DCGM        string                     `json:"dcgm_url"` // before 0.12
	TimestampNS *int64                     `json:"timestamp_ns"`
	Metrics     map[string][]aiperfSeries  `json:"metrics"`
	GPUIndex    *int64                     `json:"gpu_index"`
	GPUModel    string                     `json:"gpu_model_name"`
	Hostname    string                     `json:"hostname"`
	Telemetry   map[string]json.RawMessage `json:"telemetry_data"`
}

type aiperfSeries struct {
	Labels  map[string]string      `json:"labels"`
	Value   json.Number            `json:"value"`
	Buckets map[string]json.Number `json:"buckets"`
	Sum     json.Number            `json:"sum"`
	Count   json.Number            `json:"count"`
}

// isAIPerf reports whether a line is one of AIPerf's. The head of an upload may
// cut the line short.
func isAIPerf(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("{")) || !bytes.Contains(line, []byte(`"timestamp_ns":`)) {
		return false
	}
	return bytes.Contains(line, []byte(`"endpoint_url":`)) && bytes.Contains(line, []byte(`"metrics":{`)) ||
		bytes.Contains(line, []byte(`"telemetry_data":{`)) && bytes.Contains(line, []byte(`"gpu_`))
}

func (aiperf) line(r *Reader, text string) {
	var l aiperfLine
	if err := jsonscan.Decode([]byte(text), &l); err != nil {
		at := r.at
		var fault *jsonscan.SyntaxError
		if errors.As(err, &fault) {
			at.Offset += fault.Offset
			err = errors.New(fault.Msg)
		}
		r.push(&schemas.Reject{At: at, Reason: "no line of AIPerf's telemetry: " + err.Error()})
		return
	}
	s := schemas.Sample{Source: "prometheus"}
	if l.TimestampNS != nil && *l.TimestampNS < 0 {
		r.reject("timestamp_ns: found a time before 1970")
		return
	}
	if l.TimestampNS != nil {
		s.Time, s.Zone = schemas.Some(time.Unix(0, *l.TimestampNS).UTC()), true
	}
	switch {
	case l.Telemetry != nil:
		l.gpu(r, s)
	case l.Metrics != nil:
		l.scrape(r, s)
	default:
		r.reject("neither metrics nor telemetry_data: %s", quoted(text))
	}
}

const noName = "a metric without a name"

// scrape hands on the samples of a scrape, by name, in the order of its series.
func (l *aiperfLine) scrape(r *Reader, s schemas.Sample) {
	n := 0
	for _, name := range slices.Sorted(maps.Keys(l.Metrics)) {
		if name == "" {
			r.reject(noName)
			continue
		}
		for _, series := range l.Metrics[name] {
			n += max(1, len(series.Buckets)+2)
			if n > maxSamples {
				r.reject("more than %d samples in a scrape: the rest is left out", maxSamples)
				return
			}
			series.hand(r, s, name, l.Endpoint)
		}
	}
}

// hand hands on the samples of a series: a value, or a histogram's.
func (a *aiperfSeries) hand(r *Reader, s schemas.Sample, name, endpoint string) {
	var own seriesLabels
	if endpoint != "" {
		own.set(endpointLabel, endpoint)
	}
	for _, label := range slices.Sorted(maps.Keys(a.Labels)) {
		own.set(label, a.Labels[label])
	}
	s.Device, s.Labels = own.device, own.labels
	if a.Buckets == nil && a.Sum == "" {
		if vllmCounters[strings.TrimPrefix(name, "vllm:")] {
			name += "_total"
		}
		a.figure(r, s, name, a.Value)
		return
	}
	for _, le := range slices.Sorted(maps.Keys(a.Buckets)) {
		bound := s
		bound.Labels = maps.Clone(s.Labels)
		if bound.Labels == nil {
			bound.Labels = map[string]string{}
		}
		bound.Labels["le"] = le
		a.figure(r, bound, name+"_bucket", a.Buckets[le])
	}
	a.figure(r, s, name+"_sum", a.Sum)
	a.figure(r, s, name+"_count", a.Count)
}

func (*aiperfSeries) figure(r *Reader, s schemas.Sample, name string, figure json.Number) {
	m := unitOf(name)
	v, ok := m.value(string(figure))
	if !ok {
		r.reject("%s of %s is no figure", quoted(string(figure)), name)
		return
	}
	s.Name, s.Value, s.Unit = name, v, m.in()
	r.sample(s)
}

// gpu hands on what is said of a GPU.
func (l *aiperfLine) gpu(r *Reader, s schemas.Sample) {
	s.Source = "dcgm"
	if l.GPUIndex != nil {
		s.Device = schemas.Some("gpu " + strconv.FormatInt(*l.GPUIndex, 10))
	}
	for label, value := range map[string]string{"gpu_model_name": l.GPUModel, "hostname": l.Hostname, endpointLabel: cmp.Or(l.Source, l.DCGM)} {
		if value != "" {
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels[label] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Telemetry)) {
		if name == "" {
			r.reject(noName)
			continue
		}
		m := aiperfUnits[strings.TrimPrefix(strings.TrimPrefix(name, "nvidia_"), "amd_")]
		figure := string(l.Telemetry[name])
		if figure == "null" {
			figure = ""
		}
		v, ok := m.value(figure)
		if !ok {
			r.reject("%s of %s is no figure", quoted(figure), name)
			continue
		}
		s.Name, s.Value, s.Unit = name, v, m.in()
		r.sample(s)
	}
}

// aiperfUnits are the units of telemetry_data, with and without the vendor's name
// in front, as the comments of AIPerf's TelemetryMetrics give them.
var aiperfUnits = map[string]measure{
	"power_usage": measures["W"], "gpu_power_usage": measures["W"], "power": measures["W"],
	"energy_consumption": {unit: "J", power: "e6"},
	"gpu_utilization":    measures["%"], "memory_utilization": measures["%"], "mem_utilization": measures["%"], "sm_utilization": measures["%"],
	"decoder_utilization": measures["%"], "encoder_utilization": measures["%"], "jpg_utilization": measures["%"],
	"gfx_activity": measures["%"], "umc_activity": measures["%"], "mm_activity": measures["%"],
	"memory_used": {unit: "B", power: "e9"}, "gpu_memory_used": {unit: "B", power: "e9"},
	"temperature": measures["C"], "gpu_temperature": measures["C"],
	"power_violation": measures["us"],
}

// vllmCounters are the counters of vLLM's /metrics, without vllm: and _total.
var vllmCounters = map[string]bool{
	"prompt_tokens": true, "generation_tokens": true, "request_success": true, "num_preemptions": true, "corrupted_requests": true,
	"prefix_cache_queries": true, "prefix_cache_hits": true, "gpu_prefix_cache_queries": true, "gpu_prefix_cache_hits": true,
	"external_prefix_cache_queries": true, "external_prefix_cache_hits": true, "mm_cache_queries": true, "mm_cache_hits": true,
	"spec_decode_num_drafts": true, "spec_decode_num_draft_tokens": true, "spec_decode_num_accepted_tokens": true,
	"spec_decode_num_accepted_tokens_per_pos": true, "spec_decode_num_emitted_tokens": true, "prompt_tokens_cached": true,
	"prompt_tokens_recomputed": true, "prompt_tokens_by_source": true,
}

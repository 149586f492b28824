package telemetry

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// prometheus reads scrapes in Prometheus' text format: vLLM's /metrics, that of
// dcgm-exporter, and any other.
//
//	# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
//	# TYPE vllm:time_to_first_token_seconds histogram
//	vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 0.0
//	…
//	vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 664.0
//	vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 88.24499082565308
//
// A file may hold several scrapes behind each other. A scrape says nothing of its
// time, so those who save several put a line with a time between them, as a
// comment or bare: it holds for what follows. A line may have a time of its own.
// Else samples have none, and their order is that of their lines.
//
// The labels engine and gpu become the device. The unit is known by the name, for
// Prometheus' names end in it, and for the counters of DCGM from a table.
type prometheus struct {
	when   moment
	series map[string]*seriesLabels // by the text of the labels, to be shared
	units  map[string]measure       // of names that were met
}

// seriesLabels are the labels of a series, and the device that one of them names.
type seriesLabels struct {
	device schemas.Opt[string]
	labels map[string]string
}

func (p *prometheus) line(r *Reader, text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	if !isName(text[:1]) {
		p.between(r, text)
		return
	}
	name, labels, value, ok := cutSample(text)
	if !ok || labels == "" && stampNames[name] {
		if !p.stamp(text) {
			r.reject("no line of a scrape: %s", quoted(text))
		}
		return
	}
	series, ok := p.labelsOf(labels)
	if !ok {
		r.reject("the labels of %s are malformed: %s", name, quoted(labels))
		return
	}
	p.sample(r, name, series, value)
}

// isName reports whether text could be the name of a metric.
func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		if letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':'; !letter && (i == 0 || c < '0' || '9' < c) {
			return false
		}
	}
	return text != ""
}

// stampNames are words with which those who save scrapes announce a time, in a
// line that could be a sample: timestamp 1784415163.73
var stampNames = map[string]bool{"timestamp": true, "time": true, "scrape": true, "scrape_time": true, "date": true}

// between takes in a line between scrapes: a comment, or a time.
func (p *prometheus) between(r *Reader, text string) {
	if text[0] == '#' {
		for _, word := range [...]string{"# HELP ", "# TYPE ", "# UNIT "} {
			if strings.HasPrefix(text, word) {
				return
			}
		}
		p.stamp(text)
		return
	}
	if !p.stamp(text) {
		r.reject("no line of a scrape: %s", quoted(text))
	}
}

// stamp looks for a time in a line between scrapes: "# 2026-05-14T10:35:46Z",
// "=== 1784415163.73 ===", "# scrape at Thu Aug 21 09:45:49 UTC 2026".
func (p *prometheus) stamp(text string) bool {
	words := strings.FieldsFunc(strings.Trim(text, "#=-*/;<> \t"), func(c rune) bool { return c == ' ' || c == '=' || c == '[' || c == ']' || c == '\t' })
	if len(words) > 16 {
		return false
	}
	for n := 6; n > 0; n-- {
		for i := 0; i+n <= len(words); i++ {
			if m, ok := momentOf(strings.Trim(strings.Join(words[i:i+n], " "), ",:;()\"'")); ok {
				p.when = m
				return true
			}
		}
	}
	return false
}

// cutSample cuts up name{labels} value [time].
func cutSample(text string) (name, labels, value string, ok bool) {
	end := strings.IndexAny(text, "{ \t")
	if end < 0 {
		return "", "", "", false
	}
	name, rest := text[:end], text[end:]
	if !isName(name) {
		return "", "", "", false
	}
	if rest[0] == '{' {
		n := labelsLength(rest)
		if n < 0 {
			return "", "", "", false
		}
		labels, rest = rest[1:n-1], rest[n:]
	}
	value = strings.TrimSpace(rest)
	if value == "" || '0' <= value[0] && value[0] <= '9' {
		return name, labels, value, value != ""
	}
	first, _, _ := strings.Cut(value, " ")
	_, ok = measure{}.value(first)
	return name, labels, value, ok
}

// labelsLength returns the length of the labels in braces that text begins with,
// or -1 where they do not end.
func labelsLength(text string) int {
	quoted := false
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '}':
			if !quoted {
				return i + 1
			}
		}
	}
	return -1
}

// labelsOf parses labels: le="0.001",model_name="m".
func (p *prometheus) labelsOf(text string) (*seriesLabels, bool) {
	if s, ok := p.series[text]; ok {
		return s, true
	}
	s := &seriesLabels{}
	for rest := text; ; {
		rest = strings.TrimLeft(rest, ", ")
		if rest == "" {
			break
		}
		name, behind, ok := strings.Cut(rest, `="`)
		end := closingQuote(behind)
		if !ok || end < 0 || strings.ContainsAny(name, ` ",{}`) {
			return nil, false
		}
		s.set(name, unescape(behind[:end]))
		rest = behind[end+1:]
	}
	if p.series == nil || len(p.series) >= maxLabelSets {
		p.series = map[string]*seriesLabels{}
	}
	p.series[strings.Clone(text)] = s
	return s, true
}

func (s *seriesLabels) set(name, value string) {
	if name == "engine" || name == "gpu" {
		s.device = schemas.Some(name + " " + value)
		return
	}
	if s.labels == nil {
		s.labels = map[string]string{}
	}
	s.labels[strings.Clone(name)] = strings.Clone(value)
}

// closingQuote returns where the quoted text ends that text begins with, or -1.
func closingQuote(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

var escapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return escapes.Replace(text)
}

// sample hands on a sample: its value, and the time behind it, if there is one.
func (p *prometheus) sample(r *Reader, name string, series *seriesLabels, value string) {
	value, _, _ = strings.Cut(value, " # ") // behind it OpenMetrics gives an example
	figure, at, _ := strings.Cut(strings.TrimSpace(value), " ")
	when := p.when
	if at = strings.TrimSpace(at); at != "" {
		own, ok := sampleTime(at)
		if !ok {
			r.reject("%s behind the value of %s is no time", quoted(at), name)
			return
		}
		when = own
	}
	m := p.unitOf(name)
	v, ok := m.value(figure)
	if !ok {
		r.reject("%s of %s is no figure", quoted(figure), name)
		return
	}
	labels := series.labels
	if strings.HasSuffix(name, "_milliseconds_bucket") {
		labels = boundInSeconds(labels)
	}
	s := schemas.Sample{Time: when.time, Zone: when.zone, Source: "prometheus", Name: name, Device: series.device, Labels: labels, Value: v, Unit: m.in()}
	if strings.HasPrefix(name, "DCGM_") {
		s.Source = "dcgm"
	}
	r.sample(s)
}

// unitOf remembers the units of names.
func (p *prometheus) unitOf(name string) measure {
	m, ok := p.units[name]
	if !ok {
		if p.units == nil || len(p.units) >= maxLabelSets {
			p.units = map[string]measure{}
		}
		m = unitOf(name)
		p.units[strings.Clone(name)] = m
	}
	return m
}

// boundInSeconds puts the bound of a bucket into the unit of the sum beside it.
func boundInSeconds(labels map[string]string) map[string]string {
	bound, ok := measures["ms"].value(labels["le"])
	if !ok || !bound.OK {
		return labels
	}
	labels = maps.Clone(labels)
	labels["le"] = strconv.FormatFloat(bound.V, 'g', -1, 64)
	return labels
}

// sampleTime reads a time behind a value: milliseconds since 1970, or in
// OpenMetrics seconds.
func sampleTime(text string) (moment, bool) {
	if t, ok := parseEpoch(text); ok {
		return moment{schemas.Some(t), true}, true
	}
	millis, err := strconv.ParseInt(text, 10, 64)
	if err != nil || millis < 0 || millis > 1e13 {
		return moment{}, false
	}
	return moment{schemas.Some(time.UnixMilli(millis).UTC()), true}, true
}

// dcgmUnits are the units of DCGM's counters, by what stands behind DCGM_FI_. Of
// a name that ends in _ all that begin with it are meant.
var dcgmUnits = map[string]measure{
	"DEV_POWER_USAGE": measures["W"], "DEV_POWER_USAGE_INSTANT": measures["W"], "DEV_POWER_MGMT_LIMIT": measures["W"],
	"DEV_TOTAL_ENERGY_CONSUMPTION": measures["mJ"],
	"DEV_GPU_TEMP":                 measures["C"], "DEV_MEMORY_TEMP": measures["C"],
	"DEV_SM_CLOCK": measures["MHz"], "DEV_MEM_CLOCK": measures["MHz"],
	"DEV_GPU_UTIL": measures["%"], "DEV_MEM_COPY_UTIL": measures["%"], "DEV_ENC_UTIL": measures["%"], "DEV_DEC_UTIL": measures["%"],
	"DEV_FB_FREE": measures["MiB"], "DEV_FB_USED": measures["MiB"], "DEV_FB_TOTAL": measures["MiB"], "DEV_FB_RESERVED": measures["MiB"],
	"PROF_GR_ENGINE_ACTIVE": {unit: "1"}, "PROF_SM_ACTIVE": {unit: "1"}, "PROF_SM_OCCUPANCY": {unit: "1"}, "PROF_DRAM_ACTIVE": {unit: "1"},
	"PROF_PIPE_TENSOR_ACTIVE": {unit: "1"}, "PROF_PIPE_FP64_ACTIVE": {unit: "1"}, "PROF_PIPE_FP32_ACTIVE": {unit: "1"}, "PROF_PIPE_FP16_ACTIVE": {unit: "1"},
}

// nameUnits are the units that names end in, the longest first. A count of
// observations and a bucket have none.
var nameUnits = []struct {
	suffix string
	in     measure
}{
	{"_milliseconds", measures["ms"]}, {"_seconds", measures["s"]}, {"_bytes", measures["B"]}, {"_joules", measures["J"]}, {"_watts", measures["W"]},
	{"_celsius", measures["C"]}, {"_hertz", measures["Hz"]}, {"_ratio", measure{unit: "1"}}, {"_perc", measure{unit: "1"}},
	{"_toks_per_s", measure{unit: "tokens/s"}}, {"_tokens", measure{unit: "tokens"}},
	{"_created", measures["s"]},
}

// unitOf returns the unit of a metric by its name.
func unitOf(name string) measure {
	if counter, ok := strings.CutPrefix(name, "DCGM_FI_"); ok {
		return dcgmUnits[counter]
	}
	if strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_bucket") {
		return measure{}
	}
	base := strings.TrimSuffix(name, "_sum")
	base = strings.TrimSuffix(base, "_total")
	for _, u := range nameUnits {
		if strings.HasSuffix(base, u.suffix) {
			return u.in
		}
	}
	return measure{}
}

package telemetry

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/servestat/servestat/ingest/parquetscan"
)

// The formats that Detect tells apart.
const (
	FormatTegrastats = "tegrastats"
	FormatSMI        = "nvidia-smi csv"
	FormatDmon       = "dmon" // of dcgmi or of nvidia-smi, and its pmon
	FormatPrometheus = "prometheus text"
	FormatPowertrace = "powertrace csv"
	FormatAIPerf     = "aiperf telemetry jsonl"
	// FormatParquet may be AIPerf's server metrics. The beginning of a Parquet file
	// does not say what it holds: see [CheckTable]. Its reader is [TableReader].
	FormatParquet = "parquet"
)

// formats make the readers of each format.
var formats = map[string]func() format{
	FormatTegrastats: func() format { return &tegrastats{} },
	FormatSMI:        func() format { return &smi{} },
	FormatDmon:       func() format { return &dmon{} },
	FormatPrometheus: func() format { return &prometheus{} },
	FormatPowertrace: func() format { return &powertrace{} },
	FormatAIPerf:     func() format { return aiperf{} },
}

// detectors tell by a line whether it is of a format, in the order in which they
// are asked.
var detectors = []struct {
	format string
	is     func(line string) bool
}{
	{FormatTegrastats, isTegrastats},
	{FormatDmon, isDmon},
	{FormatPowertrace, isPowertrace},
	{FormatSMI, isSMI},
	{FormatPrometheus, isPrometheus},
}

// detectLines is how many lines are asked for their format. Some programs say
// something before they begin.
const detectLines = 50

// Detect reports which format of this package begins with head, by its content.
// 64 KiB of head are enough.
func Detect(head []byte) (format string, ok bool) {
	if parquetscan.Is(head) {
		return FormatParquet, true
	}
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	if first, _, _ := bytes.Cut(head, []byte("\n")); isAIPerf(first) {
		return FormatAIPerf, true
	}
	if begin := bytes.TrimLeft(head, " \t\r\n"); len(begin) == 0 || begin[0] == '{' || begin[0] == '[' && !isStamped(begin) {
		return "", false
	}
	for n := 0; n < detectLines && len(head) > 0; n++ {
		var text []byte
		text, head, _ = bytes.Cut(head, []byte("\n"))
		line := strings.TrimRight(string(text[:min(len(text), 4096)]), "\r")
		for _, d := range detectors {
			if line != "" && d.is(line) {
				return d.format, true
			}
		}
	}
	return "", false
}

// isStamped reports whether a text that begins with a bracket is a line with a
// time in brackets, or nvidia-smi's [N/A], and not JSON.
func isStamped(text []byte) bool {
	inner, _, ok := strings.Cut(string(text[1:min(len(text), 40)]), "]")
	if !ok {
		return false
	}
	_, _, isTime := parseTime(inner)
	return isTime || isAbsent(inner) && strings.Contains(inner, "/")
}

// memory is what every line of tegrastats says, of all versions.
var memory = regexp.MustCompile(`(?:^|\s)RAM \d+/\d+[kMG]B `)

func isTegrastats(line string) bool { return memory.MatchString(line + " ") }

func isDmon(line string) bool {
	_, line = cutStamp(line)
	fields := strings.Fields(strings.TrimPrefix(line, "#"))
	if len(fields) < 2 || line[0] != '#' {
		return false
	}
	switch fields[0] {
	case "Entity":
		return true
	case "Date", "Time", "gpu", "GPU":
		return slices.Contains(fields, "gpu") && slices.ContainsFunc(fields, func(name string) bool { return name == "pid" || dmonUnits[name] != "" })
	}
	return false
}

// engineColumns are columns of which a file of engine counters has one.
var engineColumns = []string{"num_requests_running", "generation_tokens_total", "gpu_cache_usage_perc", "kv_cache_usage_perc"}

func isPowertrace(line string) bool {
	columns := splitCSV(line)
	if len(columns) < 2 || columns[0] != "timestamp" {
		return false
	}
	for _, column := range columns {
		for _, name := range engineColumns {
			if strings.TrimPrefix(column, "vllm:") == name {
				return true
			}
		}
	}
	return false
}

var (
	// queried finds what nvidia-smi can be asked for, in a line of column names.
	queried = regexp.MustCompile(`^(?:(?:power|utilization|memory|clocks|temperature|fan|pcie|enforced|ecc|encoder|clocks_throttle_reasons|clocks_event_reasons)\.[\w.]+|used_gpu_memory|used_memory)(?: \[\S+\])?$`)
	// smiStamp is nvidia-smi's time.
	smiStamp = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?$`)
	// smiField finds a field that only nvidia-smi prints so.
	smiField = regexp.MustCompile(`^(?:-?[\d.]+ (?:W|MHz|MiB|%)|\[N/A\]|\[Not Supported\]|GPU-[\da-f-]+|(?:NVIDIA|Tesla) .*)$`)
)

// isSMI reports whether a line is of nvidia-smi: names of columns; a row that
// begins with its time; or a row of which most fields are nvidia-smi's.
func isSMI(line string) bool {
	fields := splitCSV(line)
	if len(fields) < 2 {
		return false
	}
	if smiStamp.MatchString(fields[0]) || isSMIHeader(fields) {
		return true
	}
	known := 0
	for _, field := range fields {
		if smiField.MatchString(field) {
			known++
		}
	}
	return 2*known > len(fields)
}

// isSMIHeader reports whether fields are names of columns.
func isSMIHeader(fields []string) bool {
	for _, field := range fields {
		if queried.MatchString(field) {
			return true
		}
	}
	return false
}

// exposed is a line of a scrape.
var exposed = regexp.MustCompile(`^(?:# (?:HELP|TYPE|UNIT) [a-zA-Z_:][\w:]*(?: |$)|(?:vllm:|DCGM_)\w+(?:\{.*\})? [^ ]+|[a-zA-Z_:][\w:]*\{[a-zA-Z_]\w*=".*"[,}].* [-+.\deENaIif]+(?: -?\d+)?$)`)

func isPrometheus(line string) bool { return exposed.MatchString(line) }

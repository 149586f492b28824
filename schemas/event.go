package schemas

import "time"

// A LogEvent is one line of a server's log that matters: every warning and
// error, and every line that states a fact which servestat knows how to read.
type LogEvent struct {
	At   Pos
	Line int64 // in the log, from 1
	// Time is the log's own wall clock, without a zone; a year that the log does
	// not print is taken from its surroundings or missing with the rest.
	Time Opt[time.Time]
	// UTC is the same moment as an instant, where a container runtime printed it
	// with its zone in front of the line.
	UTC     Opt[time.Time]
	Process Opt[string] // APIServer, EngineCore_0, Worker_TP0, …
	PID     Opt[int64]
	Level   Opt[string] // DEBUG, INFO, WARNING, ERROR, CRITICAL
	Source  Opt[string] // file and line of the code that logged it: core.py:97
	Message string      // without prefix and ANSI colours, capped; a traceback is one event
	// Kind names what the line states (version, engine_args, kv_cache, engine_stats,
	// spec_decode, graph_capture, …); missing for a line that is only kept.
	Kind  Opt[string]
	Facts map[string]string // what was read from it; secrets are redacted
}

// Pos reports where the line begins.
func (e *LogEvent) Pos() Pos { return e.At }

// A Sample is one value of a telemetry stream at one moment.
type Sample struct {
	At     Pos
	Line   int64 // in the upload, from 1
	Time   Opt[time.Time]
	Zone   bool              // Time is an instant: the stream said its zone, and Time is in UTC
	Source string            // tegrastats, nvidia-smi, dcgm, prometheus, powertrace, server_log, …
	Name   string            // as the source calls it: VDD_GPU, power.draw, vllm:num_requests_running
	Device Opt[string]       // which GPU, rail or engine
	Labels map[string]string // what else tells series apart, e.g. le of a histogram bucket
	Value  Opt[float64]      // missing where the source printed that it has none ([N/A], -, nan)
	Unit   Opt[string]       // W, J, B, Hz, C, %, s, tokens, … converted to base units; missing where the source says none
}

// Pos reports where the sample's line begins.
func (s *Sample) Pos() Pos { return s.At }

// A LogEventRow is an event with the log that it stands in.
type LogEventRow struct {
	UploadSHA256 string
	SourceName   string
	ServerStart  Opt[string]       // that the log is of, where known
	Server       map[string]string // what else was said of the server, by columns of runs and free labels
	*LogEvent
}

// LogEventsTable has one row per line of a server log that matters.
var LogEventsTable = newTable(
	TableInfo{
		Name: "log_events", RowPer: "line of a server log that matters",
		Doc:      "Warnings, errors and stated facts of server logs, in order. Times are the log's own wall clock.",
		Constant: []string{"upload_sha256"},
	},
	field[LogEventRow]{Column{1, "upload_sha256", String, "", "digest of the log", true}, func(r *LogEventRow) any { return r.UploadSHA256 }},
	field[LogEventRow]{Column{2, "source_name", String, "", "the log's name as it was given", true}, func(r *LogEventRow) any { return r.SourceName }},
	field[LogEventRow]{Column{3, "server_start", String, "", "server start that the log is of; joins with runs.server_start", false}, func(r *LogEventRow) any { return r.ServerStart.any() }},
	field[LogEventRow]{Column{4, "line", Int64, "", "line number in the log, from 1", true}, func(r *LogEventRow) any { return r.Line }},
	field[LogEventRow]{Column{5, "at_time", Timestamp, "", "wall clock of the server, zone unknown", false}, func(r *LogEventRow) any { return r.Time.any() }},
	field[LogEventRow]{Column{6, "process", String, "", "process that logged it", false}, func(r *LogEventRow) any { return r.Process.any() }},
	field[LogEventRow]{Column{7, "pid", Int64, "", "its process id", false}, func(r *LogEventRow) any { return r.PID.any() }},
	field[LogEventRow]{Column{8, "level", String, "", "DEBUG, INFO, WARNING, ERROR or CRITICAL", false}, func(r *LogEventRow) any { return r.Level.any() }},
	field[LogEventRow]{Column{9, "code", String, "", "file and line of the code that logged it", false}, func(r *LogEventRow) any { return r.Source.any() }},
	field[LogEventRow]{Column{10, "message", String, "", "text without prefix and colours, at most 4,000 bytes", true}, func(r *LogEventRow) any { return r.Message }},
	field[LogEventRow]{Column{11, "kind", String, "", "what the line states: version, engine_args, kv_cache, engine_stats, …", false}, func(r *LogEventRow) any { return r.Kind.any() }},
	field[LogEventRow]{Column{12, "facts", String, "", "what was read from it, a JSON object; secrets are redacted", false}, func(r *LogEventRow) any { return jsonMap(r.Facts) }},
	field[LogEventRow]{Column{13, "at_utc", Timestamp, "", "the same moment in UTC, where a container runtime printed it with its zone; NULL where the zone is unknown", false}, func(r *LogEventRow) any { return r.UTC.any() }},
	field[LogEventRow]{Column{14, "server", String, "", "what else was said of the server, as columns of runs and free labels: a JSON object", false}, func(r *LogEventRow) any { return jsonMap(r.Server) }},
)

// A SampleRow is a sample with the upload that it came in.
type SampleRow struct {
	UploadSHA256 string
	SourceName   string
	ServerStart  Opt[string]
	*Sample
}

// SamplesTable has one row per telemetry value.
var SamplesTable = newTable(
	TableInfo{
		Name: "samples", RowPer: "telemetry value",
		Doc:      "Power, memory, clocks and engine counters over time, as their sources print them, in base units.",
		Constant: []string{"upload_sha256"},
	},
	field[SampleRow]{Column{1, "upload_sha256", String, "", "digest of the upload", true}, func(r *SampleRow) any { return r.UploadSHA256 }},
	field[SampleRow]{Column{2, "source_name", String, "", "the upload's name as it was given", true}, func(r *SampleRow) any { return r.SourceName }},
	field[SampleRow]{Column{3, "server_start", String, "", "server start that it was measured on, where known", false}, func(r *SampleRow) any { return r.ServerStart.any() }},
	field[SampleRow]{Column{4, "line", Int64, "", "line number in the upload, from 1", true}, func(r *SampleRow) any { return r.Line }},
	field[SampleRow]{Column{5, "at_time", Timestamp, "", "wall clock of the source", false}, func(r *SampleRow) any { return r.Time.any() }},
	field[SampleRow]{Column{6, "zone_known", Bool, "", "the source said its zone, and at_time is UTC", true}, func(r *SampleRow) any { return r.Zone }},
	field[SampleRow]{Column{7, "source", String, "", "tegrastats, nvidia-smi, dcgm, prometheus, powertrace, server_log", true}, func(r *SampleRow) any { return r.Sample.Source }},
	field[SampleRow]{Column{8, "name", String, "", "name of the value, as the source calls it", true}, func(r *SampleRow) any { return r.Name }},
	field[SampleRow]{Column{9, "device", String, "", "GPU, rail or engine", false}, func(r *SampleRow) any { return r.Device.any() }},
	field[SampleRow]{Column{10, "labels", String, "", "what else tells series apart, a JSON object", false}, func(r *SampleRow) any { return jsonMap(r.Labels) }},
	field[SampleRow]{Column{11, "value", Float64, "", "the value; NULL where the source printed that it has none", false}, func(r *SampleRow) any { return r.Value.any() }},
	field[SampleRow]{Column{12, "unit", String, "", "base unit of the value: W, J, B, Hz, C, s, 1, …", false}, func(r *SampleRow) any { return r.Unit.any() }},
)

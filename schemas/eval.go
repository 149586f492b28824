package schemas

import "time"

// An Eval is one answer of a server that was judged, or the total of a suite of
// them.
type Eval struct {
	At    Pos
	Line  int64 // in the upload, from 1; 0: the upload has no lines
	Suite string
	Task  string      // category, task or benchmark inside the suite
	Item  Opt[string] // missing: a total
	Trial Opt[int64]
	// Metric says what Value is: pass, accuracy, schema_accuracy, reward, exact_match,…
	Metric string
	Value  Opt[float64] // of a total, or a score of an item
	Passed Opt[bool]    // missing where nothing was to be judged
	// Class says why an item failed, or did not come to be judged: schema_invalid,
	// unknown_tool, truncated, infrastructure_error, …
	Class  Opt[string]
	Count  Opt[int64] // of a total: items that passed
	Of     Opt[int64] // of a total: items
	StdErr Opt[float64]

	Model       Opt[string]
	Finish      Opt[string] // finish reason
	Streaming   Opt[bool]
	Concurrency Opt[int64] // requests at a time, where the suite ran under load
	Temperature Opt[float64]
	Start       Opt[time.Time]
	Latency     Opt[int64] // ns
	Input       Opt[int64] // tokens
	Output      Opt[int64]
	// Answer is a digest of what was answered, equal where two answers mean the
	// same: names and arguments of calls, without order of keys or white space.
	Answer Opt[string]
	Facts  map[string]string // what must be equal for two results to be comparable, and details
}

// Pos reports where the row's item begins.
func (e *Eval) Pos() Pos { return e.At }

// An EvalRow is an eval with the upload that it came in.
type EvalRow struct {
	UploadSHA256 string
	SourceName   string
	ServerStart  Opt[string]
	Server       map[string]string // what else was said of the server, by columns of runs and free labels
	*Eval
}

// EvalsTable has one row per judged answer, and one per total of a suite.
var EvalsTable = newTable(
	TableInfo{
		Name: "evals", RowPer: "judged answer, or total of a suite",
		Doc:      "Quality of answers: tool calls, structured output, agent and knowledge benchmarks. Rows without an item are totals; where a suite lists failures only, the total says how many passed.",
		Constant: []string{"upload_sha256"},
	},
	field[EvalRow]{Column{1, "upload_sha256", String, "", "digest of the upload", true}, func(r *EvalRow) any { return r.UploadSHA256 }},
	field[EvalRow]{Column{2, "source_name", String, "", "the upload's name as it was given", true}, func(r *EvalRow) any { return r.SourceName }},
	field[EvalRow]{Column{3, "server_start", String, "", "server start that answered; joins with runs.server_start", false}, func(r *EvalRow) any { return r.ServerStart.any() }},
	field[EvalRow]{Column{4, "line", Int64, "", "line in the upload, from 1; 0: it has no lines", true}, func(r *EvalRow) any { return r.Line }},
	field[EvalRow]{Column{5, "suite", String, "", "bfcl, k2_vendor_verifier, tau2, lm_eval, tool_calls", true}, func(r *EvalRow) any { return r.Suite }},
	field[EvalRow]{Column{6, "task", String, "", "category or task inside the suite", true}, func(r *EvalRow) any { return r.Task }},
	field[EvalRow]{Column{7, "item", String, "", "item of the task; NULL: a total", false}, func(r *EvalRow) any { return r.Item.any() }},
	field[EvalRow]{Column{8, "trial", Int64, "", "which repeat of the item, from 0", false}, func(r *EvalRow) any { return r.Trial.any() }},
	field[EvalRow]{Column{9, "metric", String, "", "what value is: pass, accuracy, schema_accuracy, reward, …", true}, func(r *EvalRow) any { return r.Metric }},
	field[EvalRow]{Column{10, "value", Float64, "", "score of the item, or value of the total", false}, func(r *EvalRow) any { return r.Value.any() }},
	field[EvalRow]{Column{11, "passed", Bool, "", "the item passed; NULL where nothing was to be judged", false}, func(r *EvalRow) any { return r.Passed.any() }},
	field[EvalRow]{Column{12, "class", String, "", "why the item failed or was not judged", false}, func(r *EvalRow) any { return r.Class.any() }},
	field[EvalRow]{Column{13, "passed_items", Int64, "items", "of a total: items that passed", false}, func(r *EvalRow) any { return r.Count.any() }},
	field[EvalRow]{Column{14, "items", Int64, "items", "of a total: items", false}, func(r *EvalRow) any { return r.Of.any() }},
	field[EvalRow]{Column{15, "std_err", Float64, "", "of a total: standard error as the suite reports it", false}, func(r *EvalRow) any { return r.StdErr.any() }},
	field[EvalRow]{Column{16, "model", String, "", "model that answered, as the suite names it", false}, func(r *EvalRow) any { return r.Model.any() }},
	field[EvalRow]{Column{17, "finish_reason", String, "", "why the answer ended", false}, func(r *EvalRow) any { return r.Finish.any() }},
	field[EvalRow]{Column{18, "streaming", Bool, "", "the answer was streamed", false}, func(r *EvalRow) any { return r.Streaming.any() }},
	field[EvalRow]{Column{19, "concurrency", Int64, "requests", "requests at a time while the item was answered", false}, func(r *EvalRow) any { return r.Concurrency.any() }},
	field[EvalRow]{Column{20, "temperature", Float64, "1", "sampling temperature", false}, func(r *EvalRow) any { return r.Temperature.any() }},
	field[EvalRow]{Column{21, "started_at", Timestamp, "", "when the item was asked, UTC where the suite says its zone", false}, func(r *EvalRow) any { return r.Start.any() }},
	field[EvalRow]{Column{22, "latency_ns", Int64, "ns", "from question to answer", false}, func(r *EvalRow) any { return r.Latency.any() }},
	field[EvalRow]{Column{23, "input_tokens", Int64, "tokens", "tokens of the question", false}, func(r *EvalRow) any { return r.Input.any() }},
	field[EvalRow]{Column{24, "output_tokens", Int64, "tokens", "tokens of the answer", false}, func(r *EvalRow) any { return r.Output.any() }},
	field[EvalRow]{Column{25, "answer", String, "", "digest of the answer: equal where two mean the same", false}, func(r *EvalRow) any { return r.Answer.any() }},
	field[EvalRow]{Column{26, "facts", String, "", "what must be equal for results to be comparable, and details, a JSON object", false}, func(r *EvalRow) any { return jsonMap(r.Facts) }},
	field[EvalRow]{Column{27, "server", String, "", "what else was said of the server that answered, as columns of runs and free labels: a JSON object", false}, func(r *EvalRow) any { return jsonMap(r.Server) }},
)

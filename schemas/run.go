package schemas

import "time"

// A GapKind says what the gaps of a run lie between.
type GapKind string

// The kinds of gaps.
const (
	NoGaps    GapKind = ""          // the log has per-request times at most
	ChunkGaps GapKind = "chunk"     // between content chunks, as the client saw them
	TokenGaps GapKind = "token"     // between tokens, as the client or the server saw them
	Synthetic GapKind = "synthetic" // made up by the tool, from a longer interval divided evenly: never a measurement
)

// A Run is one execution of one load point.
//
// The producer's file fills what it knows. Identity that it cannot know (which
// server, which hardware) is filled in afterwards, and [Run.Provenance] says
// where each such value came from.
type Run struct {
	At Pos

	// Identity of the record.
	ID            string // see [NewRunID]
	UploadSHA256  string // of the decompressed upload, hex
	ContentDigest string // of the run's values, independent of key order and white space, hex
	SourceName    string // the upload's name as the user knows it
	ParserVersion string

	// The producer.
	Producer string      // "vllm bench serve", "aiperf", "guidellm", …
	Version  Opt[string] // the producer's own version
	Dialect  string      // which of its formats: "script", "cli", "cli+backend", "rust", …
	Bench    string      // serve, latency, throughput
	Backend  Opt[string] // request backend: vllm, openai-chat, …
	Detailed bool        // the upload carries per-request times
	// GapKind says what a gap is, where there are any.
	GapKind GapKind
	// Truncated means that the upload ended before the run did: what came until
	// then is here.
	Truncated bool

	// When. The producer's wall clock has a resolution of 1 s and no zone.
	EndedAt    Opt[time.Time]
	DurationNS Opt[int64]
	Clock      Opt[string] // the clock behind start times: perf_counter, bench_start

	// What was asked.
	Model, Tokenizer Opt[string]
	NumPrompts       Opt[int64]
	RequestRate      Opt[float64] // requests/s; +Inf is legal
	Burstiness       Opt[float64]
	MaxConcurrency   Opt[int64]
	RampUp           Opt[string] // strategy; its rates stay in Reported

	// What the result file cannot say.
	Runtime, RuntimeVersion, RuntimeCommit Opt[string]
	Hardware, Image                        Opt[string]
	ServerStart                            Opt[string]
	Repeat                                 Opt[int64]
	PathLabel                              Opt[string] // generic, tuned, …
	Dataset                                Opt[string]
	Seed                                   Opt[int64]
	Simulated                              Opt[bool]
	EngineArgs                             map[string]string // as recorded, secrets redacted
	Labels                                 map[string]string // free
	Provenance                             map[string]string // column or label -> source

	// What was found.
	Requests, Completed, Failed, Suspect Opt[int64]
	InputTokens, OutputTokens            Opt[int64] // of successful requests
	WorkloadDigest                       Opt[string]

	// Reported is the tool's own summary, key -> JSON text, verbatim. Extra holds
	// keys that we do not know (they may be --metadata), likewise.
	Reported map[string]string
	Extra    map[string]string

	// Notes qualify the whole run: things a reader of its numbers must know.
	Notes []string
}

// Pos reports where the run's object begins.
func (r *Run) Pos() Pos { return r.At }

// StartedAt is EndedAt less the duration: the wall-clock anchor, good to a
// second, in the client's unknown zone. Missing where either is.
func (r *Run) StartedAt() Opt[time.Time] {
	if !r.EndedAt.OK || !r.DurationNS.OK {
		return Opt[time.Time]{}
	}
	return Some(r.EndedAt.V.Add(-time.Duration(r.DurationNS.V)).Truncate(time.Second))
}

package schemas

// Status says how a request ended.
type Status string

// The statuses. Producers that save no success flag are read by the rule that
// their own summary uses, so that our counts equal theirs.
const (
	StatusOK     Status = "ok"     // completed
	StatusFailed Status = "failed" // did not complete; its partial times are kept and never averaged
	// StatusSuspect completed according to the producer, but its record says
	// otherwise: no chunk ever came. Counted as completed where a producer's own
	// number is reproduced, and nowhere else.
	StatusSuspect Status = "suspect"
	// StatusWarmup completed before the measurement began, by the producer's own
	// word. Its times are kept and count in no number.
	StatusWarmup Status = "warmup"
)

// A Request is one request of a run. Lengths are tokens, times nanoseconds.
type Request struct {
	At           Pos
	Index        int        // position in the run, in order of submission, from 0
	Scheduled    Opt[int64] // ns since the run's origin: when the client meant to send it, where it follows a schedule
	Start        Opt[int64] // ns since the run's origin; missing where the log has no start times
	TTFT         Opt[int64] // ns
	FirstAnswer  Opt[int64] // ns from Start to the first chunk of the answer, where reasoning before it is told apart
	E2EL         Opt[int64] // ns, to the last content chunk
	InputTokens  Opt[int64]
	CachedTokens Opt[int64] // prompt tokens that the server took from its prefix cache
	OutputTokens Opt[int64] // as the server counted them, where it said so
	Reasoning    Opt[int64] // of them, tokens of reasoning
	Chunks       Opt[int64] // content chunks received, the first included
	Status       Status
	Session      Opt[string] // conversation that the request is a turn of
	Turn         Opt[int64]  // its number in the conversation, from 0
	ErrorClass   Opt[string] // timeout, connection, http, no_chunk, cancelled, bad_record, other (the log may not say)
	Error        Opt[string] // first line of the producer's message, capped
	FinishReason Opt[string]
	// E2ELMethod says how exact E2EL is: "exact", or "lower_bound" where the
	// producer's clock ran on after the last content chunk, or the request failed
	// on the way.
	E2ELMethod Opt[string]
}

// Pos reports where the request's latest value was read.
func (r *Request) Pos() Pos { return r.At }

// TPOT returns (E2EL - TTFT) / (output tokens - 1) in nanoseconds. It is
// missing for fewer than two output tokens.
func (r *Request) TPOT() Opt[float64] {
	if !r.E2EL.OK || !r.TTFT.OK || !r.OutputTokens.OK || r.OutputTokens.V < 2 {
		return Opt[float64]{}
	}
	return Some(float64(r.E2EL.V-r.TTFT.V) / float64(r.OutputTokens.V-1))
}

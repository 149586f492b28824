package simulate

import "time"

// errNoChunk is what vLLM's client writes for a stream that ended before its
// first token, full stop without a space included.
const errNoChunk = "Never received a valid chunk to calculate TTFT.This response will be marked as failed!"

// A Trace is everything that happened in one run. Times count from when the
// client began.
type Trace struct {
	Requests []Request     // in the order in which they were sent
	Duration time.Duration // to the end of the last request
}

// A Request is one request's life: sent at Start, given a slot at Admitted,
// prefilled at Ready, first token at Start+TTFT, last token at End.
type Request struct {
	Start, Admitted, Ready, End time.Duration
	TTFT                        time.Duration   // 0 for a failed request
	Gaps                        []time.Duration // between tokens; empty for a failed request
	InputTokens, OutputTokens   int             // OutputTokens is 0 for a failed request
	Err                         string          // why it failed; empty for a success
}

// OK reports whether the request succeeded.
func (r *Request) OK() bool { return r.Err == "" }

// E2EL is the end-to-end latency: TTFT plus all gaps.
func (r *Request) E2EL() time.Duration { return r.End - r.Start }

// tokenTimes calls yield with the time of every token of r, from the client's
// beginning.
func (r *Request) tokenTimes(yield func(at time.Duration) bool) {
	if !r.OK() {
		return
	}
	at := r.Start + r.TTFT
	if !yield(at) {
		return
	}
	for _, gap := range r.Gaps {
		at += gap
		if !yield(at) {
			return
		}
	}
}

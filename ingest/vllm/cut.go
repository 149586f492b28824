package vllm

import (
	"fmt"
	"slices"

	"github.com/servestat/servestat/schemas"
)

// A cut says what is left of a run whose text breaks off.
//
// The arrays of a result are columns, so that a cut takes the end of one column
// and all columns behind it. A request is whole where its output length, its
// TTFT and its gaps are: without the first there is no telling whether it
// succeeded, and without the others what it is worth. Start times and messages
// are left out where they were cut, as if the client had not saved them.
type cut struct {
	where string
	// whole is how many requests are. Behind them come requests of which gaps had
	// been handed out before the text broke off: they fail.
	whole int
	of    int // how many requests the run had; -1 where no column says
}

// partial reports whether the counts of the run are not those of the tool.
func (c *cut) partial() bool { return c != nil && c.whole > 0 && c.whole != c.of }

// salvage closes the run with what is whole of it. It returns false where that
// is nothing, and says in either case how far the text was whole.
func (u *run) salvage(r *Reader, reject *schemas.Reject) bool {
	u.forgetUnsure(reject.At.Offset)
	c := &cut{where: r.where(), of: -1}
	for _, key := range columnKeys {
		if n := u.entries(key); u.has(key) && n >= 0 {
			if c.of >= 0 && n != c.of {
				reject.Reason += fmt.Sprintf(", and %s has %d entries, expected %d", key, n, c.of)
				return false
			}
			c.of = n
		}
	}
	if c.whole = u.wholeRequests(); c.of >= 0 {
		c.whole = min(c.whole, c.of)
	}
	if c.whole == 0 && (u.handedOut > 0 || !u.hasSummary()) {
		reject.Reason += "; of no request everything is known, nor the summary. Whole until there: " + keysOf(u.digests)
		return false
	}
	u.cut = c
	u.digests["\x00cut"] = u.openDigest()
	u.trim()
	if u.close(r); u.spoilt {
		return false
	}
	u.record.Truncated = true
	reject.Reason += "; " + u.saved()
	u.noteCut()
	return true
}

// columnKeys are the arrays with an entry for each request.
var columnKeys = []string{keyInputLens, keyOutputLens, keyTTFTs, keyStartTimes, keyLatencies, keyQueueTimes, keyITLs, keyErrors}

// entries returns how many entries of an array have been read, -1 where it did
// not come.
func (u *run) entries(key string) int {
	switch {
	case key == keyITLs && u.gaps.seen:
		return len(u.gaps.sum)
	case key == keyErrors && u.failures.seen:
		return len(u.failures.of)
	case key == keyITLs || key == keyErrors || !u.column(key).seen:
		return -1
	}
	return len(u.column(key).v)
}

// forgetUnsure forgets a setting that the text breaks off behind, if it is a
// number: there may have been more digits.
func (u *run) forgetUnsure(offset int64) {
	v, ok := u.settings[u.last]
	const lineEnd = 2 // of a program that appended
	if ok && offset-v.end <= lineEnd && v.text[len(v.text)-1]-'0' <= 9 {
		delete(u.settings, u.last)
		delete(u.digests, u.last)
	}
}

// wholeRequests counts the requests of which all that matters is there.
func (u *run) wholeRequests() int {
	switch {
	case u.isLatency():
		return len(u.latencies.v)
	case u.has(keyInputLens, keyErrors, "total_input_tokens") && !u.has("total_output_tokens") && !u.outputLens.seen:
		return len(u.inputLens.v) // a pooling run, which has no other columns
	case !u.outputLens.seen || !u.ttfts.seen || !u.gaps.seen:
		return 0
	}
	gaps := len(u.gaps.sum)
	if u.gaps.open {
		gaps--
	}
	return min(len(u.outputLens.v), len(u.ttfts.v), gaps)
}

// hasSummary reports whether the tool's own summary came before the cut, or the
// sums that are all a benchmark saves.
func (u *run) hasSummary() bool {
	return u.has("completed") && u.isServe() || u.isThroughput() || u.isStartup() || u.isProcessor()
}

// openDigest identifies what was read of the column that was cut.
func (u *run) openDigest() digest {
	if u.hash == nil || !slices.Contains(columnKeys, u.key) || u.has(u.key) {
		return digest{}
	}
	return u.hash.sum()
}

// trim leaves of the columns what belongs to whole requests.
func (u *run) trim() {
	n := u.cut.whole
	u.requests = max(n, u.handedOut)
	for _, key := range columnKeys {
		c := u.column(key)
		switch {
		case c == nil:
		case n > 0 && len(c.v) >= n:
			c.v = c.v[:n:n]
		case n == 0 || !u.has(key):
			*c = column{tokens: c.tokens}
		}
	}
	if n == 0 {
		u.gaps, u.failures = gapColumn{}, failureColumn{}
	}
}

// saved says in short what is left.
func (u *run) saved() string {
	c := u.cut
	switch {
	case c.whole == 0:
		return "the summary until there is whole, and no request"
	case c.of < 0:
		return fmt.Sprintf("%d requests are whole", c.whole)
	}
	return fmt.Sprintf("%d of %d requests are whole", c.whole, c.of)
}

func (u *run) noteCut() {
	c := u.cut
	note := fmt.Sprintf("truncated: the file ends %s; %s", c.where, u.saved())
	if c.partial() {
		note += ". Counts are those of these requests; the tool's own summary and duration are of all, so that the duration is left out"
		u.record.DurationNS = schemas.Opt[int64]{}
	}
	u.record.Notes = slices.Insert(u.record.Notes, 0, note)
	if u.requests > 0 && !u.has(keyErrors) && u.record.Failed.V > 0 {
		u.note("the messages of the requests that failed were cut, so that not all have a class")
	}
	if lost := u.requests - c.whole; lost > 0 {
		u.note("requests that were cut, of which only gaps are known, counted as failed: %d", lost)
	}
}

// lost reports whether request i is not whole.
func (u *run) lost(i int) bool { return u.cut != nil && i >= u.cut.whole }

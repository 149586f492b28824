package genaiperf

import (
	"io"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "genaiperf-1"

// The formats that Detect tells apart.
const (
	FormatProfile = "genai-perf profile"
	FormatSummary = "genai-perf summary"
)

const producer = "genai-perf"

// Detect reports which format of this package begins with head, by its keys. A
// summary of AIPerf's looks alike, and says its version or what went wrong.
func Detect(head []byte) (format string, ok bool) {
	keys := jsonrun.HeadKeys(head)
	switch {
	case keys.Any("experiments[].requests[].response_timestamps", "experiments[].experiment.mode"):
		return FormatProfile, true
	case keys.Any("aiperf_version", "schema_version", "was_cancelled", "error_summary"):
	case keys.Has("request_throughput.unit") && keys.Any("input_config", "request_latency.unit", "time_to_first_token.unit"):
		return FormatSummary, true
	}
	return "", false
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
	return jsonrun.NewReader(r, name, &file{summary: jsonrun.NewValues(nil)}, opts...)
}

// A file is the Format: a profile, if the object has experiments, or else a
// summary.
type file struct {
	open    bool            // inside the object
	summary *jsonrun.Values // what is no experiment
	profile profile
}

// Step reads a key of the object, or a request of an experiment.
func (f *file) Step(u *jsonrun.Upload) bool {
	switch {
	case !f.open:
		return f.start(u)
	case f.profile.state != outside:
		f.profile.step(u)
	default:
		f.readKey(u)
	}
	return true
}

func (f *file) start(u *jsonrun.Upload) bool {
	if !u.S.More() {
		return false
	}
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Object {
		if u.S.Skip() == nil {
			u.Lose(at, "found %s, expected the object of GenAI-Perf", kind)
		}
		return true
	}
	u.S.Object()
	*f = file{open: true, summary: jsonrun.NewValues(u)}
	f.summary.Offset = at
	return true
}

func (f *file) readKey(u *jsonrun.Upload) {
	name, ok := u.S.Key()
	switch key := string(name); {
	case !ok && u.S.Err() != nil:
	case !ok:
		f.open = false
		f.end(u)
	case key == "experiments" && u.S.Peek() == jsonscan.Array:
		u.S.Array()
		f.profile = profile{state: betweenExperiments, of: f.summary}
	case key == "version" || key == "service_kind" || key == "endpoint" || !f.profile.seen:
		f.summary.Add(key)
	default:
		u.S.Skip()
	}
}

// end closes the object: its last experiment, or the summary.
func (f *file) end(u *jsonrun.Upload) {
	switch {
	case f.profile.run != nil:
		f.profile.close(u)
	case f.profile.seen:
	case f.summary.Twice != "":
		u.Lose(f.summary.Offset, "key %q comes twice in one object", f.summary.Twice)
	case f.summary.Has("request_throughput.unit"):
		closeSummary(u, f.summary)
	default:
		u.Lose(f.summary.Offset, "neither a profile nor a summary of GenAI-Perf: it has no experiments and no request_throughput")
	}
}

// Broken closes the experiment with the requests that are whole.
func (f *file) Broken(u *jsonrun.Upload, reject *schemas.Reject, _ bool) bool {
	p := f.profile
	*f = file{}
	if p.run == nil || p.requests.Len() == 0 {
		u.LoseBroken(reject)
		return false
	}
	jsonrun.NoteBroken(p.run)
	p.close(u)
	return false
}

package llamabenchy

import (
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "llamabenchy-1"

// Format is what Detect finds.
const Format = "llama-benchy"

// Detect reports whether head begins results of llama-benchy. Many tools write
// an array of benchmarks; this one's have a pp_throughput, or are told by the
// keys before them.
func Detect(head []byte) (format string, ok bool) {
	keys := jsonrun.HeadKeys(head)
	if keys["benchmarks"] == jsonscan.Array && keys.Any("benchmarks[].pp_throughput", "benchmarks[].tg_throughput") ||
		keys.Has("latency_mode", "prefix_caching_enabled") {
		return Format, true
	}
	return "", false
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
	return jsonrun.NewReader(r, name, &file{}, opts...)
}

// maxHeld bounds the benchmarks that are held until the model is known.
const maxHeld = 1000

// A file is the Format. The model comes before the benchmarks, unless someone
// sorted the keys: then they are held until it does.
type file struct {
	meta   *jsonrun.Values // of the object, nil between two
	inList bool            // among the benchmarks
	held   []*jsonrun.Values
	ended  bool // the object has, and what is held is handed out
	runs   int  // handed out of the object
}

// Step reads a key of the object or one of its benchmarks.
func (f *file) Step(u *jsonrun.Upload) bool {
	switch {
	case f.meta == nil:
		return f.start(u)
	case f.ended:
		f.emitHeld(u)
	case f.inList:
		f.readBenchmark(u)
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
			u.Lose(at, "found %s, expected the object of llama-benchy", kind)
		}
		return true
	}
	u.S.Object()
	*f = file{meta: jsonrun.NewValues(u)}
	f.meta.Offset = at
	return true
}

func (f *file) readKey(u *jsonrun.Upload) {
	name, ok := u.S.Key()
	switch key := string(name); {
	case !ok:
		f.ended = u.S.Err() == nil
	case key == "benchmarks" && u.S.Peek() == jsonscan.Array:
		u.S.Array()
		f.inList = true
	default:
		f.meta.Add(key)
	}
}

func (f *file) readBenchmark(u *jsonrun.Upload) {
	if f.inList = u.S.Next(); !f.inList {
		return
	}
	kind := u.S.Peek()
	at := u.S.Offset()
	if kind != jsonscan.Object {
		if u.S.Skip() == nil {
			u.Lose(at, "found %s, expected a benchmark", kind)
		}
		return
	}
	v := jsonrun.NewValues(u)
	v.Offset = at
	u.S.Object()
	for name, ok := u.S.Key(); ok; name, ok = u.S.Key() {
		switch key := string(name); key {
		case "throughput_over_time", "requests_throughput_over_time":
			v.Skip(key)
		default:
			v.Add(key)
		}
	}
	switch {
	case u.S.Err() != nil:
	case v.Twice != "":
		u.Lose(at, "key %q comes twice in one benchmark", v.Twice)
	case !v.Has("concurrency") || !v.HasPrefix("pp_throughput") && !v.HasPrefix("tg_throughput"):
		u.Lose(at, "no benchmark of llama-benchy: it has no concurrency, or no throughput")
	case f.meta.Has("model"):
		f.emit(u, v)
	case len(f.held) == maxHeld:
		u.Lose(at, "more than %d benchmarks before the model they are of", maxHeld)
	default:
		f.held = append(f.held, v)
	}
}

// emitHeld hands out one of the benchmarks that came before the model.
func (f *file) emitHeld(u *jsonrun.Upload) {
	if len(f.held) == 0 {
		if f.runs == 0 {
			u.Lose(f.meta.Offset, "no result of llama-benchy: there is no benchmark in it")
		}
		f.meta = nil
		return
	}
	f.emit(u, f.held[0])
	f.held = f.held[1:]
}

// Broken gives up the benchmark that was cut. Those before it are whole.
func (f *file) Broken(u *jsonrun.Upload, reject *schemas.Reject, _ bool) bool {
	held := f.held
	*f = file{}
	u.LoseBroken(reject)
	if n := len(held); n > 0 {
		reject.Hint = fmt.Sprintf("%d whole benchmarks before it are lost as well: which model they are of comes behind them", n)
	}
	return false
}

var metric = regexp.MustCompile(`\.(mean|std|values)$`)

// emit closes the run of a benchmark.
func (f *file) emit(u *jsonrun.Upload, v *jsonrun.Values) {
	f.runs++
	if f.meta.Twice != "" {
		u.Lose(v.Offset, "key %q comes twice in one object", f.meta.Twice)
		return
	}
	run := u.NewRun(v.Offset, "llama-benchy", ParserVersion)
	run.Dialect = "results"
	run.Model = f.meta.Text("model")
	run.Version = f.meta.Text("version")
	run.EndedAt = timestamp(f.meta)
	run.MaxConcurrency = v.Int("concurrency")
	run.Labels = map[string]string{}
	for _, key := range []string{"context_size", "prompt_size", "response_size"} {
		if n := v.Int(key); n.OK {
			run.Labels[key] = fmt.Sprint(n.V)
		}
	}
	v.Use("is_context_prefill_phase")
	run.Labels["phase"] = "measured"
	if v.JSON("is_context_prefill_phase") == "true" {
		run.Labels["phase"] = "context_prefill"
		run.Notes = append(run.Notes, "this run fills the prefix cache for the one behind it")
	}
	v.Rest(run, metric.MatchString)
	for _, key := range f.meta.Keys() {
		switch key {
		case "model", "version", "timestamp":
		default:
			run.Extra[key] = f.meta.JSON(key)
		}
	}
	d := jsonrun.NewDigest("llama-benchy 1")
	d.JSON(f.meta.JSON("model"))
	d.JSON(f.meta.JSON("version"))
	d.JSON(f.meta.JSON("timestamp"))
	d.Text(v.Digest())
	run.ContentDigest = d.Sum()
	u.Close(run, nil)
}

// timestamp is when the results were written, by the client's clock.
func timestamp(meta *jsonrun.Values) schemas.Opt[time.Time] {
	text, ok := jsonscan.Unquote([]byte(meta.JSON("timestamp")))
	if !ok {
		return schemas.Opt[time.Time]{}
	}
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return schemas.Some(at.UTC())
		}
	}
	return schemas.Opt[time.Time]{}
}

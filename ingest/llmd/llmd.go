package llmd

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/schemas"
)

// ParserVersion names the state of this reader. It changes when the same bytes
// begin to give other records.
const ParserVersion = "llmd-1"

// Format is what Detect finds.
const Format = "llm-d benchmark report"

// Detect reports whether head begins a Benchmark Report, by the keys in its
// first column: a version of this format, and something that it is of; or, with
// sorted keys, the results.
func Detect(head []byte) (format string, ok bool) {
	if text := bytes.TrimLeft(head, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		ok = isReport(jsonrun.HeadKeys(head))
	} else {
		ok = isReportYAML(string(head))
	}
	if !ok {
		return "", false
	}
	return Format, true
}

func isReport(keys jsonrun.Keys) bool {
	return keys.Has("version", "results.request_performance") || keys.Has("version", "run.uid") || keys.Has("results.request_performance.aggregate")
}

var (
	topKey  = regexp.MustCompile(`(?m)^([a-z_]+):[ \t]*(.*?)[ \t\r]*$`)
	version = regexp.MustCompile(`^['"]?0\.[0-9]+(\.[0-9]+)?['"]?([ \t]+#.*)?$`)
	results = regexp.MustCompile(`(?m)^results:[ \t]*(#.*)?\r?\n([ \t]+.*\r?\n|[ \t]*\r?\n)*?  (request_performance|component_health|observability):`)
)

func isReportYAML(head string) bool {
	keys := map[string]string{}
	for _, m := range topKey.FindAllStringSubmatch(head, 1000) {
		keys[m[1]] = m[2]
	}
	has := func(key string) bool { _, ok := keys[key]; return ok }
	if version.MatchString(keys["version"]) && (has("run") || has("results") || has("scenario") || has("metrics")) {
		return true
	}
	return results.MatchString(head) && !has("benchmarks")
}

// A Reader reads the records of one upload.
type Reader struct {
	*jsonrun.Reader
	f *file
}

// NewReader returns a Reader of the decompressed upload r, which positions call
// name.
func NewReader(r io.Reader, name string) *Reader {
	f := &file{r: r, name: name}
	return &Reader{jsonrun.NewReader(strings.NewReader(""), name, f), f}
}

// Err returns the fault of the underlying reader that ended the scan, if one did.
func (r *Reader) Err() error { return r.f.err }

// maxReport bounds a report. Those seen have up to 100 kB.
const maxReport = 16 << 20

// A file is the Format. It reads the whole upload, which is small, for YAML
// cannot be read by parts.
type file struct {
	r    io.Reader
	name string
	err  error
	read bool
	docs *documents
}

// Step reads the next document.
func (f *file) Step(u *jsonrun.Upload) bool {
	if !f.read {
		f.read = true
		text, err := io.ReadAll(io.LimitReader(f.r, maxReport+1))
		switch {
		case err != nil:
			f.err = fmt.Errorf("%s: %w", f.name, err)
		case len(text) > maxReport:
			u.Lose(maxReport, "a report of more than %d bytes", maxReport)
			return true
		default:
			f.docs = newDocuments(text)
		}
	}
	return f.docs != nil && f.docs.next(u)
}

// Broken is never called: no JSON is read.
func (f *file) Broken(u *jsonrun.Upload, reject *schemas.Reject, _ bool) bool {
	u.LoseBroken(reject)
	return false
}

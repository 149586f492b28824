package guidellm

import (
	"bytes"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// FormatReport is the format of this package.
const FormatReport = "guidellm report"

// Detect reports whether head is the beginning of a report, by its content. Many
// a file called benchmarks.json is another tool's.
func Detect(head []byte) (format string, ok bool) {
	s := jsonscan.NewScanner(bytes.NewReader(head), jsonscan.Options{Buffer: max(len(head), 1)})
	if s.Peek() != jsonscan.Object {
		return "", false
	}
	keys := map[string]bool{}
	memberKeys(s, "", 2, keys)
	if !isReport(keys) {
		return "", false
	}
	return FormatReport, true
}

// maxKeys bounds the members of an object that are looked at.
const maxKeys = 20_000

// memberKeys gathers the paths of the members of the object that comes next, and
// of those in it, so many deep, up to where the text breaks off. Of a list it
// looks into the first element.
func memberKeys(s *jsonscan.Scanner, prefix string, depth int, into map[string]bool) {
	s.Object()
	for key, ok := s.Key(); ok && len(into) < maxKeys; key, ok = s.Key() {
		path := prefix + string(key)
		into[path] = true
		switch kind := s.Peek(); {
		case depth > 1 && kind == jsonscan.Object:
			memberKeys(s, path+".", depth-1, into)
		case depth > 1 && kind == jsonscan.Array:
			s.Array()
			for i := 0; s.Next(); i++ {
				if i == 0 && s.Peek() == jsonscan.Object {
					memberKeys(s, path+".", depth-1, into)
				} else {
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
}

func isReport(keys map[string]bool) bool {
	hasAny := func(names ...string) bool {
		for _, name := range names {
			if keys[name] {
				return true
			}
		}
		return false
	}
	switch {
	case keys["metadata.guidellm_version"]:
		return true
	case keys["benchmarks.run_stats"], keys["benchmarks.scheduler_state"], keys["benchmarks.scheduler_metrics"]:
		return true
	case keys["benchmarks.type_"]:
		return hasAny("benchmarks.args", "benchmarks.config")
	}
	// The settings of 0.4 alone may be longer than head.
	return keys["args.target"] && keys["args.data"] && hasAny("args.profile", "args.rate")
}

package aiperf

import (
	"bytes"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// The formats that Detect tells apart.
const (
	FormatRecords = "aiperf records"
	FormatRaw     = "aiperf raw records"
	FormatSummary = "aiperf summary"
)

// Detect reports which format of this package begins with head, by its content:
// the keys of the first object, as far as head reaches.
func Detect(head []byte) (format string, ok bool) {
	s := jsonscan.NewScanner(bytes.NewReader(head), jsonscan.Options{Buffer: max(len(head), 1)})
	if s.Peek() != jsonscan.Object {
		return "", false
	}
	keys := map[string]bool{}
	memberKeys(s, "", 3, keys)
	format = formatOf(keys)
	return format, format != ""
}

// maxKeys bounds the members of an object that are looked at.
const maxKeys = 20_000

// memberKeys gathers the paths of the members of the object that comes next, and
// of the objects in it, so many deep, up to where the text breaks off.
func memberKeys(s *jsonscan.Scanner, prefix string, depth int, into map[string]bool) {
	s.Object()
	for key, ok := s.Key(); ok && len(into) < maxKeys; key, ok = s.Key() {
		path := prefix + string(key)
		into[path] = true
		if depth > 1 && s.Peek() == jsonscan.Object {
			memberKeys(s, path+".", depth-1, into)
		} else {
			s.Skip()
		}
	}
}

// formatOf tells the format from the paths of an object's members.
func formatOf(keys map[string]bool) string {
	record := isRecord(keys)
	switch {
	case record && hasAny(keys, "responses", "start_perf_ns"):
		return FormatRaw
	case record && hasAny(keys, "metrics", "error"):
		return FormatRecords
	case record:
		return FormatRaw // its request is longer than head
	case isSummary(keys):
		return FormatSummary
	}
	return ""
}

// isRecord reports whether an object of these members is the record of a
// request. Summaries and aggregates have metadata too, of another kind.
func isRecord(keys map[string]bool) bool {
	return hasAny(keys, "metadata.benchmark_phase", "metadata.credit_phase", "metadata.record_processor_id")
}

// isSummary reports whether an object of these members is the summary of a run.
// GenAI-Perf's has the same metrics, and says neither how a run ended nor its
// errors. Aggregates over runs have their metrics inside of "metrics".
func isSummary(keys map[string]bool) bool {
	ours := hasAny(keys, "aiperf_version", "was_cancelled", "error_summary")
	if !ours || keys["timeslices"] || keys["metrics"] {
		return false
	}
	for key := range keys {
		if tag, ok := strings.CutSuffix(key, ".unit"); ok && (!strings.Contains(tag, ".") || strings.HasPrefix(tag, recordsPrefix)) {
			return true
		}
	}
	return false
}

func hasAny(keys map[string]bool, names ...string) bool {
	for _, name := range names {
		if keys[name] {
			return true
		}
	}
	return false
}

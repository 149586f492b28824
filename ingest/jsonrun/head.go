package jsonrun

import (
	"bytes"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// Keys are the keys of the first value of an upload, as far as its beginning
// reaches: "name", "request_throughput.unit" inside an object, "requests[]" for
// the elements of an array and "requests[].timestamp" for what is in the first
// of them. A top-level array begins with "[]".
type Keys map[string]jsonscan.Kind

// Has reports whether all the keys are there.
func (k Keys) Has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := k[key]; !ok {
			return false
		}
	}
	return true
}

// Any reports whether one of the keys is there.
func (k Keys) Any(keys ...string) bool {
	for _, key := range keys {
		if _, ok := k[key]; ok {
			return true
		}
	}
	return false
}

// HeadKeys returns the keys of what begins with head.
func HeadKeys(head []byte) Keys {
	keys := Keys{}
	s := jsonscan.NewScanner(bytes.NewReader(head), jsonscan.Options{Buffer: max(len(head), 1)})
	if s.More() {
		keys.read(s, "", 0)
	}
	return keys
}

// read notes the value that comes next, and looks into it. Only the first
// element of an array is looked into, and nothing that is deep inside.
func (k Keys) read(s *jsonscan.Scanner, name string, depth int) {
	const deep, most = 6, 2000
	kind := s.Peek()
	if name != "" {
		k[name] = kind
	}
	if depth > deep || len(k) > most {
		s.Skip()
		return
	}
	switch kind {
	case jsonscan.Object:
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			full := string(key)
			if name != "" {
				full = name + "." + full
			}
			k.read(s, full, depth+1)
		}
	case jsonscan.Array:
		s.Array()
		for first := true; s.Next(); first = false {
			if first {
				k.read(s, name+"[]", depth+1)
				continue
			}
			s.Skip()
		}
	default:
		s.Skip()
	}
}

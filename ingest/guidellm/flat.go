package guidellm

import (
	"errors"
	"strconv"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

const (
	// maxKeys bounds the leaves of a benchmark. GuideLLM writes three thousand.
	maxKeys = 20_000
	// maxSetting bounds the text of one of them, and maxSettings those of all.
	maxSetting  = 64 << 10
	maxSettings = 4 << 20
)

// flat holds the leaves of objects under their paths, as JSON text. Of nulls it
// has none, nor of the points that draw a distribution.
type flat struct {
	leaves  map[string][]byte
	twice   string // a path that came twice; "" if none did
	kept    int
	dropped int
}

func newFlat() *flat { return &flat{leaves: map[string][]byte{}} }

// read reads the next value into f under path.
func (f *flat) read(s *jsonscan.Scanner, path string, sum *jsonscan.Bag) {
	switch last := path[strings.LastIndexByte(path, '.')+1:]; {
	case last == "pdf", last == "cumulative_distribution_function", last == "traceback":
		sum.AddNext(s, path)
		return
	}
	switch s.Peek() {
	case jsonscan.Null:
		s.Skip()
	case jsonscan.Object:
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			f.read(s, path+"."+string(key), sum)
		}
	case jsonscan.Array:
		f.readArray(s, path, sum)
	default:
		text, err := s.Raw(nil, maxSetting)
		var long *jsonscan.ValueError
		if errors.As(err, &long) {
			f.dropped++
			return
		}
		f.keep(path, text, sum)
	}
}

// readArray reads objects under the path of their index, and scalars as one text.
func (f *flat) readArray(s *jsonscan.Scanner, path string, sum *jsonscan.Bag) {
	s.Array()
	text := []byte("[")
	objects := false
	for i := 0; s.Next(); i++ {
		if s.Peek() == jsonscan.Object {
			objects = true
			f.read(s, path+"."+strconv.Itoa(i), sum)
			continue
		}
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = s.Raw(text, maxSetting-min(len(text), maxSetting)); err != nil && s.Err() == nil {
			f.dropped++
			text = append(text, "null"...)
		}
	}
	if !objects {
		f.keep(path, append(text, ']'), sum)
	}
}

func (f *flat) keep(path string, text []byte, sum *jsonscan.Bag) {
	sum.AddText(path, text)
	if _, ok := f.leaves[path]; ok && f.twice == "" {
		f.twice = path
	}
	if f.kept+len(path)+len(text) > maxSettings || len(f.leaves) >= maxKeys {
		f.dropped++
		return
	}
	f.kept += len(path) + len(text)
	f.leaves[path] = text
}

// get returns the text of the first of the paths that is there.
func (f *flat) get(paths ...string) []byte {
	for _, path := range paths {
		if text, ok := f.leaves[path]; ok {
			return text
		}
	}
	return nil
}

func (f *flat) string(paths ...string) schemas.Opt[string] {
	if s, ok := jsonscan.Unquote(f.get(paths...)); ok && s != "" {
		return schemas.Some(s)
	}
	return schemas.Opt[string]{}
}

func (f *flat) integer(paths ...string) schemas.Opt[int64] {
	if v, ok := jsonscan.ParseInt(f.get(paths...)); ok && v >= 0 {
		return schemas.Some(v)
	}
	return schemas.Opt[int64]{}
}

func (f *flat) float(paths ...string) schemas.Opt[float64] {
	if v, ok := jsonscan.ParseFloat(f.get(paths...)); ok && v > 0 {
		return schemas.Some(v)
	}
	return schemas.Opt[float64]{}
}

// seconds returns a time or a duration in nanoseconds. Negative stands for unset.
func (f *flat) seconds(paths ...string) schemas.Opt[int64] {
	if v, ok := jsonscan.ParseNanos(f.get(paths...)); ok && v >= 0 {
		return schemas.Some(v)
	}
	return schemas.Opt[int64]{}
}

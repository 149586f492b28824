package ingest

import (
	"fmt"
	"strings"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// Limits bound what one upload can cost. The zero value of a field means its
// default. Each is named in the message that says it was passed.
type Limits struct {
	archive.Limits
	ArchiveDepth int // archives inside each other; 1: none inside another
	Nesting      int // JSON values inside each other; 1000
	String       int // bytes of a JSON string that is looked at; 1 MiB. Prompts and answers are not
	Requests     int // of a run; a million
}

// The defaults of Limits, beside those of package archive.
const (
	DefaultArchiveDepth = 1
	DefaultNesting      = jsonscan.DefaultDepth
	DefaultString       = jsonscan.DefaultString
	DefaultRequests     = 1_000_000
)

func (l Limits) stored() int64   { return orDefault(l.Stored, archive.DefaultStored) }
func (l Limits) unpacked() int64 { return orDefault(l.Unpacked, archive.DefaultUnpacked) }
func (l Limits) depth() int      { return orDefault(l.ArchiveDepth, DefaultArchiveDepth) }

func orDefault[T int | int64 | float64](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

// reading are the limits that readers keep to.
func (l Limits) reading() Limits {
	return Limits{
		Nesting: orDefault(l.Nesting, DefaultNesting), String: orDefault(l.String, DefaultString),
		Requests: orDefault(l.Requests, DefaultRequests),
	}
}

// options are the limits for the readers that jsonrun drives.
func (l Limits) options() []jsonrun.Option {
	return []jsonrun.Option{jsonrun.MaxRequests(l.Requests), jsonrun.MaxString(l.String), jsonrun.MaxDepth(l.Nesting)}
}

// raisedBy names the setting that raises a limit, by what readers say when it is
// passed.
var raisedBy = []struct{ said, setting string }{
	{"the most that a run may have", "max-requests"},
	{"expected one of at most", "max-requests"},
	{"containers inside each other", "max-nesting"},
	{"a key is longer than", "max-string"},
	{"a longer string, expected at most", "max-string"},
}

// hintOf says what raises the limit that a reject speaks of, if it does.
func hintOf(reason string) string {
	for _, limit := range raisedBy {
		if strings.Contains(reason, limit.said) {
			return "--" + limit.setting + " raises the limit"
		}
	}
	return ""
}

// changed says which limits of readers are not as usual: what was rejected under
// other limits is worth another try.
func (l Limits) changed() string {
	if l.reading() == (Limits{}).reading() {
		return ""
	}
	return fmt.Sprint(l.reading())
}

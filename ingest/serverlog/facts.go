package serverlog

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// Facts is what a log says about the server that wrote it. What its starts do
// not agree on is missing here, with a note, and found in Starts.
type Facts struct {
	Version schemas.Opt[string] // 0.25.1, 0.23.1rc1.dev1201+gd08eebad1
	Commit  schemas.Opt[string] // d08eebad1: of a build that is no release
	Model   schemas.Opt[string]
	Args    map[string]string // see Start.Args; nil where starts differ or say nothing
	Starts  []Start
	Notes   []string
}

// A Start is one start of the server, in the order of the log.
type Start struct {
	At   schemas.Pos // of the line that opened it
	Time string      // "08-02 10:27:03": local, without a year

	Version schemas.Opt[string]
	Commit  schemas.Opt[string]
	Model   schemas.Opt[string]
	// Args are the engine arguments as they were logged, name -> value as
	// Python writes it, strings without their quotes. nil where none were logged.
	Args map[string]string
	// Defaults says that Args hold all arguments and not only those that differ
	// from their default: so before v0.9.
	Defaults bool

	trust int             // in Version: the rank of the line that it is from
	seen  map[string]bool // kinds of line, with the process that wrote them
}

// ReadFacts reads the log r, which positions call name. Its error is that of r.
func ReadFacts(r io.Reader, name string) (Facts, error) {
	var f Facts
	lines := newLineReader(r)
	for {
		text, at, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Facts{}, fmt.Errorf("%s: byte %d: %w", name, at, err)
		}
		f.read(text, schemas.Pos{File: name, Offset: at, Request: -1})
	}
	if lines.cut > 0 {
		f.note("lines of more than %d bytes, of which the rest was not read: %d", maxLine, lines.cut)
	}
	f.agree()
	return f, nil
}

// The kinds of line that say something about a start.
const (
	kindServer = "server" // vLLM API server version …
	kindBanner = "banner"
	kindModel  = "model" // second line of the banner
	kindArgs   = "args"
	kindEngine = "engine"
)

// An announcement is a form of line that says something, with the words that a
// line must hold to be worth a regular expression. Lists are long, so that forms
// end where they begin.
type announcement struct {
	kind  string
	words string
	list  bool // the last group goes on to the end of the message
	form  *regexp.Regexp
}

// says returns what a message says, the groups of the form; nil where it is of another form.
func (a *announcement) says(message string) []string {
	at := a.form.FindStringSubmatchIndex(message)
	if at == nil {
		return nil
	}
	var out []string
	for i := 2; i < len(at); i += 2 {
		group := ""
		if at[i] >= 0 {
			group = message[at[i]:at[i+1]]
		}
		out = append(out, group)
	}
	if a.list {
		out[len(out)-1] += message[at[1]:]
	}
	return out
}

var announcements = []announcement{
	{kindEngine, "LLM engine (v", true, regexp.MustCompile(`^Initializing an? (?:V\d )?LLM engine \(v([^)\s]+)\) with config: ()`)},
	// A dict behind the one, up to v0.8 a Namespace behind the other: a word begins
	// behind its blank, \b, and none behind that of a dict.
	{kindArgs, "args: ", true, regexp.MustCompile(`^(?:non-default args: \B|args: \b)(\{|Namespace\()`)},
	{kindServer, "server version ", false, regexp.MustCompile(`^vLLM (?:API )?server version ([^\s,]+)(?:, serving model (\S+))?`)},
	// The banner draws a logo of block characters in front of its words.
	{kindBanner, "version ", false, regexp.MustCompile(`^\W*[^\x00-\x7f]\W*version\s+(\d\S*)\s*$`)},
	{kindModel, "model ", false, regexp.MustCompile(`^\W*[^\x00-\x7f]\W*model\s+(\S+)\s*$`)},
}

// trust ranks the sources of a version.
var trust = map[string]int{kindServer: 1, kindBanner: 1, kindEngine: 2}

// read takes in one line.
func (f *Facts) read(text []byte, at schemas.Pos) {
	for _, a := range announcements {
		if !bytes.Contains(text, []byte(a.words)) {
			continue
		}
		l, ok := parseLine(text)
		if !ok {
			return
		}
		if says := a.says(string(l.message)); says != nil {
			f.take(a.kind, &l, says, at)
			return
		}
	}
}

// take adds what a line of the given kind says to the start that it belongs to.
func (f *Facts) take(kind string, l *line, says []string, at schemas.Pos) {
	s := f.start(kind, l, at)
	switch kind {
	case kindServer:
		s.setVersion(kind, says[0], f)
		s.setModel(says[1])
	case kindBanner:
		s.setVersion(kind, says[0], f)
	case kindModel:
		s.setModel(says[0])
	case kindEngine:
		s.setVersion(kind, says[0], f)
		if m := engineModel.FindStringSubmatch(says[1]); m != nil {
			s.Model = schemas.Some(m[1])
		}
	case kindArgs:
		args, whole := parseArgs(says[0])
		s.Defaults = strings.HasPrefix(says[0], "N")
		s.Args = args
		if !whole {
			f.note("%s: the arguments are cut short", at)
		}
		s.setModel(args["model"])
	}
}

var engineModel = regexp.MustCompile(`^model='([^']*)'`)

// start returns the start that a line belongs to, a new one if need be.
func (f *Facts) start(kind string, l *line, at schemas.Pos) *Start {
	process, _ := l.process()
	who := kind + " of " + process
	if n := len(f.Starts); n > 0 {
		s := &f.Starts[n-1]
		engineRuns := kind != kindEngine && s.trust == trust[kindEngine]
		if !s.seen[who] && !engineRuns {
			s.seen[who] = true
			return s
		}
	}
	f.Starts = append(f.Starts, Start{At: at, Time: string(l.stamp), seen: map[string]bool{who: true}})
	return &f.Starts[len(f.Starts)-1]
}

func (s *Start) setVersion(kind, version string, f *Facts) {
	version = strings.TrimPrefix(version, "v")
	if s.Version.OK && s.Version.V != version {
		f.note("the start at %s calls its version %s and %s", s.Time, s.Version.V, version)
	}
	if trust[kind] < s.trust {
		return
	}
	s.trust = trust[kind]
	s.Version = schemas.Some(version)
	s.Commit = schemas.Opt[string]{}
	if m := commit.FindStringSubmatch(version); m != nil {
		s.Commit = schemas.Some(m[1])
	}
}

// commit is how setuptools-scm writes the commit of a build between releases.
var commit = regexp.MustCompile(`\+(?:.*\.)?g([0-9a-f]{6,40})`)

func (s *Start) setModel(model string) {
	if model != "" && !s.Model.OK {
		s.Model = schemas.Some(model)
	}
}

// agree fills in what all starts agree on.
func (f *Facts) agree() {
	if len(f.Starts) == 0 {
		f.note("no start of a vLLM server in this log: it may have been cut, or begin later")
		return
	}
	f.Version = f.common("version", func(s *Start) schemas.Opt[string] { return s.Version })
	f.Commit = f.common("commit", func(s *Start) schemas.Opt[string] { return s.Commit })
	f.Model = f.common("model", func(s *Start) schemas.Opt[string] { return s.Model })
	for i := range f.Starts {
		s := &f.Starts[i]
		switch {
		case s.Args == nil:
		case f.Args == nil:
			f.Args = s.Args
		case !maps.Equal(f.Args, s.Args):
			f.Args = nil
			f.note("the starts have different arguments: see each start")
			return
		}
	}
}

// common returns the value that all starts have which have one.
func (f *Facts) common(name string, of func(*Start) schemas.Opt[string]) schemas.Opt[string] {
	var values []string
	for i := range f.Starts {
		if v := of(&f.Starts[i]); v.OK && !slices.Contains(values, v.V) {
			values = append(values, v.V)
		}
	}
	switch len(values) {
	case 0:
		return schemas.Opt[string]{}
	case 1:
		return schemas.Some(values[0])
	}
	f.note("the log holds starts of more than one %s: %s", name, strings.Join(values, ", "))
	return schemas.Opt[string]{}
}

// note adds a note, once.
func (f *Facts) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.Notes, text) {
		f.Notes = append(f.Notes, text)
	}
}

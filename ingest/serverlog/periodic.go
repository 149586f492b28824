package serverlog

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/servestat/servestat/schemas"
)

// A periodic is a line that a server writes again and again, taken apart: every
// ten seconds, or every step with --enable-logging-iteration-details.
type periodic struct {
	kind   string
	engine string // "000", "" where the line names none
	total  string // engines that the line sums up, "" where it is of one
	values []value
}

// A value is one figure of a periodic line.
type value struct {
	name     string
	labels   map[string]string
	text     string // the figure as it is printed
	unit     string // as it is printed
	readable bool
}

// Periodic lines, by how they begin behind the engine.
var periodicHeads = []struct {
	head, kind string
	strip      bool // the head is no part of the first value's name
}{
	{"Avg prompt throughput: ", kindStats, false},
	{"Avg prompt tput: ", kindStats, false}, // the Rust front end
	{"Prefix cache hit rate: ", kindStats, false},
	{"SpecDecoding metrics: ", kindSpec, true},
	{"Speculative metrics: ", kindSpec, true},
	{"DiffusionDecoding metrics: ", "diffusion_decode", true},
	{"KV Transfer metrics: ", "kv_transfer", true},
	{"Iteration(", kindIteration, false},
}

const kindIteration = "iteration"

// maxValues bounds the figures of a line. The most that were seen are 22: a
// draft of 15 tokens has as many acceptance rates.
const maxValues = 256

// parsePeriodic takes a periodic line apart; ok is false for any other line.
//
// values is where its figures are put.
func parsePeriodic(message []byte, values []value) (p periodic, ok bool) {
	if len(message) == 0 || !bytes.Contains([]byte("EAPSDKI0123456789"), message[:1]) {
		return p, false
	}
	p.values = values[:0]
	text := p.cutEngine(string(message))
	for _, h := range periodicHeads {
		if !strings.HasPrefix(text, h.head) {
			continue
		}
		p.kind = h.kind
		if h.strip {
			text = text[len(h.head):]
		}
		if h.kind == kindIteration {
			text, ok = behindIteration(text)
			if !ok {
				return p, false
			}
		}
		p.parse(text)
		return p, true
	}
	return p, false
}

// cutEngine cuts off what a line begins with to say whose figures it holds:
// "Engine 000: ", since v0.8.3, or "4 Engines Aggregated: ", since v0.11.1.
func (p *periodic) cutEngine(text string) string {
	who, rest, ok := strings.Cut(text, ": ")
	if !ok {
		return text
	}
	if number, ok := strings.CutPrefix(who, "Engine "); ok {
		p.engine = number
		return rest
	}
	if number, ok := strings.CutSuffix(who, " Engines Aggregated"); ok {
		p.total = number
		return rest
	}
	return text
}

// behindIteration cuts off the number of a step: "Iteration(17): ", with " (dummy)"
// for a step that only keeps in line with the others.
func behindIteration(text string) (string, bool) {
	step, rest, ok := strings.Cut(text, ": ")
	step = strings.TrimSuffix(step, " (dummy)")
	if !ok || !strings.HasSuffix(step, ")") {
		return "", false
	}
	return rest, true
}

// parse splits the figures of a line, which stand between commas: mostly as
// "name: figure unit", in KV Transfer metrics as "name=figure", in an iteration
// as "figure name". A figure without a name belongs to the list that the name
// before it began.
func (p *periodic) parse(text string) {
	group := ""
	text = strings.TrimSuffix(strings.TrimSuffix(text, "."), " (dummy)")
	for part := range strings.SplitSeq(text, ", ") {
		if len(p.values) > maxValues {
			return
		}
		part = strings.TrimSpace(part)
		name, figure, named := strings.Cut(part, ": ")
		if !named {
			name, figure, named = strings.Cut(part, "=")
		}
		if sub, rest, ok := strings.Cut(figure, ": "); ok { // Prefix cache hit rate: GPU: 12.00%
			group, name, figure = name, sub, rest
		}
		switch {
		case part == "":
		case group != "" && named:
			p.add(group, map[string]string{"cache": name}, figure)
		case named:
			p.add(name, nil, figure)
		case !startsFigure(part):
			p.values = append(p.values, value{name: part})
		case strings.ContainsRune(part, ' ') && p.kind == kindIteration:
			figure, name, _ = strings.Cut(part, " ")
			p.add(name, nil, figure)
		default:
			p.position(part)
		}
	}
}

// startsFigure reports whether text begins with a number.
func startsFigure(text string) bool {
	return isDigit(text[0]) || text[0] == '-' || strings.HasPrefix(text, "nan")
}

// position adds a figure of a list: an acceptance rate by position.
func (p *periodic) position(figure string) {
	if len(p.values) == 0 {
		p.values = append(p.values, value{text: figure})
		return
	}
	last := &p.values[len(p.values)-1]
	n := 0
	if last.labels == nil {
		last.labels = map[string]string{"position": "0"}
	} else {
		n, _ = strconv.Atoi(last.labels["position"])
	}
	p.add(last.name, map[string]string{"position": strconv.Itoa(n + 1)}, figure)
}

// add adds a figure with its unit; more than one of them where several stand
// behind one name, as in "MFU: 1.2 TF/s/GPU 3.4 GB/s/GPU".
func (p *periodic) add(name string, labels map[string]string, figure string) {
	if strings.HasPrefix(name, "Per-position") && labels == nil {
		labels = map[string]string{"position": "0"}
	}
	word, rest := cutField(figure)
	if word == "" {
		p.values = append(p.values, value{name: name, labels: labels})
		return
	}
	for word != "" {
		v := value{name: name, labels: labels, text: word}
		word, rest = cutField(rest)
		if number, ok := strings.CutSuffix(v.text, "%"); ok {
			v.text, v.unit = number, "%"
		} else if word != "" && !startsFigure(word) {
			v.unit = word
			word, rest = cutField(rest)
		}
		_, err := strconv.ParseFloat(v.text, 64)
		v.readable = err == nil && name != ""
		p.values = append(p.values, v)
	}
}

// cutField returns the first word of text, and what is behind it.
func cutField(text string) (word, rest string) {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// unreadable returns the name of a figure that is none, or what stands where a figure
// without a name does; found is false where all can be read.
func (p *periodic) unreadable() (name string, found bool) {
	for _, v := range p.values {
		if !v.readable {
			return cmp.Or(v.name, v.text), true
		}
	}
	return "", false
}

// baseUnits are the units of periodic lines: the base unit, and the power of ten
// that they are of it.
var baseUnits = map[string]struct{ power, unit string }{
	"%":        {"e-2", "1"},
	"tokens/s": {"", "tokens/s"},
	"toks/s":   {"", "tokens/s"},
	"tokens":   {"", "tokens"},
	"reqs":     {"", "requests"},
	"ms":       {"e-3", "s"},
	"s":        {"", "s"},
	"TF/s/GPU": {"e12", "FLOP/s"},
	"GB/s/GPU": {"e9", "B/s"},
}

// sample returns a figure in base units.
func (v *value) sample() schemas.Sample {
	s := schemas.Sample{Source: Source, Name: v.name, Labels: v.labels}
	text := v.text
	if base, ok := baseUnits[v.unit]; ok {
		// Moving the point in the text keeps 68.9 % at 0.689; dividing does not.
		text += base.power
		s.Unit = schemas.Some(base.unit)
	} else if v.unit != "" {
		s.Unit = schemas.Some(v.unit)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err == nil && !math.IsNaN(number) && !math.IsInf(number, 0) {
		s.Value = schemas.Some(number)
	}
	return s
}

// facts returns what the line says, figures as they are printed.
func (p *periodic) facts(names factNames) map[string]string {
	facts := make(map[string]string, len(p.values)+1)
	if p.engine != "" {
		facts["engine"] = p.engine
	}
	if p.total != "" {
		facts["engines"] = p.total
	}
	for _, v := range p.values {
		if !v.readable {
			continue
		}
		key := names.of(&v)
		if before := facts[key]; before != "" && v.labels["position"] != "" {
			facts[key] = before + ", " + v.text
		} else {
			facts[key] = v.text
		}
	}
	return facts
}

// factNames remember what figures are called as facts. A log says the same dozen
// names in a million lines.
type factNames map[figureName]string

// A figureName is what a figure is called where it is printed.
type figureName struct{ cache, name, unit string }

// maxNames bounds what is remembered of a log that is none.
const maxNames = 1000

// of returns what a figure is called as a fact.
func (n factNames) of(v *value) string {
	printed := figureName{v.labels["cache"], v.name, v.unit}
	if name, ok := n[printed]; ok {
		return name
	}
	name := factName(printed)
	if len(n) < maxNames {
		n[figureName{strings.Clone(printed.cache), strings.Clone(printed.name), strings.Clone(printed.unit)}] = name
	}
	return name
}

func factName(f figureName) string {
	name := f.name
	if f.cache != "" {
		name = f.cache + " " + name
	}
	name = snake(name)
	switch f.unit {
	case "%":
		return name + "_percent"
	case "", "reqs", "tokens":
		return name
	}
	return name + "_" + snake(strings.ReplaceAll(strings.Replace(f.unit, "toks", "tokens", 1), "/", " per "))
}

// snake writes a name in small letters with underscores.
func snake(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			b.WriteByte(c | 0x20)
		case isWord(c):
			b.WriteByte(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.TrimSuffix(b.String(), "_")
}

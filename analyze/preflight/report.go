package preflight

// A Report is what a log says of its server.
type Report struct {
	// Verdict is the gravest severity among the findings; INFO where nothing
	// matters.
	Verdict Severity `json:"verdict"`
	// State says what became of the server: ready, not ready, died, stopped or, of
	// a log that holds no start, unknown.
	State string `json:"state"`
	// Whole is true where the log holds both the engine's configuration and its
	// readiness: only then does the absence of a finding mean something.
	Whole    bool      `json:"whole"`
	Starts   int       `json:"starts"` // in the log; the last one is judged
	Findings []Finding `json:"findings"`
	Settings []Setting `json:"settings"` // asked for and achieved
	Facts    []Fact    `json:"facts"`
	Unknown  []Line    `json:"unknown"` // warnings and errors that no rule knows
}

// A Finding is something in a log that matters.
type Finding struct {
	Rule     string            `json:"rule"`
	Number   string            `json:"number,omitempty"`
	Kind     string            `json:"kind"`
	Severity Severity          `json:"severity"`
	Line     int64             `json:"line,omitempty"` // the first; 0: no line says it
	Count    int               `json:"count"`          // lines that say it
	Text     string            `json:"text,omitempty"` // of the first
	Fields   map[string]string `json:"fields,omitempty"`
	Meaning  string            `json:"meaning"`
	Do       string            `json:"do,omitempty"`
	Refs     []string          `json:"refs,omitempty"`
}

// A Setting is something that was asked for, and what the server made of it.
type Setting struct {
	Name     string `json:"name"`
	Asked    string `json:"asked"`    // empty: not asked for
	Achieved string `json:"achieved"` // empty: not recorded
	// Standing is same, differs, or not known where one of the two is.
	Standing string `json:"standing"`
	Line     int64  `json:"line,omitempty"` // that says what was achieved
}

// Standings of a setting.
const (
	Same     = "same"
	Differs  = "differs"
	NotKnown = "not known"
)

// A Fact is something that the log says of the server.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Unit  string `json:"unit,omitempty"`
	Line  int64  `json:"line"`
}

// A Line is a warning or an error that no rule knows.
type Line struct {
	Line  int64  `json:"line"` // the first
	Level string `json:"level"`
	Code  string `json:"code,omitempty"` // file and line of the code that logged it
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Failed reports whether the preflight failed.
func (r *Report) Failed() bool { return r.Verdict == Fail }

// Of returns the findings of a severity.
func (r *Report) Of(s Severity) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

package analyze

import (
	"cmp"
	"context"
	"slices"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/checkpoint"
)

// A LogFinding is something that the logs of servers say, in how many of them.
type LogFinding struct {
	Severity preflight.Severity `json:"severity"`
	Rule     string             `json:"rule"`
	Number   string             `json:"number,omitempty"`
	Meaning  string             `json:"meaning"`
	Do       string             `json:"do,omitempty"`
	Logs     []string           `json:"logs"` // that say it
	Of       int                `json:"of"`   // logs that were read
	Line     int64              `json:"line,omitempty"`
	Text     string             `json:"text,omitempty"` // of the first log
}

// preflights judges the logs of the servers that the runs of d were made on, each
// by the rules of its own start, and puts alike findings together, the gravest
// first. What is only worth knowing is left out.
func (d *Data) preflights(ctx context.Context) ([]LogFinding, error) {
	if d.db == nil || len(d.Runs) == 0 {
		return nil, nil
	}
	logs := logReader{at: map[string]int{}}
	if err := d.db.EachLogEvent(ctx, selectRuns(d.Runs), logs.take); err != nil {
		return nil, err
	}
	return logs.findings(), nil
}

// findings are those of all logs, the gravest first.
func (l *logReader) findings() []LogFinding {
	l.close()
	for i := range l.found {
		l.found[i].Of = l.n
	}
	slices.SortStableFunc(l.found, func(a, b LogFinding) int {
		return cmp.Or(cmp.Compare(rankOf(a.Severity), rankOf(b.Severity)), cmp.Compare(len(b.Logs), len(a.Logs)), cmp.Compare(a.Rule, b.Rule))
	})
	return l.found
}

func rankOf(s preflight.Severity) int {
	return slices.Index([]preflight.Severity{preflight.Fail, preflight.Warn, preflight.Info}, s)
}

// A logReader reads logs one after the other.
type logReader struct {
	options      preflight.Options
	upload, name string
	checker      *preflight.Checker
	n            int
	found        []LogFinding
	at           map[string]int // by rule and severity
}

func (l *logReader) take(e *query.LoggedEvent) error {
	if l.checker == nil || e.Upload != l.upload {
		l.close()
		l.upload, l.name, l.checker = e.Upload, e.SourceName, preflight.New(withCheckpoint(l.options, e))
	}
	l.checker.Add(&e.LogEvent)
	return nil
}

// withCheckpoint adds what lay beside a log, where nobody says what the checkpoint is.
func withCheckpoint(options preflight.Options, e *query.LoggedEvent) preflight.Options {
	if options.Model == nil {
		options.Model = checkpoint.OfLabels(e.Server)
	}
	return options
}

// close judges the log that was read last.
func (l *logReader) close() {
	if l.checker == nil {
		return
	}
	l.n++
	for _, f := range l.checker.Report().Findings {
		if f.Severity != preflight.Info {
			l.add(f)
		}
	}
	l.checker = nil
}

func (l *logReader) add(f preflight.Finding) {
	key := string(f.Severity) + " " + f.Rule
	i, ok := l.at[key]
	if !ok {
		i = len(l.found)
		l.at[key] = i
		l.found = append(l.found, LogFinding{
			Severity: f.Severity, Rule: f.Rule, Number: f.Number, Meaning: f.Meaning, Do: f.Do, Line: f.Line, Text: f.Text,
		})
	}
	if !slices.Contains(l.found[i].Logs, l.name) {
		l.found[i].Logs = append(l.found[i].Logs, l.name)
	}
}

package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// A Server is a server that has logs or judged answers, with or without runs.
type Server struct {
	Place   string            // joins it with runs, logs and answers
	Said    map[string]string // of it, by columns of runs and free labels
	Version Text              // as its log says
	Model   Text              // as its log says
	HasRuns bool
}

// Servers returns those of the runs that satisfy where, and those of no run of which
// what is recorded satisfies it: a server that did not start has a log alone.
func (d *DB) Servers(ctx context.Context, where string) ([]Server, error) {
	return ask(ctx, d, "servers", condition(where), func(rows *sql.Rows) (Server, error) {
		var s Server
		var said Text
		if err := scanNamed(rows, map[string]any{"place": &s.Place, "server": &said, "version": &s.Version, "model": &s.Model, "has_runs": &s.HasRuns}); err != nil {
			return s, err
		}
		return s, intoMap(said, &s.Said)
	})
}

// A JudgedAnswer is an answer that was judged, or the total of a suite, which has no
// item.
type JudgedAnswer struct {
	Place, SourceName     string
	Suite, Task, Metric   string
	Item                  Text
	Trial                 Count
	Value                 Number
	Passed                sql.Null[bool]
	Class                 Text
	PassedItems, Items    Count
	StdErr                Number
	Model, Finish, Answer Text
	Streaming             sql.Null[bool]
	Concurrency           Count
	Temperature           Number
	StartedAt             sql.NullTime
	Latency               Number // s
	Facts                 map[string]string
}

// HasAnswers reports whether the lake has judged answers at all.
func (d *DB) HasAnswers(ctx context.Context) (bool, error) {
	found, err := ask(ctx, d, "has_answers", nil, func(rows *sql.Rows) (bool, error) {
		var has bool
		return has, rows.Scan(&has)
	})
	return len(found) == 1 && found[0], err
}

// JudgedAnswers returns those of places, in a stable order.
func (d *DB) JudgedAnswers(ctx context.Context, places []string) ([]JudgedAnswer, error) {
	return ask(ctx, d, "judged_answers", inPlaces(places), func(rows *sql.Rows) (JudgedAnswer, error) {
		var a JudgedAnswer
		var facts Text
		err := scanNamed(rows, map[string]any{
			"place": &a.Place, "source_name": &a.SourceName, "suite": &a.Suite, "task": &a.Task, "item": &a.Item, "trial": &a.Trial,
			"metric": &a.Metric, "value": &a.Value, "passed": &a.Passed, "class": &a.Class, "passed_items": &a.PassedItems, "items": &a.Items,
			"std_err": &a.StdErr, "model": &a.Model, "finish_reason": &a.Finish, "streaming": &a.Streaming, "concurrency": &a.Concurrency,
			"temperature": &a.Temperature, "started_at": &a.StartedAt, "latency_s": &a.Latency, "answer": &a.Answer, "facts": &facts,
		})
		if err != nil {
			return a, err
		}
		return a, intoMap(facts, &a.Facts)
	})
}

// EachEventOf hands on what the logs of places say, place by place, log by log in
// the order of lines. It holds one line at a time.
func (d *DB) EachEventOf(ctx context.Context, places []string, take func(*LoggedEvent) error) error {
	return each(ctx, d, "logs_of_places", inPlaces(places), func(rows *sql.Rows) error {
		e, err := scanLogEvent(rows)
		if err != nil {
			return err
		}
		return take(e)
	})
}

// A Silence is the longest stretch of a run in which some answer was being made and
// no chunk of any came.
type Silence struct {
	RunID   string
	From, S float64 // since the run's origin, and how long, s
}

// Silences returns those of the runs that satisfy where that are at least so many
// seconds long.
func (d *DB) Silences(ctx context.Context, where string, least float64) ([]Silence, error) {
	replace := condition(where)
	replace["least_ns"] = fmt.Sprintf("%.0f", 1e9*least)
	return ask(ctx, d, "silences", replace, func(rows *sql.Rows) (Silence, error) {
		var s Silence
		err := scanNamed(rows, map[string]any{"run_id": &s.RunID, "from_s": &s.From, "silence_s": &s.S})
		return s, err
	})
}

// A Draft is how many tokens a run's chunks carried: those behind the first of each
// answer, and request by request.
type Draft struct {
	RunID             string
	Answers           int64
	Tokens, Chunks    int64  // behind the first token, and the first chunk, of each answer
	ByRequest, StdErr Number // mean over answers of tokens a chunk, and its standard error
}

// Drafts returns them for the runs that satisfy where, by run id: answers of two
// tokens or more that came in chunks.
func (d *DB) Drafts(ctx context.Context, where string) ([]Draft, error) {
	return ask(ctx, d, "drafts", condition(where), func(rows *sql.Rows) (Draft, error) {
		var v Draft
		err := scanNamed(rows, map[string]any{
			"run_id": &v.RunID, "answers": &v.Answers, "tokens": &v.Tokens, "chunks": &v.Chunks, "by_request": &v.ByRequest, "std_err": &v.StdErr,
		})
		return v, err
	})
}

func inPlaces(places []string) map[string]string {
	quoted := make([]string, len(places))
	for i, p := range places {
		quoted[i] = quote(p)
	}
	if len(quoted) == 0 {
		quoted = []string{"NULL"}
	}
	return map[string]string{"places": strings.Join(quoted, ", ")}
}

func intoMap(text Text, into *map[string]string) error {
	if !text.Valid {
		return nil
	}
	return json.Unmarshal([]byte(text.V), into)
}

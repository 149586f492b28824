package query

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/servestat/servestat/schemas"
)

// A LoggedEvent is a line of a server's log with where it stands.
type LoggedEvent struct {
	Place      string // joins it with runs, as that of a [ServerSample]
	Upload     string // digest of the log
	SourceName string
	Server     map[string]string // what was said of its server
	schemas.LogEvent
}

// EachLogEvent hands on what the logs of the servers of the runs that satisfy
// where say, log by log in the order of lines. It holds one line at a time.
func (d *DB) EachLogEvent(ctx context.Context, where string, take func(*LoggedEvent) error) error {
	if len(d.seen.Files("log_events")) == 0 { // what has no logs need not be asked which of them are its
		return nil
	}
	return each(ctx, d, "log_events", condition(where), func(rows *sql.Rows) error {
		e, err := scanLogEvent(rows)
		if err != nil {
			return err
		}
		return take(e)
	})
}

func scanLogEvent(rows *sql.Rows) (*LoggedEvent, error) {
	var e LoggedEvent
	var at sql.Null[time.Time]
	var process, level, code, kind, facts, server Text
	var pid Count
	err := scanNamed(rows, map[string]any{
		"place": &e.Place, "upload_sha256": &e.Upload, "source_name": &e.SourceName, "line": &e.Line, "at_time": &at,
		"process": &process, "pid": &pid, "level": &level, "code": &code, "message": &e.Message, "kind": &kind, "facts": &facts, "server": &server,
	})
	if err != nil {
		return nil, err
	}
	e.Time, e.Process, e.PID, e.Level, e.Source, e.Kind = opt(at), opt(process), opt(pid), opt(level), opt(code), opt(kind)
	if facts.Valid {
		if err := json.Unmarshal([]byte(facts.V), &e.Facts); err != nil {
			return nil, fmt.Errorf("facts of line %d: %w", e.Line, err)
		}
	}
	if server.Valid {
		if err := json.Unmarshal([]byte(server.V), &e.Server); err != nil {
			return nil, fmt.Errorf("server of line %d: %w", e.Line, err)
		}
	}
	return &e, nil
}

func opt[T any](v sql.Null[T]) schemas.Opt[T] { return schemas.Opt[T]{V: v.V, OK: v.Valid} }

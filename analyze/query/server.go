package query

import (
	"context"
	"database/sql"
)

// A ServerSample is what a server, or its log, said of itself at one moment:
// gauges, and counters since its start. Engines are added up.
type ServerSample struct {
	// Place joins it with runs: their server start, or the folder that both lie in.
	Place     string
	Source    string       // prometheus, powertrace, server_log
	At        sql.NullTime // missing where the source has no time
	ZoneKnown bool         // At is UTC

	Running, Waiting          Number // requests
	Finished                  Number // requests, so far
	OutputTokens, InputTokens Number // so far
	TTFTSum, TTFTCount        Number // s; so far
	E2ELSum, E2ELCount        Number // s; so far
	CacheQueries, CacheHits   Number // prompt tokens looked up in the prefix cache, and found; so far
	Drafts, Drafted, Accepted Number // of speculative decoding: steps, tokens and those that were accepted; so far
	AcceptedAt                Text   // tokens accepted at each position of a draft, with blanks between; so far
}

// ServerSamples returns what there is of the places of the runs that satisfy
// where: by place, source and time.
func (d *DB) ServerSamples(ctx context.Context, where string) ([]ServerSample, error) {
	return ask(ctx, d, "server_samples", condition(where), func(rows *sql.Rows) (ServerSample, error) {
		var s ServerSample
		err := scanNamed(rows, map[string]any{
			"place": &s.Place, "source": &s.Source, "at_time": &s.At, "zone_known": &s.ZoneKnown,
			"running": &s.Running, "waiting": &s.Waiting, "finished": &s.Finished,
			"output_tokens": &s.OutputTokens, "input_tokens": &s.InputTokens,
			"ttft_sum_s": &s.TTFTSum, "ttft_count": &s.TTFTCount, "e2el_sum_s": &s.E2ELSum, "e2el_count": &s.E2ELCount,
			"cache_queries": &s.CacheQueries, "cache_hits": &s.CacheHits,
			"drafts": &s.Drafts, "drafted": &s.Drafted, "accepted": &s.Accepted, "accepted_at": &s.AcceptedAt,
		})
		return s, err
	})
}

// A RunPlace is where a run meets what was observed of its server.
type RunPlace struct {
	RunID, Place string
}

// RunPlaces returns those of the runs that satisfy where, by run id.
func (d *DB) RunPlaces(ctx context.Context, where string) ([]RunPlace, error) {
	return ask(ctx, d, "run_places", condition(where), func(rows *sql.Rows) (RunPlace, error) {
		var p RunPlace
		err := scanNamed(rows, map[string]any{"run_id": &p.RunID, "place": &p.Place})
		return p, err
	})
}

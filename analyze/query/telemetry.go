package query

import (
	"context"
	"database/sql"
	"maps"
	"strings"
)

// A TelemetryUpload is an upload that holds samples.
type TelemetryUpload struct {
	Upload      string // digest
	SourceName  string
	ServerStart Text
	Source      string // tegrastats, nvidia-smi, dcgm, prometheus, powertrace, server_log
	ZoneKnown   bool   // its times are UTC
}

// TelemetryUploads returns the uploads that hold samples of one of the names, by
// digest.
func (d *DB) TelemetryUploads(ctx context.Context, names []string) ([]TelemetryUpload, error) {
	return ask(ctx, d, "telemetry_uploads", map[string]string{"names": quotedList(names)}, func(rows *sql.Rows) (TelemetryUpload, error) {
		var u TelemetryUpload
		return u, scanNamed(rows, map[string]any{
			"upload_sha256": &u.Upload, "source_name": &u.SourceName, "server_start": &u.ServerStart, "source": &u.Source, "zone_known": &u.ZoneKnown,
		})
	})
}

// A TelemetryValue is a value at a moment.
type TelemetryValue struct {
	Upload             string
	Name, Device, Stat string // names of vLLM without their vllm:
	At                 int64  // ns since 1970, by the clock of the source
	Value              float64
	Rows               int64 // that say something of this at this moment
}

// TelemetryValues hands on the values of some uploads that have one of the names:
// by upload, name, device, stat and time. Of several at one moment the greatest
// counts: instances of a GPU repeat what the GPU says.
//
// Note: that is no GROUP BY. With max(value) and count(*) over 350,000 groups, DuckDB
// 1.4.3 crashed in 3 of 16 reports, in TupleDataCollection::Combine.
func (d *DB) TelemetryValues(ctx context.Context, uploads, names []string, take func(*TelemetryValue) error) error {
	if len(uploads) == 0 || len(names) == 0 {
		return nil
	}
	replace := map[string]string{"uploads": quotedList(uploads), "names": quotedList(names)}
	var last *TelemetryValue
	err := each(ctx, d, "telemetry_series", replace, func(rows *sql.Rows) error {
		v := TelemetryValue{Rows: 1}
		err := scanNamed(rows, map[string]any{
			"upload_sha256": &v.Upload, "short_name": &v.Name, "part": &v.Device, "stat": &v.Stat, "at_ns": &v.At, "value": &v.Value,
		})
		if err != nil {
			return err
		}
		if last != nil && last.sameMoment(&v) {
			last.Value, last.Rows = max(last.Value, v.Value), last.Rows+1
			return nil
		}
		done := last
		last = &v
		if done == nil {
			return nil
		}
		return take(done)
	})
	if err != nil || last == nil {
		return err
	}
	return take(last)
}

func (v *TelemetryValue) sameMoment(o *TelemetryValue) bool {
	return v.At == o.At && v.Name == o.Name && v.Device == o.Device && v.Stat == o.Stat && v.Upload == o.Upload
}

func quotedList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}

// JudgedCalls are the judged tool calls of one upload. Times are ns since 1970,
// missing where the calls have none.
type JudgedCalls struct {
	Upload, SourceName string
	ServerStart, Model Text
	Judged, Valid      int64
	From, To           Count
	OutputTokens       Count
}

// JudgedCallUploads returns them, by digest of the upload.
func (d *DB) JudgedCallUploads(ctx context.Context) ([]JudgedCalls, error) {
	return ask(ctx, d, "timed_evals", nil, func(rows *sql.Rows) (JudgedCalls, error) {
		var c JudgedCalls
		into := map[string]any{
			"upload_sha256": &c.Upload, "source_name": &c.SourceName, "server_start": &c.ServerStart, "judged": &c.Judged, "valid": &c.Valid,
		}
		maps.Copy(into, map[string]any{"from_ns": &c.From, "to_ns": &c.To, "output_tokens": &c.OutputTokens, "model": &c.Model})
		return c, scanNamed(rows, into)
	})
}

package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// powertrace reads engine counters over time as CSV, as powertrace-sim and those
// like it save them: seconds since 1970, and columns of vLLM's /metrics without
// their prefix.
//
//	timestamp,num_requests_running,gpu_cache_usage_perc,generation_tokens_total
//	1784415163.7366116,0.0,3.986605007177957e-05,1.0
//
// The file of power beside it is nvidia-smi's.
type powertrace struct {
	columns []string
}

func (p *powertrace) line(r *Reader, text string) {
	if isPowertrace(text) {
		p.columns = splitCSV(text)
		if len(p.columns) > maxColumns {
			r.reject("%d columns are too many", len(p.columns))
			p.columns = p.columns[:maxColumns]
		}
		for i, name := range p.columns {
			if name == "" {
				p.columns[i] = columnName(i)
			}
		}
		return
	}
	fields := splitCSV(text)
	if len(fields) != len(p.columns) {
		r.reject("%d fields where the header has %d columns: %s", len(fields), len(p.columns), quoted(text))
		return
	}
	when, ok := momentOf(fields[0])
	if !ok {
		r.reject("%s is no time", quoted(fields[0]))
		return
	}
	for i, name := range p.columns[1:] {
		m := unitOf(name)
		v, ok := m.value(strings.TrimSpace(fields[i+1]))
		if !ok {
			r.reject("%s of %s is no figure", quoted(fields[i+1]), name)
			continue
		}
		r.sample(schemas.Sample{Time: when.time, Zone: when.zone, Source: "powertrace", Name: name, Value: v, Unit: m.in()})
	}
}

// Companions are the names of files that lie beside an upload and say what it
// does not: powertrace-sim's manifest knows the zone of nvidia-smi's clock.
var Companions = []string{"manifest.json"}

// maxManifest bounds the bytes of a manifest.
const maxManifest = 1 << 20

// ReadOffset reads from a manifest how far east of UTC the local clock was, for
// [Reader.SetOffset]. It is missing where the file says nothing of it.
func ReadOffset(manifest io.Reader) (schemas.Opt[time.Duration], error) {
	var m struct {
		Clock struct {
			Offset *float64 `json:"local_utc_offset_s"`
		} `json:"clock"`
	}
	if err := json.NewDecoder(io.LimitReader(manifest, maxManifest)).Decode(&m); err != nil {
		return schemas.Opt[time.Duration]{}, fmt.Errorf("a manifest of telemetry: %w", err)
	}
	const day = 24 * 60 * 60
	if seconds := m.Clock.Offset; seconds != nil && -day < *seconds && *seconds < day {
		return schemas.Some(time.Duration(*seconds * float64(time.Second))), nil
	}
	return schemas.Opt[time.Duration]{}, nil
}

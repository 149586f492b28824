package analyze

import (
	"path"
	"slices"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// observations are the uploads of a lake that have no runs: telemetry, server logs,
// judged answers. What they hold is not read.
type observations struct {
	byStart, byFolder map[string][]string // names of manifests
}

func newObservations(all []*lake.Manifest) observations {
	o := observations{map[string][]string{}, map[string][]string{}}
	for _, m := range all {
		if slices.ContainsFunc(m.Blocks, func(b lake.Block) bool { return b.Table == schemas.RunsTable.Name }) {
			continue
		}
		if start := m.Values["server_start"]; start != "" {
			o.byStart[start] = append(o.byStart[start], m.Name())
		} else {
			folder := path.Dir(m.SourceName)
			o.byFolder[folder] = append(o.byFolder[folder], m.Name())
		}
	}
	return o
}

// beside are those that may be of a run, as [runFinder.of] and [below] have it: of
// its server start, or, where they name none, of its folder or one above it.
func (o observations) beside(run *lake.Manifest) []string {
	var out []string
	if start := run.Values["server_start"]; start != "" {
		out = append(out, o.byStart[start]...)
	}
	folder := path.Dir(run.SourceName)
	out = append(out, o.byFolder[folder]...)
	for folder != "." && folder != "/" {
		if folder = path.Dir(folder); folder != "." && folder != "/" {
			out = append(out, o.byFolder[folder]...)
		}
	}
	return out
}

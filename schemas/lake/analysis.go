package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
)

const (
	analysisDir    = "analyses/v1"
	resultDir      = "results/v1"
	analysisSchema = "servestat.analysis/1"
)

// ResultName returns the name of a block of results with digest sha256. Results
// of one analysis may be of any number of days, so they are in no day partition.
func ResultName(table, sha256 string) string {
	return fmt.Sprintf("%s/%s/%s.parquet", resultDir, table, sha256)
}

// An Analysis commits the results of one analysis, as a [Manifest] does a run. Its
// name is a digest of all that the results follow from: the kind of analysis, the
// version of its code, its options and the manifests of its runs and of what was
// observed beside them. So an analysis
// of runs that did not change is found and not done again, and what becomes of
// runs makes older results stale without anybody touching them.
type Analysis struct {
	Schema  string            `json:"schema"`
	Kind    string            `json:"kind"`
	Version string            `json:"version"` // of the code
	Options map[string]string `json:"options,omitempty"`
	// Of says of which runs it is: those that satisfy one of the subjects, all of
	// them. Results are current as long as Inputs are exactly these runs.
	Of     []Subject `json:"of"`
	Inputs []string  `json:"inputs"` // names of the runs' manifests, sorted
	// Beside are the names of the manifests of what was observed beside the runs,
	// sorted: telemetry, server logs, judged answers. Their samples say whether a GPU
	// was throttled, and nothing says before it is read that they matter to none of the
	// runs.
	Beside []string `json:"beside,omitempty"`
	Blocks []Block  `json:"blocks,omitempty"`
}

// A Subject selects runs by columns of theirs: a value, or nil for NULL. A column
// that is not in it may be anything.
type Subject map[string]*string

// Key is the digest that the analysis is found by.
func (a *Analysis) Key() string {
	slices.Sort(a.Inputs)
	from := []any{a.Kind, a.Version, a.Options, a.Of, a.Inputs}
	if len(a.Beside) > 0 { // others keep the key they always had
		slices.Sort(a.Beside)
		from = append(from, a.Beside)
	}
	text, err := json.Marshal(from)
	if err != nil {
		panic("lake: " + err.Error()) // texts always marshal, and keys of maps come sorted
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Name returns the analysis's name in the lake.
func (a *Analysis) Name() string { return path.Join(analysisDir, a.Key()+".json") }

// CommitAnalysis publishes a, whose blocks must be published already, and reports
// whether it was new.
func (s *Session) CommitAnalysis(a *Analysis) (created bool, err error) {
	for _, b := range a.Blocks {
		ok, err := s.has(b.Name)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, fmt.Errorf("commit of an analysis: block %s is not published", b.Name)
		}
	}
	a.Schema = analysisSchema
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return false, err
	}
	return s.Put(a.Name(), append(text, '\n'))
}

// Analyses returns every analysis of the lake, stale ones included, by name.
func (l *Lake) Analyses() ([]*Analysis, error) {
	entries, err := l.list(analysisDir)
	if err != nil {
		return nil, err
	}
	as := make([]*Analysis, len(entries))
	err = l.inParallel(len(entries), func(i int) error {
		as[i] = &Analysis{}
		if err := l.readJSON(entries[i], analysisSchema, as[i]); err != nil {
			return err
		}
		if name := entries[i].Name; as[i].Name() != name {
			return fmt.Errorf("%s: its content is that of %s: remove it, and analyze again", l.Path(name), as[i].Name())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return as, nil
}

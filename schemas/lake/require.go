package lake

import (
	"encoding/json"
	"path"
	"strings"
)

// What a lake may require of its readers.
const (
	// Collected: blocks that manifests name may be gone, because a compaction holds
	// their rows or because their run was superseded.
	Collected = "collected"
	// Reparsed: of two manifests of one run, the later parser's counts.
	Reparsed = "reparsed"
)

var features = []string{Collected, Reparsed}

const requirementSchema = "servestat.requires/1"

// Require makes versions of servestat that do not know feature refuse the lake.
// The marker of a lake is written once, so the requirement is a file among the
// manifests: the first version of servestat, which knows of no requirements,
// stops there as well, with the advice to upgrade.
func (s *Session) Require(feature string) error {
	text, err := json.Marshal(struct {
		Schema  string `json:"schema"`
		Feature string `json:"feature"`
	}{requirementSchema, feature})
	if err != nil {
		return err
	}
	_, err = s.Put(path.Join(manifestDir, "requires-"+feature+".json"), append(text, '\n'))
	return err
}

// requirement returns the feature that a file among the manifests requires.
func requirement(name string) (feature string, ok bool) {
	rest, ok := strings.CutPrefix(path.Base(name), "requires-")
	return strings.TrimSuffix(rest, ".json"), ok
}

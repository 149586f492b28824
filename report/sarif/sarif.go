// Package sarif writes what preflight found as SARIF 2.1.0, which code hosts show
// beside the file that it is about: here, the server's log.
//
//   - FAIL is an error, WARN a warning, INFO a note;
//   - a rule carries what it means and what to do;
//   - a finding points at the first line that says it.
//
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
package sarif

import (
	"encoding/json"
	"io"
	"path/filepath"

	"github.com/servestat/servestat/analyze"
)

const schema = "https://json.schemastore.org/sarif-2.1.0.json"

type log struct {
	Schema  string `json:"$schema"`
	Version string `json:"version"`
	Runs    []run  `json:"runs"`
}

type run struct {
	Tool    tool     `json:"tool"`
	Results []result `json:"results"`
}

type tool struct {
	Driver driver `json:"driver"`
}

type driver struct {
	Name    string `json:"name"`
	Version string `json:"semanticVersion,omitempty"`
	Rules   []rule `json:"rules"`
}

type rule struct {
	ID    string  `json:"id"`
	Short message `json:"shortDescription"`
	Help  message `json:"help"`
}

type message struct {
	Text string `json:"text"`
}

type result struct {
	RuleID    string     `json:"ruleId"`
	RuleIndex int        `json:"ruleIndex"`
	Level     string     `json:"level"`
	Message   message    `json:"message"`
	Locations []location `json:"locations"`
}

type location struct {
	Physical physical `json:"physicalLocation"`
}

type physical struct {
	Artifact artifact `json:"artifactLocation"`
	Region   *region  `json:"region,omitempty"`
}

type artifact struct {
	URI string `json:"uri"`
}

type region struct {
	StartLine int64 `json:"startLine"`
}

var levels = map[string]string{"FAIL": "error", "WARN": "warning", "INFO": "note"}

// Preflight writes the findings of a preflight over the file path. version is that
// of servestat.
func Preflight(w io.Writer, path, version string, r *analyze.Preflight) error {
	d := driver{Name: "servestat preflight", Version: version, Rules: []rule{}}
	results := []result{}
	index := map[string]int{}
	for _, f := range r.Findings {
		at, ok := index[f.Rule]
		if !ok {
			at = len(d.Rules)
			index[f.Rule] = at
			d.Rules = append(d.Rules, rule{f.Rule, message{f.Meaning}, message{orSame(f.Do, f.Meaning)}})
		}
		where := physical{Artifact: artifact{filepath.ToSlash(path)}}
		if f.Line > 0 {
			where.Region = &region{f.Line}
		}
		text := f.Meaning
		if f.Text != "" {
			text = f.Text + ": " + f.Meaning
		}
		results = append(results, result{f.Rule, at, levels[string(f.Severity)], message{text}, []location{{where}}})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(log{schema, "2.1.0", []run{{tool{d}, results}}})
}

func orSame(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

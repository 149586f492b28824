package inferenceperf

import (
	"fmt"
	"io"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/schemas"
)

// Companions are the files beside an upload that say more about its runs. The
// summary comes as adapter_…, stage_… too, which are uploads of their own.
var Companions = []string{"config.yaml", "summary_lifecycle_metrics.json"}

// maxCompanion bounds what is read of a companion.
const maxCompanion = 4 << 20

// Complete fills what the run lacks from the companion that is called name.
func Complete(run *schemas.Run, name string, r io.Reader) error {
	if run.Dialect == "server" {
		return nil
	}
	if strings.HasSuffix(path.Base(name), ".yaml") {
		return completeConfig(run, name, r)
	}
	if run.Detailed {
		return completeSummary(run, name, r)
	}
	return nil
}

// completeSummary takes the tool's own findings about the requests of a list.
func completeSummary(run *schemas.Run, name string, r io.Reader) error {
	return jsonrun.ReadSummary(r, name, func(v *jsonrun.Values) {
		reportedOf(run, v)
		if n := v.Int("load_summary.count"); n.OK && run.Requests.OK && n != run.Requests && !run.Truncated {
			run.Notes = append(run.Notes, fmt.Sprintf("%s tells of %d requests, the list has %d", path.Base(name), n.V, run.Requests.V))
		}
	})
}

// A config is what a run lacks of config.yaml.
type config struct {
	API struct {
		Type string `yaml:"type"`
	} `yaml:"api"`
	Data struct {
		Type string `yaml:"type"`
	} `yaml:"data"`
	Load struct {
		Type   string  `yaml:"type"`
		Stages []stage `yaml:"stages"`
	} `yaml:"load"`
	Server *struct {
		Type  string `yaml:"type"`
		Model string `yaml:"model_name"`
	} `yaml:"server"`
	Tokenizer *struct {
		Name string `yaml:"pretrained_model_name_or_path"`
	} `yaml:"tokenizer"`
}

type stage struct {
	Rate        *float64 `yaml:"rate"`
	Requests    *int64   `yaml:"num_requests"`
	Concurrency *int64   `yaml:"concurrency_level"`
}

func completeConfig(run *schemas.Run, name string, r io.Reader) error {
	var c config
	if err := yaml.NewDecoder(io.LimitReader(r, maxCompanion)).Decode(&c); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	from := "config.yaml"
	fillText(run, "backend", &run.Backend, c.API.Type, from)
	fillText(run, "dataset", &run.Dataset, c.Data.Type, from)
	if c.Server != nil {
		fillText(run, "model", &run.Model, c.Server.Model, from)
		fillText(run, "runtime", &run.Runtime, c.Server.Type, from)
	}
	if c.Tokenizer != nil {
		fillText(run, "tokenizer", &run.Tokenizer, c.Tokenizer.Name, from)
	}
	if run.Dialect != "stage" {
		fillLoad(run, c.Load.Stages, from)
	}
	return nil
}

// fillLoad: what was asked can be told where there was one load point only.
func fillLoad(run *schemas.Run, stages []stage, from string) {
	switch {
	case len(stages) > 1:
		run.Notes = append(run.Notes, fmt.Sprintf("%d stages are mixed in this run: its requests do not say which is theirs, and its numbers are no load point. The files of the stages are", len(stages)))
	case len(stages) == 1:
		if s := stages[0]; s.Rate != nil && *s.Rate > 0 {
			fill(run, "request_rate", &run.RequestRate, *s.Rate, from)
		}
		if s := stages[0]; s.Concurrency != nil && *s.Concurrency > 0 {
			fill(run, "max_concurrency", &run.MaxConcurrency, *s.Concurrency, from)
		}
		if s := stages[0]; s.Requests != nil && *s.Requests > 0 {
			fill(run, "num_prompts", &run.NumPrompts, *s.Requests, from)
		}
	}
}

func fillText(run *schemas.Run, column string, to *schemas.Opt[string], value, from string) {
	if value != "" {
		fill(run, column, to, value, from)
	}
}

// fill sets a column that the run lacks.
func fill[T any](run *schemas.Run, column string, to *schemas.Opt[T], value T, from string) {
	if to.OK {
		return
	}
	*to = schemas.Some(value)
	if run.Provenance == nil {
		run.Provenance = map[string]string{}
	}
	run.Provenance[column] = from
}

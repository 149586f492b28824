package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/text"
)

const resourcesLong = `Say what runs took of the machine, by the telemetry that lies beside them
(tegrastats, nvidia-smi, dcgmi, scrapes of /metrics, the server's log): energy per
output token and per valid tool call, memory, the KV cache, the GPU's clocks.

Energy is the trapezoid over the samples of power between a run's first and last
request. Which rails were added up is said, and how much of the run has samples;
under half of it there is no answer. A clock without a zone is taken to be that
of the run's machine. Where telemetry and runs then lie apart, or power follows
the load only at another offset, nothing is guessed: say utc_offset.

The selection is files or folders, or column=value joined by commas over the
lake, or nothing for all of it.

Exit code: 0 told; 3 nothing could be told, there is power that could be joined
with no run, or a GPU's clock was stuck: such runs must not be compared.`

func (a *app) resourcesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resources [flags] [SELECTION]",
		Short: "what did the runs take: energy, memory, clocks",
		Long:  resourcesLong,
		Example: `  servestat resources results/
  servestat resources --lake lake model=Qwen3-8B
  servestat resources --where "max_concurrency = 32" --format markdown`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			selection := ""
			if len(args) == 1 {
				selection = args[0]
			}
			return a.tellResources(cmd.Context(), selection)
		},
	}
	f := cmd.Flags()
	f.String("where", "", "SQL condition over runs")
	f.String("format", "text", "text, json or markdown")
	f.StringArray("label", nil, "with files: identity of all of them, key=value, e.g. utc_offset=+02:00; may be repeated")
	return cmd
}

func (a *app) tellResources(ctx context.Context, selection string) error {
	format := a.config.GetString("format")
	if format != "text" && format != "json" && format != "markdown" {
		return usagef("", "--format %s: want text, json or markdown", format)
	}
	var found *analyze.Resources
	err := a.withSelection(ctx, selection, func(d *analyze.Data) (err error) {
		if len(d.Runs) == 0 {
			return invalidf("servestat sql \"select model, runtime_version, max_concurrency from runs\" shows what there is", "no run is selected")
		}
		found, err = analyze.FindResources(ctx, d)
		return err
	})
	if err != nil {
		return err
	}
	if found == nil {
		return invalidf("ingest tegrastats, nvidia-smi, dcgmi or scrapes of /metrics with the results, in their folder or above it", "nothing is recorded of what these runs took")
	}
	if err := a.writeResources(format, found); err != nil {
		return err
	}
	if !found.Any() || found.Refused() || len(found.Stuck()) > 0 {
		return &exitError{code: exitInvalid}
	}
	return nil
}

func (a *app) writeResources(format string, found *analyze.Resources) error {
	switch format {
	case "json":
		raw, err := json.Marshal(found)
		if err != nil {
			return err
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			return err
		}
		return writeJSON(a.stdout, "servestat.resources/1", fields)
	case "markdown":
		return markdown.Resources(a.stdout, found)
	}
	return text.Resources(a.stdout, found)
}

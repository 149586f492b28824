package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/report/junit"
	"github.com/servestat/servestat/report/markdown"
	"github.com/servestat/servestat/report/sarif"
	"github.com/servestat/servestat/report/text"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/checkpoint"
)

const preflightLong = `Read a vLLM server's log before its measurements are believed: did it start, on
which kernels, with what of what was asked for, and does anything in the log make
a measurement invalid, slower than it could be, or not comparable.

Give the log from its first line to "Application startup complete.", compressed or
not; - is stdin. A log of several starts is judged by the last.

--config takes the checkpoint's config.json, which says why a speculative method
was refused; --recipe a mapping of arguments (YAML or JSON), or any text with a
vllm serve command in it. Severities of rules can be set in servestat.yaml:

  preflight:
    moe_default_config: WARN
    pin_memory_wsl: OFF

Exit code: 0 nothing fails; 1 something does; 3 the file is no server log.`

func (a *app) preflightCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preflight [flags] LOG",
		Short: "is this server fit to be measured?",
		Long:  preflightLong,
		Example: `  servestat preflight server.log
  servestat preflight --config model/config.json --concurrency 32 server.log
  servestat preflight --format sarif server.log > preflight.sarif`,
		Args: exactArgs(1, "one LOG"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.preflight(args[0]) },
	}
	f := cmd.Flags()
	f.String("format", "text", "text, json, markdown, sarif or junit")
	f.Bool("json", false, "--format json")
	f.Bool("sarif", false, "--format sarif")
	f.Bool("junit", false, "--format junit")
	f.String("recipe", "", "what the model's recipe asks for: arguments as YAML or JSON, or a text with a vllm serve command")
	f.Int64("concurrency", 0, "requests that are to run at a time: does the KV cache hold them?")
	f.Int64("tokens", 0, "tokens of each of them in all (default: the whole context)")
	f.Bool("tools", false, "tool calls are expected to work")
	return cmd
}

func (a *app) preflight(path string) error {
	write, err := a.preflightFormat()
	if err != nil {
		return err
	}
	options, err := a.preflightOptions()
	if err != nil {
		return err
	}
	r, err := a.checkLog(path, options)
	if err != nil {
		return err
	}
	if err := write(a.stdout, path, r); err != nil {
		return err
	}
	if r.Failed() {
		return &exitError{code: exitRegression}
	}
	return nil
}

// preflightFormat returns what writes a report in the format that was asked for.
func (a *app) preflightFormat() (func(io.Writer, string, *analyze.Preflight) error, error) {
	format := a.config.GetString("format")
	for _, f := range []string{"json", "sarif", "junit"} {
		if a.config.GetBool(f) {
			format = f
		}
	}
	switch format {
	case "text":
		return text.Preflight, nil
	case "markdown":
		return markdown.Preflight, nil
	case "sarif":
		return func(w io.Writer, path string, r *analyze.Preflight) error {
			return sarif.Preflight(w, path, version, r)
		}, nil
	case "junit":
		return junit.Preflight, nil
	case "json":
		return preflightJSON, nil
	}
	return nil, usagef("", "--format %s: want text, json, markdown, sarif or junit", format)
}

func preflightJSON(w io.Writer, path string, r *analyze.Preflight) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	fields["log"] = path
	return writeJSON(w, "servestat.preflight/1", fields)
}

// preflightOptions reads what is expected of the server.
func (a *app) preflightOptions() (preflight.Options, error) {
	options := preflight.Options{
		Concurrency: a.config.GetInt64("concurrency"), Tokens: a.config.GetInt64("tokens"), Tools: a.config.GetBool("tools"),
		Severities: map[string]preflight.Severity{},
	}
	known := map[string]bool{}
	for _, r := range preflight.Rules() {
		known[r.ID] = true
	}
	for id, value := range a.config.GetStringMapString("preflight") {
		severity, err := preflight.ParseSeverity(value)
		if err != nil {
			return options, usagef("", "preflight.%s: %w", id, err)
		}
		if !known[id] {
			return options, usagef("servestat preflight --format json LOG names the rules that fire", "preflight.%s: there is no such rule", id)
		}
		options.Severities[id] = severity
	}
	if name := a.config.GetString("recipe"); name != "" {
		err := withFile(name, func(r io.Reader) (err error) {
			options.Recipe, err = preflight.ReadRecipe(r)
			return err
		})
		if err != nil {
			return options, fmt.Errorf("--recipe: %w", err)
		}
	}
	// A checkpoint's config.json is no configuration of servestat, and is told by
	// what it holds.
	if name := a.config.GetString("config"); name != "" {
		err := withFile(name, func(r io.Reader) (err error) {
			options.Model, err = checkpoint.Read(r)
			return err
		})
		if err != nil && len(a.config.GetStringMapString("preflight")) == 0 {
			return options, err
		}
	}
	return options, nil
}

// withFile reads a file that says what is expected.
func withFile(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return usagef("", "%w", err)
	}
	defer f.Close()
	if err := read(f); err != nil {
		return usagef("", "%s: %w", name, err)
	}
	return nil
}

// errNoLog says that a file is no server's log.
var errNoLog = errors.New("no line of a vLLM server in it")

// checkLog runs a log through the rules.
func (a *app) checkLog(path string, options preflight.Options) (*preflight.Report, error) {
	uploads, _, err := ingest.Find([]string{path}, a.stdin)
	if err != nil {
		return nil, usagef("", "%w", err)
	}
	if len(uploads) != 1 {
		return nil, usagef("give one file", "%s: %d logs in it, and a preflight is of one", path, len(uploads))
	}
	file, err := uploads[0].Plain()
	if err != nil {
		return nil, invalidf("", "%s: %w", path, err)
	}
	defer file.Close()
	checker, n := preflight.New(options), 0
	events := serverlog.NewReader(file, path)
	events.EventsOnly()
	for batch := range readAhead(events) {
		for _, record := range batch {
			switch e := record.(type) {
			case *schemas.LogEvent:
				checker.Add(e)
				n++
			case *schemas.Reject:
				a.term.warnf("%s: byte %d: %s", path, e.At.Offset, e.Reason)
			}
		}
	}
	if err := events.Err(); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, invalidf("give what vllm serve wrote to stdout and stderr", "%s: %w", path, errNoLog)
	}
	return checker.Report(), nil
}

// readAhead reads the records of a log while those before them are judged, a few
// hundred ahead at most. The channel is closed at the end of the log, and must be
// read until then.
func readAhead(events *serverlog.Reader) <-chan []schemas.Record {
	const size, ahead = 256, 4
	batches := make(chan []schemas.Record, ahead)
	go func() {
		defer close(batches)
		batch := make([]schemas.Record, 0, size)
		for record := range events.All() {
			if batch = append(batch, record); len(batch) == size {
				batches <- batch
				batch = make([]schemas.Record, 0, size)
			}
		}
		batches <- batch
	}()
	return batches
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

const reconcileLong = `Go through everything in an inbox, take in what the lake does not know yet, and
bring the results that the lake keeps up to date (servestat analyze).

Whatever started servestat for an upload, an event, a hook, a person, may come twice,
late, or not at all. After a reconcile the lake is the same as if each had come once:
it depends on what lies in the inbox, and on nothing else. Run it every hour, and
before a report.

Of an object that the lake knows by name, its bytes are read and digested, and that is
all: nothing is trusted that does not follow from the content.`

func (a *app) reconcileCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reconcile [flags] INBOX...",
		Short: "take in what of an inbox the lake does not know, and analyze",
		Long:  reconcileLong,
		Example: `  servestat reconcile results/
  servestat reconcile --lake s3://lab/lake s3://lab/inbox
  servestat reconcile --lake s3://lab/lake s3://lab/inbox && servestat report weekly --lake s3://lab/lake --out s3://lab/reports --index`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("servestat reconcile s3://lab/inbox", "reconcile wants at least one INBOX, a folder or s3://bucket/prefix")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.reconcile(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.String("format", "text", "text or json")
	takeFlags(f)
	return cmd
}

func (a *app) reconcile(ctx context.Context, inboxes []string) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	opts, err := a.ingestOptions()
	if err != nil {
		return err
	}
	of, err := a.shard()
	if err != nil {
		return err
	}
	l, err := a.createLake()
	if err != nil {
		return err
	}
	var t tally
	for _, inbox := range inboxes {
		one, err := a.ingestPart(ctx, l, []string{inbox}, of, opts, nil)
		if errors.Is(err, fs.ErrNotExist) && bucket.Is(inbox) { // an empty prefix is no prefix
			a.term.infof("%v", err)
			err = nil
		}
		if err != nil {
			return err
		}
		t.merge(one)
	}
	r := reconciled{Uploads: t.uploads, Known: t.known, New: t.uploads - t.known, Quarantined: t.quarantined, Skipped: t.skipped, Runs: t.runs}
	if of.Count > 1 {
		a.term.infof("results are not brought up to date by one of %d processes: servestat analyze does it when all are done", of.Count)
	} else if err := a.analyzeAll(ctx, l, &r); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, "servestat.reconcile/1", map[string]any{
			"uploads": r.Uploads, "known": r.Known, "new": r.New, "quarantined": r.Quarantined, "skipped": r.Skipped, "runs": r.Runs, "units": r.Units, "reused": r.Reused,
		})
	}
	_, err = fmt.Fprintln(a.stdout, r)
	return err
}

// reconciled says what a reconcile found and did.
type reconciled struct {
	Uploads, Known, New, Quarantined, Skipped, Runs int
	Units, Reused                                   int // of analyses
}

func (r reconciled) String() string {
	text := fmt.Sprintf("%s in the inbox: %d in the lake already, %d new; %s", count(r.Uploads, "upload"), r.Known, r.New, count(r.Runs, "new run"))
	if r.Quarantined > 0 {
		text += fmt.Sprintf("; %d quarantined", r.Quarantined)
	}
	if r.Skipped > 0 {
		text += fmt.Sprintf("; %d skipped as no result", r.Skipped)
	}
	return text + fmt.Sprintf("\nanalyze: %s, %d reused", count(r.Units, "unit"), r.Reused)
}

// analyzeAll brings all results of the lake up to date.
func (a *app) analyzeAll(ctx context.Context, l *lake.Lake, r *reconciled) error {
	db, err := query.Open(ctx, l)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := a.update(ctx, db, "", schemas.AnalysisKinds())
	r.Units, r.Reused = done.Units, done.Reused
	return err
}

// ingestOptions reads how uploads are to be taken in.
func (a *app) ingestOptions() (ingest.Options, error) {
	labels, err := parseLabels(a.config.GetStringSlice("label"))
	return ingest.Options{Labels: labels, PathPattern: a.config.GetString("path-pattern")}, err
}

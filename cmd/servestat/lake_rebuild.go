package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/ingest"
)

const lakeRebuildLong = `Read the uploads that the lake keeps again, with the readers of this version of
servestat: what they make of a run replaces what earlier readers made, and what was
quarantined may be understood now. Identity, and the files that lay beside a result,
are taken as they were recorded when it came. Uploads that these readers have read
already are left alone.

With --into, everything is read into another lake, byte for byte the same as this
one where the readers are: without compactions, and without uploads of which
nothing says what they were read with. Exit code 3 where an upload could not be read
again for that reason, or because it is missing.`

func (a *app) lakeRebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebuild [flags]",
		Short: "read the kept uploads again with the readers of this version",
		Long:  lakeRebuildLong,
		Example: `  servestat lake rebuild
  servestat lake rebuild --into fresh-lake`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lakeRebuild(cmd.Context()) },
	}
	f := cmd.Flags()
	f.String("into", "", "the lake to read into, a folder or s3://bucket/prefix (default: the same)")
	f.String("format", "text", "text, or json: one new receipt a line on stdout")
	return cmd
}

func (a *app) lakeRebuild(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	from, err := a.openLake()
	if err != nil {
		return err
	}
	into := from
	if name := a.config.GetString("into"); name != "" {
		if into, err = a.createLakeAt(name); err != nil {
			return err
		}
	}
	receipts, err := from.Receipts()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, r := range receipts {
		total += r.Bytes
	}
	bar := a.term.bar("rebuild", total)
	defer bar.end()
	var t rebuildTally
	err = ingest.Rebuild(ctx, from, into, bar.add, func(r ingest.Rebuilt) {
		t.add(r)
		switch {
		case r.Faulty:
			a.term.warnf("%s: not read again: %s", r.SourceName, r.Left)
		case r.Report == nil:
			a.term.detailf("%s: %s", r.SourceName, r.Left)
		default:
			a.term.detailf("%s", r.Report.Summary())
			if asJSON && !r.Report.Known {
				_ = json.NewEncoder(a.stdout).Encode(told(r.Report))
			}
		}
	})
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintln(a.stdout, t)
	}
	if t.faulty > 0 {
		return &exitError{code: exitInvalid}
	}
	return nil
}

// A rebuildTally counts what became of kept uploads.
type rebuildTally struct {
	tally
	left, faulty int
}

func (t *rebuildTally) add(r ingest.Rebuilt) {
	switch {
	case r.Faulty:
		t.uploads++
		t.faulty++
	case r.Report == nil:
		t.uploads++
		t.left++
	default:
		t.tally.add(r.Report)
	}
}

func (t rebuildTally) String() string {
	text := fmt.Sprintf("%s: %s read again", count(t.uploads, "upload"), count(t.runs+t.again, "run"))
	for _, part := range []struct {
		n    int
		what string
	}{{t.left + t.known, "read by the same readers before"}, {t.quarantined, "quarantined"}, {t.faulty, "not read again"}} {
		if part.n > 0 {
			text += fmt.Sprintf("; %d %s", part.n, part.what)
		}
	}
	return text
}

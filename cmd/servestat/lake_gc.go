package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/schemas/lake"
)

const lakeGCLong = `Remove what no reader needs any more, and none has needed for the grace period:
blocks that a compaction holds, blocks of runs that another manifest supersedes,
and what interrupted processes left. Manifests, receipts and the uploads that they
name stay.

A reader goes on with the files that it saw when it began, so the grace period is
how long one may run. Nothing else may write to the lake while files are removed;
gc waits a minute for that. After blocks were removed that manifests name, versions
of servestat that do not know of compaction refuse the lake.`

func (a *app) lakeGCCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gc [flags]",
		Short: "remove what no reader needs any more",
		Long:  lakeGCLong,
		Example: `  servestat lake gc --dry-run
  servestat lake gc --grace 1h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lakeGC(cmd.Context()) },
	}
	f := cmd.Flags()
	f.Duration("grace", 24*time.Hour, "how long a file must have been of no use")
	f.Bool("dry-run", false, "only say what would be removed")
	f.String("format", "text", "text, or json: one file a line on stdout")
	return cmd
}

func (a *app) lakeGC(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	grace := a.config.GetDuration("grace")
	if grace < 0 {
		return usagef("", "--grace %s: want a duration of 0 or more", grace)
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	var found []lake.Garbage
	verb := "removed"
	if a.config.GetBool("dry-run") {
		verb = "would remove"
		found, err = l.Garbage(time.Now(), grace)
	} else {
		found, err = a.collect(ctx, l, grace)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(x, y lake.Garbage) int { return strings.Compare(x.Name, y.Name) })
	var bytes int64
	for _, g := range found {
		bytes += g.Bytes
		if asJSON {
			if err := json.NewEncoder(a.stdout).Encode(g); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%s  %s  %s\n", g.Name, bytesText(uint64(g.Bytes)), g.Why)
	}
	if !asJSON {
		fmt.Fprintf(a.stdout, "%s %s, %s\n", verb, count(len(found), "file"), bytesText(uint64(bytes)))
	}
	return nil
}

// collect removes what is of no use, and says how far it is.
func (a *app) collect(ctx context.Context, l *lake.Lake, grace time.Duration) ([]lake.Garbage, error) {
	bar := a.term.bar("gc", 0)
	defer func() { bar.end() }()
	return l.Collect(ctx, time.Now(), grace, func(what string, bytes int64) func(int64) {
		bar.end()
		bar = a.term.bar("gc: "+what, bytes)
		return bar.add
	})
}

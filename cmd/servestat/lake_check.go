package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/ingest/upkeep"
)

const lakeCheckLong = `Read everything in the lake and say what is missing or damaged: every manifest,
compaction, checkpoint and receipt and what it names; every block, by size, digest
and each of its values; every kept upload, by the digest of its decompressed bytes.
Files that nothing names, which an interrupted process may leave, are listed and no
fault: servestat lake gc removes them. Exit code 3 where something is missing or
damaged.`

func (a *app) lakeCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "read everything, and say what is missing or damaged",
		Long:  lakeCheckLong,
		Example: `  servestat lake check
  servestat lake check --format json | jq .faults`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lakeCheck(cmd.Context()) },
	}
	cmd.Flags().String("format", "text", "text or json")
	return cmd
}

func (a *app) lakeCheck(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(upkeepMemory)
	bar := a.term.bar("check", 0) // until it is known how much there is to read
	h, err := upkeep.Check(ctx, l, func(total int64) { bar = a.term.bar("check", total) }, func(n int64) { bar.add(n) })
	bar.end()
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(h); err != nil {
			return err
		}
	} else {
		a.printHealth(h)
	}
	if !h.Whole() {
		return &exitError{code: exitInvalid}
	}
	return nil
}

func (a *app) printHealth(h *upkeep.Health) {
	for _, f := range h.Faults {
		fmt.Fprintf(a.stdout, "%s  %s: %s", f.What, f.Name, f.Why)
		if f.Of != "" {
			fmt.Fprintf(a.stdout, " (of %s)", f.Of)
		}
		fmt.Fprintln(a.stdout)
	}
	for _, o := range h.Orphans {
		fmt.Fprintf(a.stdout, "orphan   %s: %s\n", o.Name, o.Why)
	}
	verdict := "whole"
	if !h.Whole() {
		verdict = count(len(h.Faults), "fault")
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s, %s, %s, %s read (%s)", verdict,
		count(h.Runs, "run"), count(h.Manifests, "manifest"), count(h.Receipts, "receipt"),
		count(h.Blocks, "block"), count(h.Uploads, "upload"), bytesText(uint64(h.Bytes)))
	if n := len(h.Orphans); n > 0 {
		fmt.Fprintf(a.stdout, "; %s", count(n, "orphan"))
	}
	fmt.Fprintln(a.stdout)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/ingest/upkeep"
	"github.com/servestat/servestat/schemas/lake"
)

const lakeCompactLong = `Merge the small blocks of each table and day into blocks of up to --target
megabytes, ordered by model, hardware, runtime version, max concurrency and run.
Readers are not disturbed: they see the same rows before, during and after, and
the old blocks stay until servestat lake gc removes them. The same lake gives the
same bytes.`

func (a *app) lakeCompactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact [flags]",
		Short: "merge small blocks into larger ones",
		Long:  lakeCompactLong,
		Example: `  servestat lake compact
  servestat lake compact --target 256`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lakeCompact(cmd.Context()) },
	}
	f := cmd.Flags()
	f.Int("target", upkeep.DefaultTarget>>20, "megabytes (2^20 bytes) of a compacted block")
	f.String("format", "text", "text, or json: one compaction a line on stdout")
	return cmd
}

func (a *app) lakeCompact(ctx context.Context) error {
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	target := int64(a.config.GetInt("target")) << 20
	if target <= 0 {
		return usagef("", "--target %d: want megabytes, 1 or more", a.config.GetInt("target"))
	}
	l, err := a.openLake()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(upkeepMemory)
	bar := a.term.bar("compact", 0) // until the plan says how much there is to do
	c, err := upkeep.Plan(ctx, l, upkeep.Options{Target: target, Progress: func(n int64) { bar.add(n) }})
	if err != nil {
		return err
	}
	var total int64
	for _, m := range c.Merges() {
		total += m.Bytes
	}
	bar = a.term.bar("compact", total)
	defer bar.end()
	var t compactTally
	err = c.Run(ctx, func(m *upkeep.Merge, comp *lake.Compaction) {
		t.add(m, comp)
		a.term.detailf("%s of %s: %d blocks into one of %s", m.Table, m.Day, m.Blocks, bytesText(uint64(comp.Block.Bytes)))
		if asJSON {
			_ = json.NewEncoder(a.stdout).Encode(comp)
		}
	})
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintln(a.stdout, t)
	}
	return nil
}

// A compactTally counts what was merged.
type compactTally struct {
	before, after         int
	bytesBefore, bytesNow int64
}

func (t *compactTally) add(m *upkeep.Merge, c *lake.Compaction) {
	t.before, t.bytesBefore = t.before+m.Blocks, t.bytesBefore+m.Bytes
	t.after, t.bytesNow = t.after+1, t.bytesNow+c.Block.Bytes
}

func (t compactTally) String() string {
	if t.after == 0 {
		return "nothing to compact"
	}
	return fmt.Sprintf("%s (%s) into %s (%s); servestat lake gc removes the old ones",
		count(t.before, "block"), bytesText(uint64(t.bytesBefore)), count(t.after, "block"), bytesText(uint64(t.bytesNow)))
}

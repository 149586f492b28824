package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/quantile"
	"github.com/servestat/servestat/schemas/simulate"
)

// A fleet is what a lake of many models on many kinds of hardware is simulated
// from: two versions, every level on every server start.
type fleet struct {
	models, hardware, levels, starts int
	requests, outputLen              int // of a run: as many tokens as requests × (outputLen-1)
	// apart leaves every run in blocks of its own, as ingest does.
	apart bool
}

func (f fleet) cells() int  { return f.models * f.hardware * f.levels }
func (f fleet) runs() int   { return 2 * f.starts * f.cells() }
func (f fleet) tokens() int { return f.runs() * f.requests * (f.outputLen - 1) }

// write publishes the fleet's runs. Requests, cells and runs lie in one block a
// table and version, as compaction leaves them once it has pruned what it replaced,
// unless they are to be apart; every run has its tokens in a block of its own.
func (f fleet) write(b testing.TB, dir string) {
	b.Helper()
	l, err := lake.CreateTemporary(dir)
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i, version := range []string{"0.19.0", "0.20.0"} {
		f.writeVersion(b, s, version, time.Date(2026, 11, 10+7*i, 2, 0, 0, 0, time.UTC))
	}
	if _, err := s.Checkpoint(1); err != nil {
		b.Fatal(err)
	}
}

func (f fleet) writeVersion(b testing.TB, s *lake.Session, version string, day time.Time) {
	var runs []*schemas.Run
	var requests []*schemas.RequestRow
	var cells []*schemas.Cell
	var tokens []lake.Block
	made := make([]fleetRun, f.runs()/2)
	var wg sync.WaitGroup
	for worker := range runtime.NumCPU() {
		wg.Go(func() {
			for i := worker; i < len(made); i += runtime.NumCPU() {
				made[i] = f.run(b, s, version, day, i)
			}
		})
	}
	wg.Wait()
	for _, m := range made {
		runs, requests, cells, tokens = append(runs, m.run), append(requests, m.requests...), append(cells, m.cells...), append(tokens, m.tokens)
	}
	date := day.Format(time.DateOnly)
	if f.apart {
		for i, m := range made {
			commitApart(b, s, date, m, tokens[i])
		}
		return
	}
	compacted := []*lake.Compaction{
		{Table: "runs", Day: date, Block: putTable(b, s, schemas.RunsTable, date, runs)},
		{Table: "requests", Day: date, Block: putTable(b, s, schemas.RequestsTable, date, requests)},
		{Table: "cells", Day: date, Block: putTable(b, s, schemas.CellsTable, date, cells)},
	}
	for i, m := range made {
		commitCompacted(b, s, m, compacted, tokens[i])
	}
	for _, c := range compacted {
		if _, err := s.PublishCompaction(c); err != nil {
			b.Fatal(err)
		}
	}
}

// commitApart publishes a run in blocks of its own.
func commitApart(b testing.TB, s *lake.Session, date string, m fleetRun, tokens lake.Block) {
	blocks := []lake.Block{
		putTable(b, s, schemas.RunsTable, date, []*schemas.Run{m.run}), putTable(b, s, schemas.RequestsTable, date, m.requests), putTable(b, s, schemas.CellsTable, date, m.cells), tokens,
	}
	manifest := &lake.Manifest{
		RunID: m.run.ID, ContentDigest: m.run.ContentDigest, UploadSHA256: m.run.UploadSHA256, SourceName: m.run.SourceName, ParserVersion: m.run.ParserVersion,
		Identity: "fleet", Blocks: blocks,
	}
	if _, err := s.Commit(manifest); err != nil {
		b.Fatal(err)
	}
}

// commitCompacted publishes the manifest of a run whose blocks, its tokens apart,
// are parts of compacted ones.
func commitCompacted(b testing.TB, s *lake.Session, m fleetRun, compacted []*lake.Compaction, tokens lake.Block) {
	manifest := &lake.Manifest{
		Schema: "servestat.manifest/1", RunID: m.run.ID, ContentDigest: m.run.ContentDigest, UploadSHA256: m.run.UploadSHA256,
		SourceName: m.run.SourceName, ParserVersion: m.run.ParserVersion, Identity: "fleet", Blocks: []lake.Block{tokens},
	}
	for _, c := range compacted {
		rows := map[string]int{"runs": 1, "requests": len(m.requests), "cells": len(m.cells)}[c.Table]
		sum := sha256.Sum256([]byte(c.Table + m.run.ID))
		part := lake.Part{Key: m.run.ID, SHA256: hex.EncodeToString(sum[:]), Rows: int64(rows)}
		c.Parts = append(c.Parts, part)
		manifest.Blocks = append(manifest.Blocks, lake.Block{Table: c.Table, Name: lake.BlockName(c.Table, c.Day, part.SHA256), SHA256: part.SHA256, Rows: part.Rows})
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Put(manifest.Name(), text); err != nil {
		b.Fatal(err)
	}
}

func putTable[T any](b testing.TB, s *lake.Session, t *schemas.Table[T], date string, rows []*T) lake.Block {
	blob, err := s.Create()
	if err != nil {
		b.Fatal(err)
	}
	defer blob.Discard()
	n, err := columnar.WriteTable(blob, t, slices.Values(rows))
	if err != nil {
		b.Fatal(err)
	}
	return putBlob(b, blob, t.Name, date, n)
}

func putBlob(b testing.TB, blob *lake.Blob, table, date string, rows int64) lake.Block {
	sha := blob.SHA256()
	block := lake.Block{Table: table, Name: lake.BlockName(table, date, sha), SHA256: sha, Bytes: blob.Size(), Rows: rows}
	if _, err := blob.Publish(block.Name); err != nil {
		b.Fatal(err)
	}
	return block
}

type fleetRun struct {
	run      *schemas.Run
	requests []*schemas.RequestRow
	cells    []*schemas.Cell
	tokens   lake.Block
}

// run is the i-th run of a version.
func (f fleet) run(b testing.TB, s *lake.Session, version string, day time.Time, i int) fleetRun {
	level, group, start := 1+i%f.levels, i/f.levels/f.starts, 1+i/f.levels%f.starts
	sweep := simulate.DefaultSweep()
	sweep.Seed, sweep.OutputLen = uint64(group), f.outputLen
	sweep.Model, sweep.Hardware = fmt.Sprintf("org/model-%02d", group/f.hardware), fmt.Sprintf("gpu-%02d", group%f.hardware)
	if group%37 == 5 {
		sweep.Changes = []simulate.Change{{Version: "0.20.0", Parameter: "itl", Factor: 1.06}}
	}
	cfg := sweep.LoadPoint(version, start, level)
	cfg.Requests = f.requests
	trace, err := simulate.Run(cfg)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%s %d", version, i))
	id := hex.EncodeToString(digest[:16])
	out := fleetRun{run: fleetIdentity(sweep, version, level, start, trace), cells: []*schemas.Cell{
		schemas.NewCell(id, "ttft"), schemas.NewCell(id, "itl"), schemas.NewCell(id, "tpot"), schemas.NewCell(id, "e2el"),
	}}
	out.run.ID, out.run.UploadSHA256, out.run.ContentDigest = id, hex.EncodeToString(digest[:]), hex.EncodeToString(digest[:])
	out.run.EndedAt = schemas.Some(day.Add(time.Duration(i)*time.Second + trace.Duration).Truncate(time.Second))
	blob, err := s.Create()
	if err != nil {
		b.Fatal(err)
	}
	defer blob.Discard()
	w, err := columnar.NewTokensWriter(blob, out.cells[1])
	if err != nil {
		b.Fatal(err)
	}
	for j := range trace.Requests {
		q := fleetRequest(j, &trace.Requests[j])
		out.requests = append(out.requests, &schemas.RequestRow{RunID: id, Request: q})
		out.cells[0].Add(q.TTFT.V)
		out.cells[2].Add(int64(q.TPOT().V + 0.5))
		out.cells[3].Add(q.E2EL.V)
		gaps := &schemas.Gaps{Request: j, FirstChunk: 1}
		for _, g := range trace.Requests[j].Gaps {
			gaps.Nanos = append(gaps.Nanos, int64(g))
		}
		if err := w.Append(gaps); err != nil {
			b.Fatal(err)
		}
	}
	n, err := w.Close(id)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range out.cells {
		middle, upto := c.Hist.Fine()
		at := func(p float64) schemas.Opt[float64] { return schemas.Some(quantile.HarrellDavis(middle, upto, p)) }
		c.P50, c.P95, c.P99 = at(0.50), at(0.95), at(0.99)
	}
	out.tokens = putBlob(b, blob, "tokens", day.Format(time.DateOnly), n)
	return out
}

func fleetRequest(i int, r *simulate.Request) *schemas.Request {
	return &schemas.Request{
		Index: i, Start: schemas.Some(int64(r.Start)), TTFT: schemas.Some(int64(r.TTFT)), E2EL: schemas.Some(int64(r.E2EL())),
		InputTokens: schemas.Some(int64(r.InputTokens)), OutputTokens: schemas.Some(int64(r.OutputTokens)), Chunks: schemas.Some(int64(len(r.Gaps) + 1)),
		Status: schemas.StatusOK,
	}
}

func fleetIdentity(s simulate.Sweep, version string, level, start int, tr simulate.Trace) *schemas.Run {
	sum := tr.Summary()
	number := func(v float64) string { return fmt.Sprintf("%.17g", v) }
	return &schemas.Run{
		SourceName: fmt.Sprintf("%s/%s/%s/c%d/run%d.json", s.Model, s.Hardware, version, level, start), ParserVersion: "1",
		Producer: "vllm bench serve", Dialect: "cli", Bench: "serve", Backend: schemas.Some("vllm"), Detailed: true, GapKind: schemas.ChunkGaps,
		DurationNS: schemas.Some(int64(tr.Duration)), Model: schemas.Some(s.Model), Tokenizer: schemas.Some(s.Model),
		NumPrompts: schemas.Some(int64(len(tr.Requests))), MaxConcurrency: schemas.Some(int64(level)),
		Runtime: schemas.Some("vllm"), RuntimeVersion: schemas.Some(version), Hardware: schemas.Some(s.Hardware),
		ServerStart: schemas.Some(fmt.Sprintf("%s-%s-%s-start%d", s.Model, s.Hardware, version, start)), Repeat: schemas.Some(int64(start)),
		Simulated: schemas.Some(true), EngineArgs: map[string]string{"max_num_seqs": "64", "tensor_parallel_size": "1"},
		Provenance: map[string]string{"runtime_version": "sidecar", "hardware": "sidecar", "server_start": "sidecar"},
		Requests:   schemas.Some(int64(len(tr.Requests))), Completed: schemas.Some(int64(sum.Completed)), Failed: schemas.Some(int64(0)), Suspect: schemas.Some(int64(0)),
		InputTokens: schemas.Some(int64(sum.InputTokens)), OutputTokens: schemas.Some(int64(sum.OutputTokens)), WorkloadDigest: schemas.Some("fleet"),
		Reported: map[string]string{
			"completed": fmt.Sprint(sum.Completed), "output_throughput": number(sum.OutputThroughput), "mean_ttft_ms": number(sum.TTFT.Mean), "median_ttft_ms": number(sum.TTFT.Median),
			"p99_ttft_ms": number(sum.TTFT.P99), "mean_itl_ms": number(sum.ITL.Mean), "median_itl_ms": number(sum.ITL.Median), "p99_itl_ms": number(sum.ITL.P99),
			"mean_tpot_ms": number(sum.TPOT.Mean), "median_tpot_ms": number(sum.TPOT.Median), "p99_tpot_ms": number(sum.TPOT.P99),
		},
	}
}

// BenchmarkWeeklyOfAFleet writes the weekly report over 10,000 load points of 50
// models on 20 kinds of hardware, in a process of its own, over a lake of a million
// tokens and over one of a hundred million.
//
//	go test ./cmd/servestat -run '^$' -bench Fleet -benchtime 1x
func BenchmarkWeeklyOfAFleet(b *testing.B) {
	var first float64 // CPU s with the fewest tokens
	for _, c := range []struct {
		name  string
		fleet fleet
	}{
		{"1e6-tokens", fleet{models: 50, hardware: 20, levels: 10, starts: 1, requests: 25, outputLen: 3}},
		{"1e8-tokens", fleet{models: 50, hardware: 20, levels: 10, starts: 1, requests: 25, outputLen: 201}},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "lake")
			c.fleet.write(b, dir)
			b.ResetTimer()
			var peak int64
			var cpu time.Duration
			for b.Loop() {
				p, used := weeklyProcess(b, dir)
				peak, cpu = max(peak, p), cpu+used
			}
			seconds, mib := b.Elapsed().Seconds()/float64(b.N), float64(peak)/(1<<20)
			b.ReportMetric(float64(c.fleet.cells()), "load-points")
			b.ReportMetric(float64(c.fleet.tokens()), "tokens")
			b.ReportMetric(mib, "peak-MiB")
			b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
			what := fmt.Sprintf("weekly report over %d load points, %s", c.fleet.cells(), c.name)
			printBar(b, what+": s", fmt.Sprintf("%.1f (%.1f CPU s)", seconds, cpu.Seconds()/float64(b.N)), "<= 10", seconds <= 10)
			printBar(b, what+": peak MiB", fmt.Sprintf("%.0f", mib), "<= 512", mib <= 512)
			first = cmp.Or(first, cpu.Seconds()/float64(b.N))
			ratio := cpu.Seconds() / float64(b.N) / first
			printBar(b, what+": CPU time over that with 1e6 tokens", fmt.Sprintf("%.2fx", ratio), "the same", ratio <= 1.3)
		})
	}
}

// printBar prints a row of the table that make bench ends with.
func printBar(b *testing.B, bar, figure, required string, met bool) {
	word := "not met"
	if met {
		word = "met"
	}
	b.Logf("bar: | %s | %s | %s | %s |", bar, figure, required, word)
}

// weeklyProcess writes the report in a process of its own and returns the most
// memory that it had, and its processor time.
func weeklyProcess(b *testing.B, dir string) (peak int64, cpu time.Duration) {
	cmd := exec.Command("servestat", "report", "weekly", "--lake", dir, "--out", filepath.Join(b.TempDir(), "report"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done, most := make(chan struct{}), make(chan int64)
	go func() { most <- peakMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	if peak = <-most << 20; err != nil {
		b.Fatalf("%v\n%s", err, strings.TrimSpace(out.String()))
	}
	return peak, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

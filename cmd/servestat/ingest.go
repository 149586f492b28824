package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

const ingestLong = `Take benchmark results into the lake: files, folders (walked whole), globs, - for
stdin, and s3://bucket/prefix, which is gone through like a folder. Files are told
by their content. gzip and zstd are unpacked; an archive (zip, tar, tar.gz, tar.zst,
also from stdin) is gone through like a folder. Ingesting
the same file twice changes nothing. A file that cannot be used is
quarantined with the reason, and the rest goes on: servestat rejects lists them.

A folder of inference-perf tells of each request in its list, in the file of its
stage and in the summary; one of them counts. Of several stages their files do,
for each is a load point; of one the list, which has the times of every request.

A result file does not say which server it measured. That is taken from, in
this order of authority:

  1. --label key=value, once or more
  2. servestat.yaml in the file's folder or above it
  3. --metadata keys that the benchmark wrote into the file
  4. the server log beside it (version banner, engine arguments)
  5. --path-pattern, e.g. '{runtime_version}/{hardware}/c{max_concurrency}/*'

What stays unknown is NULL, and said.

Server logs and telemetry (tegrastats, nvidia-smi, dcgmi, Prometheus scrapes,
engine counters as CSV) are taken in too, as tables log_events and samples; they
join with runs of the same server_start, which is looked up for them likewise.
One that is still written to may be taken in again and again under its name: what
begins with what the lake has of it is the same log, and no row counts twice.
Times without a year take it from the results beside them, those without a zone
from the label utc_offset: "+02:00" of a servestat.yaml.`

func (a *app) ingestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest [flags] PATH...",
		Short: "take benchmark results into the lake",
		Long:  ingestLong,
		Example: `  servestat ingest results/
  servestat ingest --label runtime_version=0.20.0 --label hardware=H100 results/*.json
  servestat ingest --path-pattern '{runtime_version}/c{max_concurrency}/run{repeat}.json' logs/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("servestat ingest results/", "ingest wants at least one PATH")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.ingest(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.Bool("relabel", false, "let this identity replace the one under which runs are known")
	f.Bool("strict", false, "exit 3 if anything was rejected")
	f.String("format", "text", "text, or json: one receipt a line on stdout")
	takeFlags(f)
	return cmd
}

// takeFlags say how uploads are taken in.
func takeFlags(f *pflag.FlagSet) {
	f.StringArray("label", nil, "identity or free label, key=value; may be repeated")
	f.String("path-pattern", "", "take identity out of paths, e.g. '{runtime_version}/c{max_concurrency}/*'")
	f.Int("jobs", 0, "files read at the same time; 0: one for each core")
	f.String("memory", bytesText(ingest.DefaultMemory), "what files read at the same time may need; one that needs more is read alone")
	limitFlags(f)
	shardFlag(f)
}

func (a *app) ingest(ctx context.Context, paths []string) error {
	opts, err := a.ingestOptions()
	if err != nil {
		return err
	}
	opts.Relabel = a.config.GetBool("relabel")
	of, err := a.shard()
	if err != nil {
		return err
	}
	asJSON, err := a.jsonFormat()
	if err != nil {
		return err
	}
	l, err := a.createLake()
	if err != nil {
		return err
	}
	tally, err := a.ingestPart(ctx, l, paths, of, opts, func(rep *ingest.Report) error {
		if asJSON {
			return json.NewEncoder(a.stdout).Encode(told(rep))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintln(a.stdout, tally)
	}
	return tally.verdict(a.config.GetBool("strict"))
}

// A toldReceipt is a receipt as it is printed: with what this time was.
type toldReceipt struct {
	*lake.Receipt
	Known    bool        `json:"known"` // the lake had the upload already: nothing was done
	New      ingest.News `json:"new"`   // what it did not have
	Warnings []string    `json:"warnings,omitempty"`
}

func told(rep *ingest.Report) toldReceipt {
	return toldReceipt{rep.Receipt, rep.Known, rep.News(), rep.Warnings}
}

// A tally counts what became of uploads.
type tally struct {
	uploads, runs, requests, gaps, known, again, quarantined, rejects, skipped int
	logEvents, samples, evals                                                  int
	had                                                                        lake.Observed // rows of logs, telemetry and judged answers
}

func (t tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s, %s", count(t.uploads, "file"), count(t.runs, "new run"), count(t.requests, "request"), count(t.gaps, "chunk gap"))
	if t.logEvents > 0 || t.samples > 0 {
		fmt.Fprintf(&b, ", %s, %s", count(t.logEvents, "log event"), count(t.samples, "sample"))
	}
	if t.evals > 0 {
		fmt.Fprintf(&b, ", %s", count(t.evals, "judged answer"))
	}
	if had := t.alreadyThere(); len(had) > 0 {
		fmt.Fprintf(&b, "; %s that the lake had already", strings.Join(had, ", "))
	}
	for _, part := range []struct {
		n    int
		what string
	}{{t.known, "in the lake already"}, {t.quarantined, "quarantined"}, {t.skipped, "skipped as no result"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, "; %d %s", part.n, part.what)
		}
	}
	return b.String()
}

// alreadyThere says what was taken in that the lake had, of other uploads.
func (t tally) alreadyThere() (parts []string) {
	for _, part := range []struct {
		n    int
		what string
	}{{t.again, "run"}, {int(t.had.LogEvents), "log event"}, {int(t.had.Samples), "sample"}, {int(t.had.Evals), "judged answer"}} {
		if part.n > 0 {
			parts = append(parts, count(part.n, part.what))
		}
	}
	return parts
}

// verdict is exit 3 where nothing at all could be used, or, when strict, where
// anything could not.
func (t tally) verdict(strict bool) error {
	if t.uploads == 0 && t.skipped > 0 {
		return invalidf("servestat ingest -v says of each file why it is none", "no benchmark result in what was given: %s skipped", count(t.skipped, "file"))
	}
	if t.uploads == 0 {
		return invalidf("a result is what vllm bench serve --save-result --save-detailed writes", "no benchmark result in what was given")
	}
	if t.quarantined == t.uploads || strict && (t.quarantined > 0 || t.rejects > 0) {
		return &exitError{code: exitInvalid}
	}
	return nil
}

// ingestInto takes paths into l, telling the person and each.
func (a *app) ingestInto(ctx context.Context, l *lake.Lake, paths []string, opts ingest.Options, each func(*ingest.Report) error) (tally, error) {
	return a.ingestPart(ctx, l, paths, ingest.Shard{}, opts, each)
}

// ingestPart is ingestInto for a part of what lies at paths.
func (a *app) ingestPart(ctx context.Context, l *lake.Lake, paths []string, of ingest.Shard, opts ingest.Options, each func(*ingest.Report) error) (t tally, err error) {
	found, err := a.find(ctx, paths, of)
	if err != nil {
		return t, err
	}
	defer found.Close()
	return a.ingestFound(ctx, l, found.uploads, found.skipped, opts, each)
}

// ingestFound takes what was found into l, telling the person and each.
func (a *app) ingestFound(ctx context.Context, l *lake.Lake, uploads []ingest.Upload, skipped []ingest.Skipped, opts ingest.Options,
	each func(*ingest.Report) error) (t tally, err error) {
	if opts.Limits, err = a.limits(); err != nil {
		return t, err
	}
	if opts.Jobs, opts.Memory, err = a.resources(); err != nil {
		return t, err
	}
	skip := func(s ingest.Skipped) {
		t.skipped++
		a.term.detailf("skipped %s: %s", s.Name, s.Why)
	}
	for _, s := range skipped {
		skip(s)
	}
	total := int64(0)
	for _, u := range uploads {
		total += u.Size
	}
	progress := a.term.bar("ingest", total)
	defer progress.end()
	opts.Progress = progress.add
	in, err := ingest.New(l, opts)
	if err != nil {
		return t, usagef("", "%w", err)
	}
	defer in.Close()
	defer collectEarly()()
	err = in.IngestAll(ctx, uploads, skip, func(rep *ingest.Report) error {
		t.add(rep)
		progress.say(count(t.requests, "request"))
		a.tell(rep)
		if each == nil {
			return nil
		}
		return each(rep)
	})
	return t, err
}

// A found is what lies where uploads were said to be.
type found struct {
	uploads []ingest.Upload
	skipped []ingest.Skipped
	inboxes []*ingest.Inbox
}

// Close forgets what stands for buckets.
func (f *found) Close() error {
	var err error
	for _, b := range f.inboxes {
		err = errors.Join(err, b.Close())
	}
	return err
}

// find lists the uploads of a shard, in files, folders and buckets.
func (a *app) find(ctx context.Context, paths []string, of ingest.Shard) (*found, error) {
	f := &found{}
	for _, p := range paths {
		if err := f.add(ctx, a, p, of); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

func (f *found) add(ctx context.Context, a *app, p string, of ingest.Shard) error {
	if !bucket.Is(p) {
		uploads, skipped, err := ingest.Find([]string{p}, a.stdin)
		f.skipped = append(f.skipped, skipped...)
		for _, up := range uploads {
			if of.Has(up.Name) {
				f.uploads = append(f.uploads, up)
			}
		}
		return err
	}
	b, err := a.bucketAt(p)
	if err != nil {
		return err
	}
	inbox, err := ingest.OpenInbox(ctx, b.At(""), b.At("").String(), b.Prefix)
	if err != nil {
		return err
	}
	f.inboxes = append(f.inboxes, inbox)
	uploads, skipped, err := inbox.Find(ctx, of.Of(inbox.Names()))
	f.uploads, f.skipped = append(f.uploads, uploads...), append(append(f.skipped, inbox.Skipped...), skipped...)
	return err
}

// collectEarly has garbage collected early until its result is called: while uploads
// are read what lives is small and what is allocated is large, so that it costs little
// and keeps the peak of a file of 5 GB near what it needs. Not earlier, though, than every
// dozen MiB: with small uploads, of which hardly anything lives, a quarter of the time went
// there. Memory that nobody touches, which is to the collector as if it lived, sees to that.
func collectEarly() (restore func()) {
	untouched := make([]byte, 24<<20)
	percent := debug.SetGCPercent(40)
	return func() {
		debug.SetGCPercent(percent)
		runtime.KeepAlive(untouched)
	}
}

// resources reads how many files may be read at the same time, and in how much
// memory.
func (a *app) resources() (jobs int, memory int64, err error) {
	if jobs = a.config.GetInt("jobs"); jobs < 0 {
		return 0, 0, usagef("--jobs 2", "--jobs %d: want a number of files, or 0 for one for each core", jobs)
	}
	memory, err = a.bytes("memory")
	return jobs, memory, err
}

func (t *tally) merge(o tally) {
	t.uploads, t.runs, t.requests, t.gaps = t.uploads+o.uploads, t.runs+o.runs, t.requests+o.requests, t.gaps+o.gaps
	t.known, t.quarantined, t.rejects, t.skipped = t.known+o.known, t.quarantined+o.quarantined, t.rejects+o.rejects, t.skipped+o.skipped
	t.logEvents, t.samples, t.evals, t.again = t.logEvents+o.logEvents, t.samples+o.samples, t.evals+o.evals, t.again+o.again
	t.addHad(o.had)
}

func (t *tally) addHad(o lake.Observed) {
	t.had.LogEvents, t.had.Samples, t.had.Evals = t.had.LogEvents+o.LogEvents, t.had.Samples+o.Samples, t.had.Evals+o.Evals
}

func (t *tally) add(rep *ingest.Report) {
	t.rejects += len(rep.Rejects)
	if rep.Archive && rep.Quarantined == "" { // its members are the uploads
		return
	}
	t.uploads++
	if rep.Quarantined != "" {
		t.quarantined++
	}
	if rep.Known {
		t.known++
		return
	}
	fresh := rep.News()
	t.again += len(rep.Runs) - int(fresh.Runs)
	t.runs, t.requests, t.gaps = t.runs+int(fresh.Runs), t.requests+int(fresh.Requests), t.gaps+int(fresh.Gaps)
	t.logEvents, t.samples, t.evals = t.logEvents+int(fresh.LogEvents), t.samples+int(fresh.Samples), t.evals+int(fresh.Evals)
	t.addHad(rep.Had())
}

// tell says on stderr what the person should know about an upload.
func (a *app) tell(rep *ingest.Report) {
	if rep.Quarantined != "" {
		a.term.warnf("%s", rep.Summary())
	} else {
		a.term.detailf("%s", rep.Summary())
	}
	const shown = 3
	for i, r := range rep.Rejects {
		if i == shown {
			a.term.warnf("%s: %d more rejects; servestat rejects lists them", rep.SourceName, len(rep.Rejects)-shown)
			break
		}
		switch {
		case rep.Archive:
			a.term.warnf("%s: %s", rejectedFile(rep.Receipt, r), r.Reason)
		case r.Fatal:
		case r.Offset < 0: // of what has rows instead of bytes
			a.term.warnf("%s: %s", rep.SourceName, r.Reason)
		default:
			a.term.warnf("%s: byte %d: %s", rep.SourceName, r.Offset, r.Reason)
		}
		if r.Hint != "" {
			a.term.hintf("%s", r.Hint)
		}
	}
	for _, w := range rep.Warnings {
		a.term.warnf("%s", w)
	}
}

func parseLabels(texts []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--label runtime_version=0.20.0", "label %q: want key=value", text)
		}
		if err := ingest.CheckLabel(key, value); err != nil {
			return nil, usagef("", "%w", err)
		}
		labels[key] = value
	}
	return labels, nil
}

// jsonFormat reads --format of the commands that know text and json.
func (a *app) jsonFormat() (bool, error) {
	switch f := a.config.GetString("format"); f {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, usagef("", "--format %s: want text or json", f)
	}
}

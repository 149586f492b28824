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

Of a file that the lake knows by name, its bytes are read and digested, and that is all.
Of an inbox in a bucket, what was gone through once is not even read while its listing
is the same: names, sizes and ETags of all that lies in one folder at the top of the
inbox and at the top itself, under the same options, by the same build of servestat. So
an inbox of a folder a night costs a listing and the new folder. --all reads everything
again.`

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
	f.Bool("all", false, "read also what has not changed in a bucket since it was gone through")
	takeFlags(f)
	engineFlags(f, engineMemory)
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
		one, err := a.goThrough(ctx, l, inbox, of, opts)
		if errors.Is(err, fs.ErrNotExist) && bucket.Is(inbox) { // an empty prefix is no prefix
			a.term.infof("%v", err)
			err = nil
		}
		if err != nil {
			return err
		}
		t.merge(one)
	}
	r := reconciled{Uploads: t.uploads, Known: t.known, New: t.uploads - t.known, Quarantined: t.quarantined, Skipped: t.skipped, Runs: t.runs, Again: t.again}
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

// goThrough takes in what of an inbox the lake does not know.
func (a *app) goThrough(ctx context.Context, l *lake.Lake, uri string, of ingest.Shard, opts ingest.Options) (t tally, err error) {
	if !bucket.Is(uri) {
		return a.ingestPart(ctx, l, []string{uri}, of, opts, nil)
	}
	if opts.Limits, err = a.limits(); err != nil {
		return t, err
	}
	at, err := a.bucketAt(uri)
	if err != nil {
		return t, err
	}
	inbox, err := ingest.OpenInbox(ctx, at.At(""), at.At("").String(), at.Prefix)
	if err != nil {
		return t, err
	}
	defer inbox.Close()
	g := &going{a: a, inbox: inbox, place: opts.Place(at.URI(), of)}
	if !a.config.GetBool("all") {
		if g.before, err = l.Settled(g.place); err != nil {
			return t, err
		}
	}
	names := g.unsettled(inbox.Parts(of), &t)
	if len(names) == 0 {
		return t, nil
	}
	uploads, skipped, err := inbox.Find(ctx, names)
	if err != nil {
		return t, err
	}
	skipped = append(skipped, g.ofPending(inbox.Skipped)...)
	for _, s := range skipped {
		g.count(s.Name, func(c *lake.SettledPart) { c.Skipped++ })
	}
	taken, err := a.ingestFound(ctx, l, uploads, skipped, opts, g.took)
	if err != nil {
		return t, err
	}
	t.merge(taken)
	return t, g.settle(l)
}

// A going is one way through an inbox in a bucket.
type going struct {
	a       *app
	inbox   *ingest.Inbox
	place   string
	before  *lake.Settled
	pending []ingest.Part
	counts  map[string]lake.SettledPart // of pending parts, by name
}

// unsettled counts what is settled, and gives the names of what is not.
func (g *going) unsettled(parts []ingest.Part, t *tally) (names []string) {
	g.counts = map[string]lake.SettledPart{}
	same := 0
	for _, p := range parts {
		var known lake.SettledPart
		if g.before != nil {
			known = g.before.Parts[p.Name]
		}
		if known.Print == "" || known.Print != p.Print && known.Print != p.Coupled {
			g.pending = append(g.pending, p)
			g.counts[p.Name] = lake.SettledPart{}
			names = append(names, p.Names...)
			continue
		}
		same++
		t.uploads, t.known = t.uploads+known.Uploads, t.known+known.Uploads
		t.quarantined, t.skipped = t.quarantined+known.Quarantined, t.skipped+known.Skipped
	}
	if same > 0 {
		g.a.term.infof("not changed, and not read again: %s of the inbox", count(same, "part"))
	}
	return names
}

// ofPending leaves out what was skipped, and counted, before.
func (g *going) ofPending(all []ingest.Skipped) (skipped []ingest.Skipped) {
	for _, s := range all {
		if _, ok := g.counts[g.inbox.PartOf(s.Name)]; ok {
			skipped = append(skipped, s)
		}
	}
	return skipped
}

// took counts an upload.
func (g *going) took(rep *ingest.Report) error {
	if rep.Archive && rep.Quarantined == "" {
		return nil
	}
	g.count(rep.SourceName, func(c *lake.SettledPart) {
		c.Uploads++
		if rep.Quarantined != "" {
			c.Quarantined++
		}
	})
	return nil
}

func (g *going) count(name string, add func(*lake.SettledPart)) {
	part := g.inbox.PartOf(name)
	c := g.counts[part]
	add(&c)
	g.counts[part] = c
}

// settle keeps what is known now, if all could be read.
func (g *going) settle(l *lake.Lake) error {
	if n := g.inbox.Faults(); n > 0 {
		g.a.term.infof("%s could not be read: the next reconcile reads again what this one read", count(n, "object"))
		return nil
	}
	for _, p := range g.pending {
		c := g.counts[p.Name]
		if c.Print = p.Print; g.inbox.Coupled(p) {
			c.Print = p.Coupled
		}
		if c.Print == "" { // the store does not tell versions
			return nil
		}
		g.counts[p.Name] = c
	}
	return l.Settle(g.inbox.Settling(g.place, g.before, g.counts))
}

// reconciled says what a reconcile found and did.
type reconciled struct {
	Uploads, Known, New, Quarantined, Skipped int
	Runs, Again                               int // new ones, and those that the lake had of other uploads
	Units, Reused                             int // of analyses
}

func (r reconciled) String() string {
	text := fmt.Sprintf("%s in the inbox: %d in the lake already, %d new; %s", count(r.Uploads, "upload"), r.Known, r.New, count(r.Runs, "new run"))
	if r.Again > 0 {
		text += fmt.Sprintf("; %s that the lake had already", count(r.Again, "run"))
	}
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
	limits, err := a.engine()
	if err != nil {
		return err
	}
	db, err := query.OpenLimited(ctx, l, limits)
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

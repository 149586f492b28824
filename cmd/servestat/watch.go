package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

const watchLong = `Look into a folder again and again, and take in what has come: as servestat ingest
DIR does, and then servestat analyze. A file is taken when its size and its time have
stood still for --settle, so that one that is being written is left alone. Where a
server log or a servestat.yaml comes later than the results that it tells of, those
are read again.

What was taken is known by its content, from the lake, and not from anything that
watch keeps: started again, it takes up where it stood. Whatever was written and
removed between two looks is missed.

It ends with Ctrl-C or SIGTERM; with --once, after one look and, where files are
still young, one more.`

func (a *app) watchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [flags] DIR",
		Short: "take in and analyse what comes into a folder",
		Long:  watchLong,
		Example: `  servestat watch results/
  servestat watch --every 1m --settle 2m --label hardware=H100 /srv/inbox
  servestat watch --once results/`,
		Args: exactArgs(1, "a DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), args[0]) },
	}
	f := cmd.Flags()
	f.Duration("every", 5*time.Second, "how often to look")
	f.Duration("settle", 5*time.Second, "how long a file must have stood still")
	f.Bool("once", false, "end when what is there now has been taken")
	f.StringArray("label", nil, "identity or free label, key=value; may be repeated")
	f.String("path-pattern", "", "take identity out of paths, e.g. '{runtime_version}/c{max_concurrency}/*'")
	f.String("format", "text", "text, or json: one receipt a line on stdout")
	f.Int("jobs", 0, "files read at the same time; 0: one for each core")
	f.String("memory", bytesText(ingest.DefaultMemory), "what files read at the same time may need; one that needs more is read alone")
	limitFlags(f)
	engineFlags(f, engineMemory)
	return cmd
}

func (a *app) watch(ctx context.Context, dir string) error {
	every, settle := a.config.GetDuration("every"), a.config.GetDuration("settle")
	if every <= 0 || settle < 0 {
		return usagef("--every 5s --settle 5s", "--every %v, --settle %v: want how often to look, and how long a file must have stood still", every, settle)
	}
	labels, err := parseLabels(a.config.GetStringSlice("label"))
	if err != nil {
		return err
	}
	if _, err := a.jsonFormat(); err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usagef("", "%s is no folder", dir)
	}
	root, err := filepath.EvalSymlinks(dir) // as what is found below it will be called
	if err != nil {
		return err
	}
	w := &watcher{
		a: a, dir: dir, root: root, settle: settle, seen: map[string]sighting{}, behind: true,
		opts: ingest.Options{Labels: labels, PathPattern: a.config.GetString("path-pattern")},
	}
	if a.config.GetBool("once") {
		return w.once(ctx)
	}
	a.term.infof("watching %s, into %s", dir, a.config.GetString("lake"))
	for {
		// What fails now (a full disk, a lake that is being tidied) is tried again.
		if err := w.look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.term.warnf("%v; trying again in %v", err, every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// A watcher knows which files of a folder it has offered to the lake. That is no
// state: who knows nothing offers all of them, and the lake knows what it has.
type watcher struct {
	a      *app
	dir    string // as it was given, by which uploads are known
	root   string // the same, without links
	settle time.Duration
	opts   ingest.Options
	seen   map[string]sighting
	behind bool // what is in the lake may not be analysed
}

// A sighting is a file as it was met.
type sighting struct {
	size    int64
	changed time.Time
	since   time.Time // when it was first met like that
	taken   bool
}

// once takes what is there, waiting for what is young.
func (w *watcher) once(ctx context.Context) error {
	if err := w.look(ctx, time.Now()); err != nil {
		return err
	}
	young := false
	for _, s := range w.seen {
		young = young || !s.taken
	}
	if !young {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(w.settle):
	}
	return w.look(ctx, time.Now())
}

// look takes in what has stood still since it came or changed, and analyses it.
func (w *watcher) look(ctx context.Context, now time.Time) error {
	t, err := w.takeDue(ctx, now)
	if err != nil || !w.behind {
		return err
	}
	return w.analyze(ctx, t)
}

func (w *watcher) takeDue(ctx context.Context, now time.Time) (t tally, err error) {
	if err := w.walk(now); err != nil {
		return t, err
	}
	due := map[string]bool{}
	for path, s := range w.seen {
		if !s.taken && w.still(s, now) {
			due[path] = true
		}
	}
	if len(due) == 0 {
		return t, nil
	}
	found, skipped, err := w.offer(due, now)
	if err != nil {
		return t, err
	}
	if len(found) > 0 {
		if t, err = w.take(ctx, found, skipped); err != nil {
			return t, err
		}
	}
	for path := range due {
		s := w.seen[path]
		s.taken = true
		w.seen[path] = s
	}
	return t, nil
}

// still reports whether a file has stood still: since it was met like that, or, by
// its own time, before.
func (w *watcher) still(s sighting, now time.Time) bool {
	return now.Sub(s.since) >= w.settle || now.Sub(s.changed) >= w.settle && !s.changed.After(now)
}

// walk brings what was seen up to date with the folder.
func (w *watcher) walk(now time.Time) error {
	there := map[string]sighting{}
	err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != w.root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "lake.json")); err == nil {
				return fs.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() { // gone meanwhile, or no file
			return nil
		}
		s := sighting{size: info.Size(), changed: info.ModTime(), since: now}
		if old, ok := w.seen[path]; ok && old.size == s.size && old.changed.Equal(s.changed) {
			s = old
		}
		there[path] = s
		return nil
	})
	if err != nil {
		return err
	}
	w.seen = there
	return nil
}

// offer finds the uploads among the files that are due, and those that one of them
// may tell something new of: what lies in its folder or below, and was taken before.
func (w *watcher) offer(due map[string]bool, now time.Time) ([]ingest.Upload, []ingest.Skipped, error) {
	found, skipped, err := ingest.Find([]string{w.dir}, nil)
	if err != nil {
		return nil, nil, err
	}
	results := map[string]bool{}
	for _, up := range found {
		results[up.Path] = !up.Tells
	}
	var told []string // folders
	for path := range due {
		if !results[path] {
			told = append(told, filepath.Dir(path)+string(filepath.Separator))
		}
	}
	var out []ingest.Upload
	for _, up := range found {
		s, ok := w.seen[up.Path]
		if ok && w.still(s, now) && (due[up.Path] || hasAnyPrefix(up.Path, told)) {
			out = append(out, up)
		}
	}
	return out, skipped, nil
}

func hasAnyPrefix(text string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

// take ends in ingest.
func (w *watcher) take(ctx context.Context, found []ingest.Upload, skipped []ingest.Skipped) (tally, error) {
	l, err := w.a.createLake()
	if err != nil {
		return tally{}, err
	}
	t, err := w.a.ingestFound(ctx, l, found, skipped, w.opts, func(rep *ingest.Report) error {
		if w.json() && !rep.Known {
			return json.NewEncoder(w.a.stdout).Encode(told(rep))
		}
		return nil
	})
	w.behind = w.behind || t.known < t.uploads
	return t, err
}

func (w *watcher) json() bool { return w.a.config.GetString("format") == "json" }

// analyze brings results up to date, and says what came in and what that touched.
func (w *watcher) analyze(ctx context.Context, t tally) error {
	if _, err := w.a.openLake(); errors.Is(err, lake.ErrNotLake) {
		return nil // nothing came in yet
	}
	var done analyze.Updated
	err := w.a.withLake(ctx, func(db *query.DB) (err error) {
		done, err = w.a.update(ctx, db, "", schemas.AnalysisKinds())
		return err
	})
	if err != nil {
		return err
	}
	w.behind = false
	if w.json() || t.known == t.uploads && done.Computed == 0 {
		return nil
	}
	_, err = fmt.Fprintf(w.a.stdout, "%s; analyze: %s, %d reused\n", t, count(done.Units, "unit"), done.Reused)
	return err
}

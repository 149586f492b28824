package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// Options say how uploads are taken in.
type Options struct {
	Labels      map[string]string // --label key=value
	PathPattern string            // from the configuration: {runtime_version}/c{max_concurrency}/…
	// Relabel lets this identity replace the one under which a run is known.
	Relabel bool
	Limits  Limits
	// Jobs is how many uploads are read at the same time; 0 means one for each core.
	Jobs int
	// Memory bounds what uploads that are read at the same time may need, in bytes;
	// 0 means [DefaultMemory]. One that needs more is read alone.
	Memory int64
	// Resources, where several Ingesters share them, stand in for Jobs and Memory.
	Resources *Resources
	// Progress is told how much of an upload is done, in bytes as stored: what it
	// is told adds up to the upload's size. It may be nil. It is called from
	// several goroutines.
	Progress func(bytes int64)
}

// An Ingester takes uploads into a lake. Uploads are prepared side by side and
// committed one after the other, in the order in which they were given, so that
// what comes of them does not depend on which was faster.
type Ingester struct {
	lake    *lake.Lake
	session *lake.Session
	opts    Options
	path    *pathPattern
	names   map[string][]*lake.Manifest // of uploads that the lake knows, by name
	lose    bool                        // uploads are not kept: to measure what keeping them costs

	lookAround sync.Mutex
	around     *surroundings

	resources *Resources

	committing sync.Mutex // one upload at a time
	// What commits know of each other.
	byDigest map[string][]*lake.Manifest
	parsers  map[string]string // by run: the parser of one of its manifests
}

// New returns an Ingester into l. Close it.
func New(l *lake.Lake, opts Options) (*Ingester, error) {
	for k, v := range opts.Labels {
		if err := CheckLabel(k, v); err != nil {
			return nil, err
		}
	}
	in := &Ingester{lake: l, opts: opts, names: map[string][]*lake.Manifest{}, around: newSurroundings(), byDigest: map[string][]*lake.Manifest{}, parsers: map[string]string{}}
	if in.resources = opts.Resources; in.resources == nil {
		in.resources = NewResources(opts.Jobs, opts.Memory)
	}
	if opts.PathPattern != "" {
		var err error
		if in.path, err = compilePath(opts.PathPattern); err != nil {
			return nil, err
		}
	}
	ms, err := l.Manifests()
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		in.byDigest[m.ContentDigest] = append(in.byDigest[m.ContentDigest], m)
		in.names[m.SourceName] = append(in.names[m.SourceName], m)
		in.parsers[m.RunID] = m.ParserVersion
	}
	if in.session, err = l.Begin(); err != nil {
		return nil, err
	}
	return in, nil
}

// Close gives up what was not published.
func (in *Ingester) Close() error { return in.session.Close() }

// A Report says what became of an upload.
type Report struct {
	*lake.Receipt
	Known    bool          // the lake had the upload already: nothing was done
	Archive  bool          // it is of an archive itself, of which something was refused
	New      []bool        // by run, where not known: false for one that the lake had, of another upload or parser
	had      lake.Observed // rows of an upload without runs that the lake had, of another upload, label or parser
	Warnings []string      // what the user should know about the runs
}

// Ingest takes one upload into the lake. A bad upload is no error: its receipt
// says that it was quarantined, and why. The error is for what stops everything:
// a full disk, a cancelled context.
func (in *Ingester) Ingest(ctx context.Context, up Upload) (*Report, error) {
	p, err := in.prepare(ctx, up)
	if err != nil {
		return nil, err
	}
	return in.commit(p)
}

// A prepared upload is in the lake with all its blocks, and nothing names them yet.
type prepared struct {
	*Report
	runs []*lake.Manifest // to be committed; one where it was observed
	fate *Upload          // the archive that there is something to say of, and nothing else
	// recorded is what is known of it from before, where it is read again.
	recorded *recorded
}

// prepare reads an upload. It may run beside others.
func (in *Ingester) prepare(ctx context.Context, up Upload) (*prepared, error) {
	defer up.within.release()
	m := &meter{tell: in.opts.Progress, size: int64(up.share * float64(up.Size)), stored: up.Size}
	defer m.to(1)
	if up.fate != nil {
		return &prepared{fate: &up}, nil
	}
	c := in.candidate(up)
	if old, err := in.known(ctx, c); err != nil || old != nil {
		return old, err
	}
	src, err := up.Open()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var blob *lake.Blob
	if !in.lose {
		if blob, err = in.session.CreateUnsummed(); err != nil {
			return nil, err
		}
		defer blob.Discard()
	}
	limits := in.opts.Limits.Limits
	limits.Unpacked = in.allowance(up.within)
	var r io.Reader = src
	tooLarge := limits.CheckStored(up.Size)
	if tooLarge != nil { // known before it is read: its beginning will do
		r = io.LimitReader(src, headSize)
	}
	unpack := archive.Decompress
	if up.recorded != nil { // it was unpacked when it came
		unpack = archive.Plain
	}
	pass := newPassage(&source{ctx: ctx, r: r, progress: m.read}, unpack, limits, blob)
	pass.tooLarge = tooLarge
	return in.prepareFrom(ctx, c, pass, m)
}

func (in *Ingester) prepareFrom(ctx context.Context, c *candidate, pass *passage, m *meter) (*prepared, error) {
	head := pass.head()
	if o, ok := detectObserved(head); ok {
		if err := pass.wait(c.up.within); err != nil {
			return nil, fmt.Errorf("%s: %w", c.up.Name, err)
		}
		return in.observe(ctx, c.up, &pass.rawUpload, o, m)
	}
	c.recognise(head)
	if err := in.keepBeside(c.beside); err != nil {
		_ = pass.wait(c.up.within)
		return nil, err
	}
	defer discard(c.beside)
	r := &reading{in: in, c: c, rep: &prepared{Report: &Report{}, recorded: c.up.recorded}, runs: newRunBuilder(in.session)}
	defer r.runs.discard()
	var several bool
	var err error
	if c.problem == nil && pass.tooLarge == nil {
		err = r.read(ctx, c.open(pass, c.up.Name, in.opts.Limits.reading()))
		if several = errors.Is(err, errSeveral); several {
			m.again()
		}
	}
	// What stopped the passage stopped the reader of records.
	if fault := pass.wait(c.up.within); fault != nil {
		return nil, fmt.Errorf("%s: %w", c.up.Name, fault)
	}
	pass.recall(c.up.recorded)
	if err != nil && !several {
		return nil, err
	}
	switch {
	case pass.over():
		c.problem = pass.damage
	case pass.damage != nil:
		c.problem = fmt.Errorf("cannot be read whole: %w", pass.damage)
	}
	receipt := in.newReceipt(c, pass.sha256, pass.size)
	receipt.Inputs = inputsOf(c.id, c.said, &pass.rawUpload, c.beside)
	if old, err := in.receipt(receipt); err != nil || old != nil {
		return old, err
	}
	r.rep.Receipt, r.upload, r.raw = receipt, pass.sha256, pass.Blob
	if err := r.publishAll(ctx, pass, several, m); err != nil {
		return nil, err
	}
	if c.problem != nil {
		receipt.Quarantined, receipt.Rejects = c.problem.Error(), nil
		return r.rep, nil
	}
	receipt.Rejects = r.rejects
	if pass.cut {
		r.rep.rejectCut(&pass.rawUpload)
	}
	r.rep.conclude()
	return r.rep, nil
}

// A candidate is an upload with what is known of it before its records are read.
type candidate struct {
	up      Upload
	id      *Identity
	said    error // by what lies around it
	problem error // what keeps it from being read: that, or what follows
	format
	beside []companion
}

// candidate collects the identity that the runs of an upload share. A faulty
// side-car is the upload's problem, and not the end of the others.
func (in *Ingester) candidate(up Upload) *candidate {
	c := &candidate{up: up, id: NewIdentity(), format: format{producer: &producer{}}}
	if up.recorded != nil {
		c.id, c.said = recordedIdentity(up.recorded.Inputs)
		c.problem = c.said
		return c
	}
	in.label(c.id, up)
	if in.path != nil {
		in.path.identify(c.id, up.plainName())
	}
	if up.Path != "" {
		in.lookAround.Lock()
		defer in.lookAround.Unlock()
		c.said = saidOf(up.within.said(in.around.identify(c.id, up)))
		c.problem = c.said
	}
	return c
}

// label sets what was said outright: of all uploads, and of this one.
func (in *Ingester) label(id *Identity, up Upload) {
	for _, labels := range []map[string]string{in.opts.Labels, up.Labels} {
		for k, v := range labels {
			id.Set(k, v, FromLabel)
		}
	}
}

// recognise takes the format from the first bytes.
func (c *candidate) recognise(head []byte) {
	f, ok := detect(head)
	if c.format = f; !ok && c.problem == nil {
		c.problem = errors.New("not a format that servestat knows: " + explain(head) + "; want a result of vllm bench, AIPerf, GuideLLM, SGLang, inference-perf or another benchmark client, see servestat ingest --help")
	}
	c.beside = f.besideOf(c.up)
}

func (in *Ingester) newReceipt(c *candidate, sha256 string, size int64) *lake.Receipt {
	return &lake.Receipt{
		UploadSHA256: sha256, SourceName: c.up.Name, Format: c.name, ParserVersion: c.parserVersion, Bytes: size,
		Context: c.id.digest(c.up.Name, c.parserVersion, fmt.Sprint(c.problem), digestOf(c.beside)+in.opts.Limits.changed()),
	}
}

// receipt returns what became of the upload before, if it came before.
func (in *Ingester) receipt(r *lake.Receipt) (*prepared, error) {
	old, err := in.lake.Receipt(r.UploadSHA256, r.Context)
	if err != nil || old == nil || in.opts.Relabel {
		return nil, err
	}
	return &prepared{Report: &Report{Receipt: old, Known: true}}, nil
}

// known looks whether the lake has the upload, where it has one of that name: to
// take the digest of a file costs a fraction of reading it.
func (in *Ingester) known(ctx context.Context, c *candidate) (*prepared, error) {
	if len(in.names[c.up.Name]) == 0 || c.up.Path == "" || in.opts.Relabel {
		return nil, nil
	}
	file, err := c.up.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	limits := in.opts.Limits.Limits
	limits.Unpacked = in.allowance(c.up.within)
	r, err := archive.Decompress(&source{ctx: ctx, r: file}, limits)
	if err != nil || limits.CheckStored(c.up.Size) != nil {
		return nil, nil // what is wrong with it is said where it is read
	}
	defer r.Close()
	sum, seen := newDigest(), *c
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	seen.recognise(head[:n])
	sum.Write(head[:n])
	if err == nil {
		_, err = io.CopyBuffer(sum, onlyReader{r}, make([]byte, 256<<10))
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, ctx.Err()
	}
	return in.receipt(in.newReceipt(&seen, sum.hex(), sum.size))
}

// errSeveral stops the first reading of an upload at the start of its second run.
var errSeveral = errors.New("the upload holds several runs")

// A reading is the way from an upload's records to its runs.
//
// Runs are named by the digest of their upload, which is not known before its
// end. The one run that most uploads hold waits for that, with its gaps written
// already. An upload of several is read again, from what was kept of it.
type reading struct {
	in      *Ingester
	c       *candidate
	rep     *prepared
	upload  string     // its digest; empty where it is not known yet
	raw     *lake.Blob // what was kept of it
	runs    *runBuilder
	rejects []lake.Reject
}

// read takes in records as far as the last run, which stays to be published.
func (r *reading) read(ctx context.Context, records recordReader) error {
	for records.Scan() {
		rec := records.Record()
		if reject, ok := rec.(*schemas.Reject); ok {
			r.reject(reject)
			continue
		}
		if r.runs.closed != nil {
			if r.upload == "" {
				return errSeveral
			}
			if err := r.publish(ctx); err != nil {
				return err
			}
		}
		if err := r.runs.add(rec); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil {
		return fmt.Errorf("%s: %w", r.c.up.Name, err)
	}
	return nil
}

func (r *reading) reject(rec *schemas.Reject) {
	r.rejects = addReject(r.rejects, rec)
	if rec.Fatal && r.runs.closed == nil {
		r.runs.discard()
	}
}

// publishAll puts the upload and what lies beside it into the lake, and meanwhile
// the blocks of its runs: the disk has most to do with the first, and the processor
// with the others.
func (r *reading) publishAll(ctx context.Context, pass *passage, several bool, m *meter) error {
	var keeping errgroup.Group
	if r.raw != nil && !pass.over() { // the part that was read of one that is too large is of no use
		r.rep.Raw = lake.RawName(pass.sha256)
		keeping.Go(func() error {
			_, err := r.raw.Publish(r.rep.Raw)
			return err
		})
	}
	keeping.Go(func() error { return publishBeside(r.c.beside) })
	var err error
	switch {
	case r.c.problem != nil: // quarantined
	case several:
		err = r.readAgain(ctx, m)
	default:
		err = r.publish(ctx)
	}
	return cmp.Or(keeping.Wait(), err)
}

// readAgain reads the upload from what was kept of it, now that its digest is
// known.
func (r *reading) readAgain(ctx context.Context, m *meter) error {
	if r.raw == nil {
		return fmt.Errorf("%s: %w, and was not kept to be read again", r.c.up.Name, errSeveral)
	}
	r.runs.discard()
	r.rejects = nil
	file, err := openRaw(ctx, r.raw.Path(), func(read int64) { m.to(0.5 + 0.5*float64(read)/float64(r.raw.Size())) })
	if err != nil {
		return err
	}
	defer file.Close()
	if err := r.read(ctx, r.c.open(file, r.c.up.Name, r.in.opts.Limits.reading())); err != nil {
		return err
	}
	return r.publish(ctx)
}

// publish puts the blocks of the run that is closed into the lake, if one is.
func (r *reading) publish(ctx context.Context) error {
	run := r.runs.closed
	if run == nil {
		return nil
	}
	defer r.runs.discard()
	run.ID = schemas.NewRunID(r.upload, r.runs.index)
	run.SourceName, run.UploadSHA256, run.ParserVersion = r.c.up.Name, r.upload, r.c.parserVersion
	for _, reject := range r.c.completed(run, r.c.beside) {
		r.reject(reject)
	}
	own := r.c.id.clone()
	own.addMetadata(run.Extra)
	own.fillAll()
	used := own.apply(run)
	blocks, entry, err := r.runs.publish(func() (*schemas.Cell, error) { return r.completedITL(ctx) })
	if err != nil {
		return err
	}
	r.rep.Runs = append(r.rep.Runs, entry)
	r.rep.runs = append(r.rep.runs, &lake.Manifest{
		RunID: run.ID, ContentDigest: run.ContentDigest, UploadSHA256: run.UploadSHA256, SourceName: run.SourceName,
		ParserVersion: run.ParserVersion, Identity: identityDigest(run, used), Known: len(used), Values: used, Blocks: blocks,
	})
	return nil
}

// maxRejects bounds what a hostile upload can make us keep.
const maxRejects = 1000

func addReject(rejects []lake.Reject, r *schemas.Reject) []lake.Reject {
	if len(rejects) >= maxRejects {
		return rejects
	}
	return append(rejects, lake.Reject{
		Offset: r.At.Offset, Run: r.At.Run, Request: r.At.Request, Reason: r.Reason, Hint: cmp.Or(hintOf(r.Reason), r.Hint), Fatal: r.Fatal,
	})
}

func (rep *Report) addReject(r *schemas.Reject) { rep.Rejects = addReject(rep.Rejects, r) }

// News counts what the lake did not have before an upload.
type News struct {
	Runs      int64 `json:"runs"`
	Requests  int64 `json:"requests"`
	Gaps      int64 `json:"gaps"`
	LogEvents int64 `json:"log_events,omitempty"`
	Samples   int64 `json:"samples,omitempty"`
	Evals     int64 `json:"evals,omitempty"`
}

// News returns what the lake did not have before the upload.
func (rep *Report) News() (n News) {
	if rep.Known {
		return n
	}
	for _, r := range rep.NewRuns() {
		n.Runs, n.Requests, n.Gaps = n.Runs+1, n.Requests+r.Requests, n.Gaps+r.Gaps
	}
	if o := rep.Observed; o != nil {
		n.LogEvents, n.Samples, n.Evals = o.LogEvents-rep.had.LogEvents, o.Samples-rep.had.Samples, o.Evals-rep.had.Evals
	}
	return n
}

// Had counts the rows of an upload without runs that the lake had before it.
func (rep *Report) Had() lake.Observed { return rep.had }

// NewRuns are the runs that the lake did not have.
func (rep *Report) NewRuns() []lake.RunEntry {
	var entries []lake.RunEntry
	for i, isNew := range rep.New {
		if isNew {
			entries = append(entries, rep.Runs[i])
		}
	}
	return entries
}

// conclude says of an upload whose runs were not all usable that it is
// quarantined.
func (rep *Report) conclude() {
	fatal := slices.IndexFunc(rep.Rejects, func(r lake.Reject) bool { return r.Fatal })
	switch {
	case fatal >= 0:
		r := rep.Rejects[fatal]
		rep.Quarantined = fmt.Sprintf("byte %d: %s", r.Offset, r.Reason)
	case len(rep.Runs) == 0:
		rep.Quarantined = "no run in it"
	}
}

// commit makes a prepared upload count: the manifest of each run, then the
// receipt. An upload that came twice at the same time is known the second time.
func (in *Ingester) commit(p *prepared) (*Report, error) {
	in.committing.Lock()
	defer in.committing.Unlock()
	if p.fate != nil {
		return in.ingestFate(*p.fate)
	}
	if p.Known {
		return p.Report, nil
	}
	if old, err := in.receipt(p.Receipt); err != nil || old != nil {
		return old.report(), err
	}
	for i, m := range p.runs {
		isNew := in.isNew(m)
		if p.Observed != nil {
			p.had = in.hadOf(m)
		}
		if err := in.commitRun(m, p); err != nil {
			return nil, err
		}
		if p.Observed != nil {
			p.Observed.Manifest = m.Name()
			continue
		}
		p.Runs[i].Manifest = m.Name()
		p.New = append(p.New, isNew)
	}
	return p.Report, in.session.PutReceipt(p.Receipt)
}

func (p *prepared) report() *Report {
	if p == nil {
		return nil
	}
	return p.Report
}

// isNew reports whether readers will see one run more for m: a sweep tells each of
// its runs in a file and again in a list, and a file may be copied.
func (in *Ingester) isNew(m *lake.Manifest) bool {
	_, read := in.parsers[m.RunID]
	return !read && len(in.byDigest[m.ContentDigest]) == 0
}

// hadOf counts the rows of an upload without runs that readers see already.
func (in *Ingester) hadOf(m *lake.Manifest) lake.Observed {
	others := in.byDigest[m.ContentDigest]
	if len(others) == 0 {
		return lake.Observed{}
	}
	seen := lake.Effective(others)[0]
	had := func(table string) int64 { return min(seen.Rows(table), m.Rows(table)) }
	return lake.Observed{LogEvents: had(schemas.LogEventsTable.Name), Samples: had(schemas.SamplesTable.Name), Evals: had(schemas.EvalsTable.Name)}
}

// commitRun publishes a run's manifest under its identity and warns where the
// lake knows the same run under another one.
func (in *Ingester) commitRun(m *lake.Manifest, p *prepared) error {
	if old, ok := in.parsers[m.RunID]; ok && old != m.ParserVersion {
		if err := in.session.Require(lake.Reparsed); err != nil {
			return err
		}
	}
	p.Warnings = append(p.Warnings, unsaid(m, in.byDigest[m.ContentDigest])...)
	for _, m.Revision = range in.revisionsOf(m, p.recorded) {
		if _, err := in.session.Commit(m); err != nil {
			return err
		}
		// It is there, whoever was first: a process that began after us, and died
		// before its receipt, too.
		if !slices.ContainsFunc(in.byDigest[m.ContentDigest], func(o *lake.Manifest) bool { return o.Name() == m.Name() }) {
			committed := *m
			in.byDigest[m.ContentDigest] = append(in.byDigest[m.ContentDigest], &committed)
		}
	}
	p.Warnings = append(p.Warnings, conflicts(m, in.byDigest[m.ContentDigest])...)
	return nil
}

// revisionsOf are those to commit m under.
func (in *Ingester) revisionsOf(m *lake.Manifest, again *recorded) []int {
	if again != nil && len(again.revisions[m.RunID]) > 0 {
		return again.revisions[m.RunID]
	}
	others := in.byDigest[m.ContentDigest]
	if in.opts.Relabel {
		return []int{nextRevision(others, m)}
	}
	if m.UploadBytes > 0 && len(others) > 0 {
		return []int{grownRevision(lake.Effective(others)[0], m)}
	}
	return []int{0}
}

// grownRevision is the revision of an upload without runs of which readers see
// another state now: the longest one counts, and of that what revisions do not
// decide.
func grownRevision(now, m *lake.Manifest) int {
	switch {
	case now.UploadBytes < m.UploadBytes:
		return now.Revision + 1
	case now.RunID == m.RunID:
		return now.Revision
	}
	return 0
}

// nextRevision is the least revision under which m is what readers see.
func nextRevision(others []*lake.Manifest, m *lake.Manifest) int {
	if len(others) == 0 {
		return 0
	}
	now := lake.Effective(others)[0]
	if now.Identity == m.Identity && now.RunID == m.RunID {
		return now.Revision
	}
	return now.Revision + 1
}

// unsaid warns where m goes on from what readers see now, and lacks what was said of
// that.
func unsaid(m *lake.Manifest, others []*lake.Manifest) []string {
	if m.UploadBytes == 0 || len(others) == 0 {
		return nil
	}
	now := lake.Effective(others)[0]
	if now.UploadBytes >= m.UploadBytes {
		return nil
	}
	var out []string
	for _, k := range sortedKeys(now.Values) {
		if _, ok := m.Values[k]; !ok && k != "near" {
			out = append(out, fmt.Sprintf("%s goes on from what the lake has of it, where %s=%s was said, and now is not: --label %s=%s says it of all of it",
				m.SourceName, k, now.Values[k], k, now.Values[k]))
		}
	}
	return out
}

// conflicts says where the identity that readers see contradicts m.
func conflicts(m *lake.Manifest, all []*lake.Manifest) []string {
	seen := lake.Effective(all)[0]
	if seen.Name() == m.Name() {
		return nil
	}
	var out []string
	for _, k := range sortedKeys(m.Values) {
		if other, ok := seen.Values[k]; ok && other != m.Values[k] {
			out = append(out, fmt.Sprintf("%s is in the lake already, from %s, with %s=%s instead of %s: that one counts; --relabel replaces it",
				m.SourceName, seen.SourceName, k, other, m.Values[k]))
		}
	}
	return out
}

// A meter tells how much of an upload is done.
type meter struct {
	tell   func(bytes int64)
	size   int64
	stored int64 // of which that is a share, where it is in an archive
	told   int64
	half   atomic.Bool // what is read now will be read again
}

// read says that so many bytes of the upload have been read.
func (m *meter) read(n int64) {
	if m.stored == 0 {
		return
	}
	share := float64(n) / float64(m.stored)
	if m.half.Load() {
		share /= 2
	}
	m.to(share)
}

// again says that the upload will be read a second time.
func (m *meter) again() { m.half.Store(true) }

// to says that a share of the upload, from 0 to 1, is done.
func (m *meter) to(share float64) {
	done := int64(min(share, 1) * float64(m.size))
	if m.tell == nil || m.size == 0 || done <= m.told {
		return
	}
	m.tell(done - m.told)
	m.told = done
}

// onlyReader hides WriteTo, which would make io.CopyBuffer bypass its buffer.
type onlyReader struct{ io.Reader }

// Summary is one line about a report.
func (rep *Report) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", rep.SourceName)
	switch {
	case rep.Known && rep.Quarantined != "":
		fmt.Fprintf(&b, "in quarantine already: %s", rep.Quarantined)
	case rep.Known:
		b.WriteString("in the lake already")
	case rep.Quarantined != "" && len(rep.Runs) == 0:
		fmt.Fprintf(&b, "quarantined: %s", rep.Quarantined)
	case rep.Archive:
		fmt.Fprintf(&b, "%d of its members were refused", len(rep.Rejects))
	case rep.Observed != nil:
		b.WriteString(rep.Observed.Rows())
		if had := rep.had; had != (lake.Observed{}) {
			fmt.Fprintf(&b, ", of which the lake had %s already", had.Rows())
		}
		if rep.Observed.Starts > 1 {
			fmt.Fprintf(&b, " of %d starts of a server", rep.Observed.Starts)
		}
		if !rep.Observed.ServerStartKnown {
			b.WriteString("; which server start is not known")
		}
	default:
		requests, gaps := int64(0), int64(0)
		for _, r := range rep.Runs {
			requests, gaps = requests+r.Requests, gaps+r.Gaps
		}
		fmt.Fprintf(&b, "%d runs, %d requests, %d chunk gaps", len(rep.Runs), requests, gaps)
		if again := len(rep.Runs) - len(rep.NewRuns()); again > 0 {
			fmt.Fprintf(&b, "; %d of the runs were in the lake already", again)
		}
		if rep.Quarantined != "" {
			fmt.Fprintf(&b, "; the rest is quarantined: %s", rep.Quarantined)
		}
	}
	return b.String()
}

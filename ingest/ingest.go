package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

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
	// Progress is told how much of an upload is done, in bytes as stored: what it
	// is told adds up to the upload's size. It may be nil.
	Progress func(bytes int64)
}

// An Ingester takes uploads into a lake, one after the other.
type Ingester struct {
	lake     *lake.Lake
	session  *lake.Session
	opts     Options
	path     *pathPattern
	around   *surroundings
	byDigest map[string][]*lake.Manifest
}

// New returns an Ingester into l. Close it.
func New(l *lake.Lake, opts Options) (*Ingester, error) {
	for k, v := range opts.Labels {
		if err := CheckLabel(k, v); err != nil {
			return nil, err
		}
	}
	in := &Ingester{lake: l, opts: opts, around: newSurroundings(), byDigest: map[string][]*lake.Manifest{}}
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
	Known    bool     // the lake had the upload already: nothing was done
	Archive  bool     // it is of an archive itself, of which something was refused
	Warnings []string // what the user should know about the runs
}

// Ingest takes one upload into the lake. A bad upload is no error: its receipt
// says that it was quarantined, and why. The error is for what stops everything:
// a full disk, a cancelled context.
func (in *Ingester) Ingest(ctx context.Context, up Upload) (*Report, error) {
	defer up.within.release()
	m := &meter{tell: in.opts.Progress, size: int64(up.share * float64(up.Size))}
	defer m.to(1)
	if up.fate != nil {
		return in.ingestFate(up)
	}
	raw, err := in.keep(ctx, up, m)
	if err != nil {
		return nil, err
	}
	defer raw.Discard()
	if o, ok := detectObserved(raw.head); ok {
		return in.observe(ctx, up, raw, o, m)
	}
	id, problem := in.identify(up)
	f, known := detect(raw.head)
	switch {
	case raw.over():
		problem = raw.damage
	case raw.damage != nil:
		problem = fmt.Errorf("cannot be read whole: %w", raw.damage)
	case problem == nil && !known:
		problem = errors.New("not a format that servestat knows: " + explain(raw.head) + "; want a result of vllm bench, AIPerf, GuideLLM, SGLang, inference-perf or another benchmark client, see servestat ingest --help")
	}
	beside := f.companionsOf(up)
	receipt := &lake.Receipt{
		UploadSHA256: raw.sha256, SourceName: up.Name, Format: f.name, ParserVersion: f.parserVersion,
		Bytes: raw.size, Raw: lake.RawName(raw.sha256), Context: id.digest(up.Name, f.parserVersion, fmt.Sprint(problem), digestOf(beside)+in.opts.Limits.changed()),
	}
	if raw.over() { // the part that was read is of no use
		receipt.Raw = ""
	}
	if old, err := in.lake.Receipt(raw.sha256, receipt.Context); err != nil || (old != nil && !in.opts.Relabel) {
		return &Report{Receipt: old, Known: true}, err
	}
	if receipt.Raw != "" {
		if _, err := raw.Publish(receipt.Raw); err != nil {
			return nil, err
		}
	}
	rep := &Report{Receipt: receipt}
	if problem != nil {
		receipt.Quarantined = problem.Error()
		return rep, in.session.PutReceipt(receipt)
	}
	if err := in.readRuns(ctx, raw, f, beside, id, rep, m); err != nil {
		return nil, err
	}
	return rep, in.session.PutReceipt(receipt)
}

// identify collects the identity that the runs of an upload share. A faulty
// side-car is the upload's problem, and not the end of the others.
func (in *Ingester) identify(up Upload) (*Identity, error) {
	id := NewIdentity()
	for k, v := range in.opts.Labels {
		id.Set(k, v, FromLabel)
	}
	if in.path != nil {
		in.path.identify(id, up.plainName())
	}
	if up.Path == "" {
		return id, nil
	}
	return id, up.within.said(in.around.identify(id, up))
}

// A rawUpload is an upload on its way into raw/: compressed, digested.
type rawUpload struct {
	*lake.Blob
	sha256     string // of the decompressed bytes
	size       int64
	head       []byte
	compressed bool
	cut        bool  // the compressed upload ends early
	damage     error // why the rest could not be decompressed
}

// keep copies the upload into the session, compressed, and digests it on the
// way. Nothing of it is read a second time from where it came from, so that a
// file that changes meanwhile, or a stream, gives one consistent upload.
func (in *Ingester) keep(ctx context.Context, up Upload, m *meter) (*rawUpload, error) {
	src, err := up.Open()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	blob, err := in.session.Create()
	if err != nil {
		return nil, err
	}
	raw := &rawUpload{Blob: blob}
	half := func(read int64) { m.to(0.5 * float64(read) / float64(up.Size)) }
	limits := in.opts.Limits.Limits
	limits.Unpacked = in.allowance(up.within)
	tooLarge := limits.CheckStored(up.Size)
	if tooLarge != nil { // known before it is read: its beginning will do
		src = io.NopCloser(io.LimitReader(src, headSize))
	}
	err = raw.fill(&source{ctx: ctx, r: src, progress: half}, limits)
	if raw.damage = cmp.Or(tooLarge, raw.damage); raw.compressed {
		up.within.took(raw.size)
	}
	if err != nil {
		blob.Discard()
		return nil, fmt.Errorf("%s: %w", up.Name, err)
	}
	return raw, nil
}

// over reports whether a limit was passed.
func (raw *rawUpload) over() bool {
	var fault *archive.Fault
	return errors.As(raw.damage, &fault) && fault.Limit
}

func (raw *rawUpload) fill(src *source, limits archive.Limits) error {
	z, err := zstd.NewWriter(raw.Blob, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	sum := newDigest(headSize)
	stream, damage := archive.Decompress(src, limits)
	if damage == nil {
		_, damage = io.CopyBuffer(io.MultiWriter(z, sum), onlyReader{stream}, make([]byte, 256<<10))
		stream.Close()
		raw.compressed = stream.Compression != ""
	}
	// A fault of the disk or a cancelled context ends everything; damaged
	// compression is the upload's own fault, and what could be read is kept.
	if src.err != nil {
		return src.err
	}
	if errors.Is(damage, io.ErrUnexpectedEOF) && sum.size > 0 { // the reader says what is whole
		raw.cut, damage = true, nil
	}
	raw.damage = damage
	raw.sha256, raw.size, raw.head = sum.hex(), sum.size, sum.head
	return z.Close()
}

// readRuns runs the producer's reader over the kept upload and publishes each
// run that it closes.
func (in *Ingester) readRuns(ctx context.Context, raw *rawUpload, f format, beside []string, id *Identity, rep *Report, m *meter) error {
	src := func() (io.ReadCloser, error) { return openRaw(ctx, raw.Path()) }
	file, err := src()
	if err != nil {
		return err
	}
	defer file.Close()
	otherHalf := func(read int64) { m.to(0.5 + 0.5*float64(read)/float64(raw.size)) }
	limits := in.opts.Limits.reading()
	records := f.open(&source{ctx: ctx, r: file, progress: otherHalf}, rep.SourceName, limits)
	b := newRunBuilder(in, rep.UploadSHA256, func() (io.ReadCloser, recordReader, error) {
		file, err := src()
		if err != nil {
			return nil, nil, err
		}
		return file, f.open(file, rep.SourceName, limits), nil
	})
	defer b.discard()
	for records.Scan() {
		switch rec := records.Record().(type) {
		case *schemas.Reject:
			rep.addReject(rec)
			if rec.Fatal {
				b.discard()
			}
		case *schemas.Run:
			rec.SourceName, rec.UploadSHA256, rec.ParserVersion = rep.SourceName, rep.UploadSHA256, f.parserVersion
			f.completed(rec, beside)
			if err := b.publish(rec, id, rep); err != nil {
				return err
			}
		default:
			if err := b.add(rec); err != nil {
				return err
			}
		}
	}
	if err := records.Err(); err != nil {
		return fmt.Errorf("%s: %w", rep.SourceName, err)
	}
	if raw.cut {
		rep.rejectCut(raw)
	}
	rep.conclude()
	return nil
}

// maxRejects bounds what a hostile upload can make us keep.
const maxRejects = 1000

func (rep *Report) addReject(r *schemas.Reject) {
	if len(rep.Rejects) >= maxRejects {
		return
	}
	rep.Rejects = append(rep.Rejects, lake.Reject{
		Offset: r.At.Offset, Run: r.At.Run, Request: r.At.Request, Reason: r.Reason, Hint: cmp.Or(hintOf(r.Reason), r.Hint), Fatal: r.Fatal,
	})
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

// commit publishes a run's manifest under its identity and warns where the lake
// knows the same run under another one.
func (in *Ingester) commit(run *schemas.Run, used map[string]string, blocks []lake.Block, rep *Report) (*lake.Manifest, error) {
	m := &lake.Manifest{
		RunID: run.ID, ContentDigest: run.ContentDigest, UploadSHA256: run.UploadSHA256, SourceName: run.SourceName,
		ParserVersion: run.ParserVersion, Identity: identityDigest(run, used), Known: len(used), Values: used, Blocks: blocks,
	}
	return m, in.commitManifest(m, rep)
}

func (in *Ingester) commitManifest(m *lake.Manifest, rep *Report) error {
	others := in.byDigest[m.ContentDigest]
	if in.opts.Relabel {
		m.Revision = nextRevision(others, m)
	}
	created, err := in.session.Commit(m)
	if err != nil {
		return err
	}
	if created {
		in.byDigest[m.ContentDigest] = append(others, m)
	}
	rep.Warnings = append(rep.Warnings, conflicts(m, in.byDigest[m.ContentDigest])...)
	return nil
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

// A source is an upload being read: it reports progress, stops when the context
// does, and tells a fault of where the bytes come from from a fault in them.
type source struct {
	ctx      context.Context
	r        io.Reader
	progress func(read int64) // so far; may be nil
	read     int64
	err      error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	s.read += int64(n)
	if s.progress != nil {
		s.progress(s.read)
	}
	return n, err
}

// A meter tells how much of an upload is done. An upload is gone over twice: once
// to keep it, once to read it.
type meter struct {
	tell func(bytes int64)
	size int64
	told int64
}

// to says that a share of the upload, from 0 to 1, is done.
func (m *meter) to(share float64) {
	done := int64(share * float64(m.size))
	if m.tell == nil || m.size == 0 || done <= m.told {
		return
	}
	m.tell(done - m.told)
	m.told = done
}

// onlyReader hides WriteTo, which would make io.CopyBuffer bypass its buffer.
type onlyReader struct{ io.Reader }

// openRaw opens a kept upload, decompressed.
func openRaw(ctx context.Context, path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(bufio.NewReaderSize(&source{ctx: ctx, r: f}, 256<<10), zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rawReader{Decoder: z, file: f}, nil
}

type rawReader struct {
	*zstd.Decoder
	file *os.File
}

func (r *rawReader) Close() error {
	r.Decoder.Close()
	return r.file.Close()
}

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
		if rep.Quarantined != "" {
			fmt.Fprintf(&b, "; the rest is quarantined: %s", rep.Quarantined)
		}
	}
	return b.String()
}

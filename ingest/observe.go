package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/ingest/evals"
	"github.com/servestat/servestat/ingest/parquetscan"
	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/ingest/telemetry"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

// An observed is a kind of upload that says what a server or its machine did, or
// whether its answers were right, and has no run: its records are
// [*schemas.LogEvent], [*schemas.Sample] and [*schemas.Eval].
type observed struct {
	name          string
	parserVersion string
	// clock finds what lies around an upload and says what its times mean.
	clock func(in *Ingester, up Upload, id *Identity) (clock, error)
	open  func(r io.Reader, name string, c clock) recordReader
	// openFile stands in for open where an upload cannot be read as it goes by: its
	// meaning is at its end.
	openFile func(r io.ReaderAt, size int64, name string, l Limits) recordReader
	// ofServer: rows keep what was said of the server, for there may be no run that does.
	ofServer bool
	// starts counts the starts of a server in an upload; may be nil.
	starts func(r io.Reader, name string) ([]serverlog.Start, error)
	// checkpoint: what the model's config.json says belongs to it.
	checkpoint bool
}

// A clock is what is known of times that an upload prints in part.
type clock struct {
	near schemas.Opt[time.Time]     // about when it was written: decides the year
	east schemas.Opt[time.Duration] // of UTC: decides the zone
}

// values are the clock as identity: what the rows depend on.
func (c clock) values(into map[string]string) {
	if c.near.OK {
		into["near"] = c.near.V.Format(time.DateOnly)
	}
	if c.east.OK {
		into[offsetKey] = formatOffset(c.east.V)
	}
}

var (
	serverLogs  = observed{parserVersion: serverlog.ParserVersion, clock: (*Ingester).yearBeside, open: openServerLog, starts: startsOf, ofServer: true, checkpoint: true}
	judged      = observed{parserVersion: evals.ParserVersion, clock: (*Ingester).noClock, open: openEvals, ofServer: true}
	telemetries = observed{parserVersion: telemetry.ParserVersion, clock: (*Ingester).zoneBeside, open: openTelemetry}
	tabular     = observed{parserVersion: telemetry.ParserVersion, clock: (*Ingester).noClock, openFile: openTable}
)

func openServerLog(r io.Reader, name string, c clock) recordReader {
	log := serverlog.NewReader(r, name)
	if c.near.OK {
		log.Near(c.near.V)
	}
	return log
}

func openTelemetry(r io.Reader, name string, c clock) recordReader {
	t := telemetry.NewReader(r, name)
	if c.east.OK {
		t.SetOffset(c.east.V)
	}
	return t
}

func openEvals(r io.Reader, name string, _ clock) recordReader { return evals.NewReader(r, name) }

// openTable opens a Parquet file. What its rows become is bounded as if it had been
// unpacked, each row to the sixteen bytes that it takes at least elsewhere.
func openTable(r io.ReaderAt, size int64, name string, l Limits) recordReader {
	const row, free = 16, 1 << 16
	rows := max(free, int64(orDefault(l.Ratio, archive.DefaultRatio)*float64(size)/row))
	return telemetry.NewTableReader(r, size, name, parquetscan.Limits{Rows: rows})
}

// noClock is for uploads whose times need nothing from around them.
func (in *Ingester) noClock(Upload, *Identity) (clock, error) { return clock{}, nil }

// detectObserved tells a server log or telemetry by its first bytes.
func detectObserved(head []byte) (observed, bool) {
	if _, isResult := detect(head); isResult {
		return observed{}, false
	}
	if name, ok := serverlog.Detect(head); ok {
		return serverLogs.named(name), true
	}
	if name, ok := telemetry.Detect(head); ok && name == telemetry.FormatParquet {
		return tabular.named(name), true
	} else if ok {
		return telemetries.named(name), true
	}
	if name, ok := evals.Detect(head); ok {
		return judged.named(name), true
	}
	return observed{}, false
}

func (o observed) named(name string) observed {
	o.name = name
	return o
}

// isObserved reports whether a file met in a folder is a server log or telemetry.
// Pages and programs are not, though they may quote some.
func isObserved(path string, head []byte) bool {
	switch filepath.Ext(path) {
	case ".md", ".rst", ".html", ".py", ".sh", ".go", ".ipynb", ".yaml", ".yml":
		return false
	}
	o, ok := detectObserved(head)
	if ok && o.openFile != nil {
		err := checkTable(path)
		var damaged *parquetscan.Fault
		return err == nil || errors.As(err, &damaged) && strings.Contains(filepath.Base(path), "server_metrics")
	}
	return ok
}

// checkTable returns why a Parquet file met in a folder is not one that is read, which
// its end says. One that is compressed once more would have to be unpacked for that:
// nobody does that to data sets, and it is looked at where it is taken in.
func checkTable(path string) error {
	if compressed(path) {
		return nil
	}
	file, size, err := openAt(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return telemetry.CheckTable(file, size)
}

// observe takes in an upload without runs.
func (in *Ingester) observe(ctx context.Context, up Upload, raw *rawUpload, o observed, m *meter) (*prepared, error) {
	id, c, problem := in.lookAroundObserved(up, o)
	raw.recall(up.recorded)
	inputs := inputsOf(id, problem, raw, nil)
	inputs.Clock = map[string]string{}
	c.values(inputs.Clock)
	if raw.damage != nil {
		problem = fmt.Errorf("cannot be read whole: %w", raw.damage)
	}
	run, server := observedRun(id), o.server(id)
	receipt := &lake.Receipt{
		UploadSHA256: raw.sha256, SourceName: up.Name, Format: o.name, ParserVersion: o.parserVersion,
		Bytes: raw.size, Raw: lake.RawName(raw.sha256),
		Context: NewIdentity().digest(up.Name, o.parserVersion, fmt.Sprint(problem), run.ServerStart.V, fmt.Sprint(inputs.Clock, server)),
		Inputs:  inputs,
	}
	if old, err := in.receipt(receipt); err != nil || old != nil {
		return old, err
	}
	if _, err := raw.Publish(receipt.Raw); err != nil {
		return nil, err
	}
	digest, err := in.continues(ctx, up, raw)
	if err != nil {
		return nil, err
	}
	inputs.Continues = digest
	rep := &prepared{Report: &Report{Receipt: receipt}, recorded: up.recorded}
	if problem != nil {
		receipt.Quarantined = problem.Error()
		return rep, nil
	}
	return rep, in.readObserved(ctx, raw, o, c, &observedBuilder{in: in, start: run.ServerStart, server: server, rep: rep, size: raw.size}, m)
}

// continues returns the content digest of what the lake has under an upload's name,
// where the upload begins with that: a log that is still written to, and taken in now
// and then, is one log. What begins with the longest of several continues that.
func (in *Ingester) continues(ctx context.Context, up Upload, raw *rawUpload) (digest string, err error) {
	if up.recorded != nil {
		return up.recorded.Inputs.Continues, nil
	}
	var shorter []*lake.Manifest
	for _, m := range in.names[up.Name] {
		if 0 < m.UploadBytes && m.UploadBytes < raw.size {
			shorter = append(shorter, m)
		}
	}
	if len(shorter) == 0 {
		return "", nil
	}
	slices.SortFunc(shorter, func(a, b *lake.Manifest) int {
		return cmp.Or(cmp.Compare(a.UploadBytes, b.UploadBytes), strings.Compare(a.Name(), b.Name()))
	})
	file, err := openRaw(ctx, raw.Path(), nil)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := newDigest()
	for _, m := range shorter {
		if _, err := io.CopyN(sum, file, m.UploadBytes-sum.size); err != nil {
			return "", err
		}
		if sum.hex() == m.UploadSHA256 {
			digest = m.ContentDigest
		}
	}
	return digest, nil
}

// lookAroundObserved collects what lies around an upload without runs, or was
// recorded of it.
func (in *Ingester) lookAroundObserved(up Upload, o observed) (*Identity, clock, error) {
	if up.recorded != nil {
		id, problem := recordedIdentity(up.recorded.Inputs)
		c, err := recordedClock(up.recorded.Inputs.Clock)
		return id, c, errors.Join(problem, err)
	}
	in.lookAround.Lock()
	defer in.lookAround.Unlock()
	id, problem := in.identifyObserved(up)
	if o.checkpoint && problem == nil {
		problem = in.identifyCheckpoint(id, up)
	}
	c, err := o.clock(in, up, id)
	return id, c, errors.Join(problem, err)
}

// identifyObserved collects what is said of the server that an upload is of. The
// template of a side-car's server_log says it of a log that it names.
func (in *Ingester) identifyObserved(up Upload) (*Identity, error) {
	id := NewIdentity()
	in.label(id, up)
	if in.path != nil {
		in.path.identify(id, up.Name)
	}
	if up.Path == "" {
		return id, nil
	}
	_, err := in.around.eachSidecar(up, func(c *sidecar, rel string) error {
		c.identify(id, rel)
		if c.logPath != nil {
			c.logPath.identify(id, rel)
		}
		return nil
	})
	return id, err
}

// observedRun is the run that an upload of this identity would be of, as far as
// its rows need it: which server start.
func observedRun(id *Identity) *schemas.Run {
	id.fillAll()
	run := &schemas.Run{}
	if start, _, ok := id.Get("server_start"); ok {
		run.ServerStart = schemas.Some(start)
	}
	return run
}

// server is what was said of the server that an upload is of, besides its start.
func (o observed) server(id *Identity) map[string]string {
	if !o.ofServer {
		return nil
	}
	out := map[string]string{}
	for key := range id.values {
		if text, _, ok := id.Get(key); ok && key != "server_start" {
			out[key] = text
		}
	}
	return out
}

// readObserved reads the kept upload into blocks and publishes them.
func (in *Ingester) readObserved(ctx context.Context, raw *rawUpload, o observed, c clock, b *observedBuilder, m *meter) error {
	rep := b.rep
	file, err := openRaw(ctx, raw.Path(), func(read int64) { m.to(0.5 + 0.5*float64(read)/float64(raw.Size())) })
	if err != nil {
		return err
	}
	defer file.Close()
	records, done, err := in.recordsOf(o, file, rep.SourceName, c)
	if err != nil {
		return err
	}
	defer done()
	defer b.discard()
	for records.Scan() {
		if err := b.add(records.Record()); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil {
		return fmt.Errorf("%s: %w", rep.SourceName, err)
	}
	if raw.cut {
		rep.rejectCut(raw)
	}
	if b.fatal != "" {
		rep.Quarantined, rep.Observed = b.fatal, nil
		return nil
	}
	if b.events == nil && b.samples == nil && b.evals == nil {
		rep.Quarantined = "nothing in it says anything of a server: no event, no sample and no judged answer"
		if len(rep.Rejects) > 0 {
			first := rep.Rejects[0]
			rep.Quarantined = fmt.Sprintf("nothing of it can be used, at first for this: byte %d: %s", first.Offset, first.Reason)
		}
		return nil
	}
	if err := in.countStarts(ctx, raw, o, b); err != nil {
		return err
	}
	return b.publish(o, c)
}

// recordsOf opens the records of an upload: as it goes by, or from a copy of it in
// the session's folder. The limits on what an upload may become hold for the copy,
// for it is what was let in. done takes the copy away.
func (in *Ingester) recordsOf(o observed, r io.Reader, name string, c clock) (records recordReader, done func(), err error) {
	if o.openFile == nil {
		return o.open(r, name, c), func() {}, nil
	}
	dir, err := in.session.Scratch()
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Create(filepath.Join(dir, "upload"))
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		file.Close()
		os.RemoveAll(dir)
	}
	size, err := io.Copy(file, onlyReader{r})
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return o.openFile(file, size, name, in.opts.Limits), done, nil
}

// countStarts warns where a log holds several starts of a server and its rows all
// name one of them.
func (in *Ingester) countStarts(ctx context.Context, raw *rawUpload, o observed, b *observedBuilder) error {
	if o.starts == nil {
		return nil
	}
	file, err := openRaw(ctx, raw.Path(), nil)
	if err != nil {
		return err
	}
	defer file.Close()
	starts, err := o.starts(file, b.rep.SourceName)
	if err != nil {
		return err
	}
	b.rep.Observed.Starts = len(starts)
	if b.start.OK && len(starts) > 1 {
		b.rep.Warnings = append(b.rep.Warnings, fmt.Sprintf("%s holds %d starts of a server, and its rows all say server_start %s: split it where each begins (the last at byte %d)",
			b.rep.SourceName, len(starts), b.start.V, starts[len(starts)-1].At.Offset))
	}
	return nil
}

func startsOf(r io.Reader, name string) ([]serverlog.Start, error) {
	facts, err := serverlog.ReadFacts(r, name)
	return facts.Starts, err
}

// An observedBuilder turns events and samples into blocks as they come.
type observedBuilder struct {
	in      *Ingester
	start   schemas.Opt[string]
	server  map[string]string
	rep     *prepared
	size    int64 // of the upload
	events  *observedBlock[schemas.LogEventRow]
	samples *observedBlock[schemas.SampleRow]
	evals   *observedBlock[schemas.EvalRow]
	day     string // of the first time; empty where there is none
	fatal   string // why nothing of the upload can be used
}

// An observedBlock is a table in the making.
type observedBlock[T any] struct {
	*columnar.RowWriter[T]
	blob *lake.Blob
}

func newObservedBlock[T any](s *lake.Session, t *schemas.Table[T]) (*observedBlock[T], error) {
	blob, err := s.Create()
	if err != nil {
		return nil, err
	}
	w, err := columnar.NewRowWriter(blob, t)
	if err != nil {
		blob.Discard()
		return nil, err
	}
	return &observedBlock[T]{w, blob}, nil
}

// publish completes the table and adds its block.
func (b *observedBlock[T]) publish(blocks []lake.Block, table, day string) ([]lake.Block, error) {
	rows, err := b.Close()
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", table, err)
	}
	block, err := publishBlock(b.blob, table, day, rows)
	if err != nil {
		return nil, err
	}
	return append(blocks, block), nil
}

func (b *observedBuilder) discard() {
	if b.events != nil {
		b.events.blob.Discard()
	}
	if b.samples != nil {
		b.samples.blob.Discard()
	}
	if b.evals != nil {
		b.evals.blob.Discard()
	}
}

func (b *observedBuilder) add(rec schemas.Record) (err error) {
	switch rec := rec.(type) {
	case *schemas.Reject:
		b.rep.addReject(rec)
		if rec.Fatal {
			b.fatal = rec.Reason
		}
	case *schemas.LogEvent:
		b.at(rec.Time)
		if b.events == nil {
			if b.events, err = newObservedBlock(b.in.session, schemas.LogEventsTable); err != nil {
				return err
			}
			b.rep.count()
		}
		b.rep.Observed.LogEvents++
		return b.events.Append(&schemas.LogEventRow{UploadSHA256: b.rep.UploadSHA256, SourceName: b.rep.SourceName, ServerStart: b.start, Server: b.server, LogEvent: rec})
	case *schemas.Sample:
		b.at(rec.Time)
		if b.samples == nil {
			if b.samples, err = newObservedBlock(b.in.session, schemas.SamplesTable); err != nil {
				return err
			}
			b.rep.count()
		}
		b.rep.Observed.Samples++
		return b.samples.Append(&schemas.SampleRow{UploadSHA256: b.rep.UploadSHA256, SourceName: b.rep.SourceName, ServerStart: b.start, Sample: rec})
	case *schemas.Eval:
		b.at(rec.Start)
		if b.evals == nil {
			if b.evals, err = newObservedBlock(b.in.session, schemas.EvalsTable); err != nil {
				return err
			}
			b.rep.count()
		}
		b.rep.Observed.Evals++
		return b.evals.Append(&schemas.EvalRow{UploadSHA256: b.rep.UploadSHA256, SourceName: b.rep.SourceName, ServerStart: b.start, Server: b.server, Eval: rec})
	}
	return nil
}

// count begins to count an upload's rows.
func (rep *Report) count() {
	if rep.Observed == nil {
		rep.Observed = &lake.Observed{}
	}
}

// at takes the day of the first time.
func (b *observedBuilder) at(t schemas.Opt[time.Time]) {
	if b.day == "" && t.OK {
		b.day = t.V.Format(time.DateOnly)
	}
}

// publish publishes the blocks, then the manifest. The upload's own digest is
// what tells its content from others'.
func (b *observedBuilder) publish(o observed, c clock) (err error) {
	var blocks []lake.Block
	day := b.day
	if day == "" {
		day = "unknown"
	}
	if b.events != nil {
		if blocks, err = b.events.publish(blocks, schemas.LogEventsTable.Name, day); err != nil {
			return err
		}
	}
	if b.samples != nil {
		if blocks, err = b.samples.publish(blocks, schemas.SamplesTable.Name, day); err != nil {
			return err
		}
	}
	if b.evals != nil {
		if blocks, err = b.evals.publish(blocks, schemas.EvalsTable.Name, day); err != nil {
			return err
		}
	}
	values := map[string]string{}
	maps.Copy(values, b.server)
	c.values(values)
	if b.start.OK {
		values["server_start"] = b.start.V
	}
	run := &schemas.Run{SourceName: b.rep.SourceName, ParserVersion: o.parserVersion}
	m := &lake.Manifest{
		RunID: schemas.NewRunID(b.rep.UploadSHA256, 0), ContentDigest: cmp.Or(b.rep.Inputs.Continues, b.rep.UploadSHA256), UploadSHA256: b.rep.UploadSHA256, SourceName: b.rep.SourceName,
		ParserVersion: o.parserVersion, UploadBytes: b.size, Identity: identityDigest(run, values), Known: len(values), Values: values, Blocks: blocks,
	}
	b.rep.runs = append(b.rep.runs, m)
	b.rep.Observed.ServerStartKnown = b.start.OK
	return nil
}

// rejectCut says that the compressed upload ends early.
func (rep *Report) rejectCut(raw *rawUpload) {
	rep.addReject(&schemas.Reject{
		At:     schemas.Pos{Offset: raw.size, Request: -1},
		Reason: "the compressed file ends early", Hint: "copy it again: what came after may be missing",
	})
}

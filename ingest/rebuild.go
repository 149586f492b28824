package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/servestat/servestat/schemas/lake"
)

// Rebuilt says what became of a kept upload that was read again.
type Rebuilt struct {
	SourceName string
	Report     *Report // nil where it was not read
	// Left is why it was not: the readers of this version made what is there, or
	// the receipt does not say what the upload was read with.
	Left string
	// Faulty is set where that is a lack, and not as it should be.
	Faulty bool
}

// Rebuild reads the uploads that a lake keeps again, with the readers of this
// version and the identity that was recorded when they came, into the lake into,
// which may be the same. There, uploads that these readers have read already are
// left alone, and what a later reader makes of a run replaces what an earlier one
// made. Into an empty lake, the same readers write the same bytes again, except for
// uploads that were taken in under other limits than the usual ones.
func Rebuild(ctx context.Context, from, into *lake.Lake, progress func(bytes int64), each func(Rebuilt)) error {
	receipts, err := from.Receipts()
	if err != nil {
		return err
	}
	ms, err := from.Manifests()
	if err != nil {
		return err
	}
	in, err := New(into, Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	kept, err := from.Reader()
	if err != nil {
		return err
	}
	defer kept.Close()
	r := &rebuilder{Ingester: in, kept: kept, same: from.Name() == into.Name(), known: map[string][]int{}}
	for _, m := range ms { // by name, which is by revision
		r.known[m.RunID+"-"+m.Identity] = append(r.known[m.RunID+"-"+m.Identity], m.Revision)
	}
	for _, receipt := range receipts {
		done, err := r.rebuild(ctx, receipt)
		if err != nil {
			return err
		}
		if each != nil {
			each(done)
		}
		if progress != nil {
			progress(receipt.Bytes)
		}
	}
	return nil
}

// recorded is what is known of an upload that is read again.
type recorded struct {
	*lake.Receipt
	kept      *lake.Reader     // of what was kept
	revisions map[string][]int // under which its runs are known
}

// A rebuilder reads kept uploads again.
type rebuilder struct {
	*Ingester
	kept  *lake.Reader
	same  bool             // into the lake that they are kept in
	known map[string][]int // revisions by run and identity
}

func (r *rebuilder) rebuild(ctx context.Context, receipt *lake.Receipt) (Rebuilt, error) {
	done := Rebuilt{SourceName: receipt.SourceName}
	if receipt.Raw == "" {
		done.Left = "it was refused, and nothing of it is kept"
		return done, nil
	}
	if receipt.Inputs == nil {
		done.Left, done.Faulty = "its receipt does not say what it was read with: ingest the file itself again", true
		return done, nil
	}
	up := Upload{
		Name: receipt.SourceName, recorded: &recorded{Receipt: receipt, kept: r.kept, revisions: map[string][]int{}},
		Open: func() (io.ReadCloser, error) { return openKept(ctx, r.kept, receipt.Raw) },
	}
	defer func() {
		for _, name := range receipt.Uploads() {
			r.kept.Drop(name)
		}
	}()
	version, err := parserOf(up)
	if errors.Is(err, fs.ErrNotExist) {
		done.Left, done.Faulty = "the kept upload is missing", true
		return done, nil
	}
	if err != nil {
		return done, fmt.Errorf("%s: %w", receipt.Raw, err)
	}
	if r.same && version == receipt.ParserVersion {
		done.Left = "read by the same reader"
		return done, nil
	}
	for _, e := range receipt.Entries() {
		name := e.Manifest[strings.LastIndex(e.Manifest, "/")+1:]
		run, _, _ := strings.Cut(name, "-")
		up.recorded.revisions[run] = r.known[name[:max(strings.LastIndex(name, "-r"), 0)]]
	}
	done.Report, err = r.Ingest(ctx, up)
	return done, err
}

// openKept opens an upload that a lake keeps, decompressed.
func openKept(ctx context.Context, kept *lake.Reader, name string) (io.ReadCloser, error) {
	if err := kept.Fetch(ctx, name); err != nil {
		return nil, err
	}
	return openRaw(ctx, kept.Path(name), nil)
}

// parserOf tells the reader that an upload would be read with now.
func parserOf(up Upload) (version string, err error) {
	file, err := up.Open()
	if err != nil {
		return "", err
	}
	defer file.Close()
	head, err := bufio.NewReaderSize(file, headSize).Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if o, ok := detectObserved(head); ok {
		return o.parserVersion, nil
	}
	f, _ := detect(head)
	return f.parserVersion, nil
}

// inputsOf records what an upload is read with besides its bytes.
func inputsOf(id *Identity, problem error, raw *rawUpload, beside []companion) *lake.Inputs {
	in := &lake.Inputs{EngineArgs: id.engineArgs, Notes: id.notes, Cut: raw.cut}
	for key, values := range id.values {
		for source, text := range values {
			if text == "" {
				continue
			}
			if in.Identity == nil {
				in.Identity = map[string]map[string]string{}
			}
			if in.Identity[key] == nil {
				in.Identity[key] = map[string]string{}
			}
			in.Identity[key][Source(source).String()] = text
		}
	}
	if problem != nil {
		in.Problem = problem.Error()
	}
	if raw.damage != nil {
		in.Damage = raw.damage.Error()
	}
	for _, c := range beside {
		if c.raw != "" {
			in.Beside = append(in.Beside, lake.Companion{Name: c.name, Raw: c.raw})
		}
	}
	return in
}

// recordedIdentity is the identity that inputsOf recorded.
func recordedIdentity(in *lake.Inputs) (*Identity, error) {
	id := NewIdentity()
	for key, values := range in.Identity {
		for s := range numSources {
			id.Set(key, values[s.String()], s)
		}
	}
	id.engineArgs, id.notes = in.EngineArgs, in.Notes
	if in.Problem != "" {
		return id, errors.New(in.Problem)
	}
	return id, nil
}

// recall restores what a kept upload does not show: that it came damaged.
func (raw *rawUpload) recall(again *recorded) {
	if again == nil {
		return
	}
	raw.cut = again.Inputs.Cut
	if again.Inputs.Damage != "" {
		raw.damage = errors.New(again.Inputs.Damage)
	}
}

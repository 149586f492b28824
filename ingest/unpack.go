package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/schemas/lake"
)

// An unpacked is an archive whose members lie in a private folder for as long as
// they are being taken in. The nil unpacked stands for the file system.
type unpacked struct {
	root   string // of its members
	name   string // by which the user knows it
	plain  string // the same, less what says how it is packed
	beside string // folder that it lies in; empty for a stream
	outer  *unpacked
	depth  int // 1 for an archive that is in no other

	left  atomic.Int64 // bytes that its members may decompress to
	users atomic.Int64 // of root
}

// holds reports whether path is a place that the archive's members may see.
func (a *unpacked) holds(path string) bool { return a == nil || a.contains(path) }

func (a *unpacked) contains(path string) bool {
	return path == a.root || strings.HasPrefix(path, a.root+string(filepath.Separator))
}

// of returns the archive that path lies in, this one or one around it.
func (a *unpacked) of(path string) *unpacked {
	for ; a != nil; a = a.outer {
		if a.contains(path) {
			return a
		}
	}
	return nil
}

// place returns where path would be, had the archives around it been folders.
func (a *unpacked) place(path string) string {
	for ; a != nil; a = a.outer {
		if a.contains(path) {
			path = filepath.Join(a.beside, filepath.Base(a.plain), path[len(a.root):])
		}
	}
	return path
}

// said makes an error about what lies in the archive speak of it as the user does.
func (a *unpacked) said(err error) error {
	if a == nil || err == nil {
		return err
	}
	return a.outer.said(errors.New(strings.ReplaceAll(err.Error(), a.root, a.name)))
}

// release takes the folder away when nobody uses it any more. What cannot be
// removed goes with the session.
func (a *unpacked) release() {
	if a != nil && a.users.Add(-1) == 0 {
		os.RemoveAll(a.root)
	}
}

// plainName is the upload's name as it would be, had the archives around it been
// folders: how a run was packed says nothing about it.
func (up Upload) plainName() string {
	name := up.Name
	for a := up.within; a != nil; a = a.outer {
		name = a.plain + strings.TrimPrefix(name, a.name)
	}
	return name
}

var packedSuffixes = []string{".zip", ".tar", ".tgz", ".tar.gz", ".tzst", ".tar.zst"}

func unpackedName(name string) string {
	for _, suffix := range packedSuffixes {
		if plain, ok := strings.CutSuffix(name, suffix); ok && filepath.Base(name) != suffix {
			return plain
		}
	}
	return name
}

// A fate is what is to be said of an archive itself: what of it was refused, or
// why all of it was.
type fate struct {
	kind    archive.Kind
	sha256  string // of its bytes as stored, or of the first of them where they are too many
	size    int64
	refused []archive.Refusal
	problem string
}

// Uploads gives the uploads to take in: those that were found, and in the place
// of each archive its members, for which it is gone through like a folder. Where
// something of an archive is refused, the archive itself comes after its members.
// An archive lies unpacked in a private folder until the last of its members has
// been taken in. skipped is told of members that are no uploads; it may be nil.
func (in *Ingester) Uploads(ctx context.Context, found []Upload, skipped func(Skipped)) iter.Seq2[Upload, error] {
	if skipped == nil {
		skipped = func(Skipped) {}
	}
	return func(yield func(Upload, error) bool) {
		for _, up := range found {
			if !in.enter(ctx, up, skipped, yield) {
				return
			}
		}
	}
}

// enter yields an upload, or the members of an archive. It returns false where
// no more are wanted.
func (in *Ingester) enter(ctx context.Context, up Upload, skipped func(Skipped), yield func(Upload, error) bool) bool {
	up, kind := sniff(up)
	if kind == archive.None {
		return in.hand(up, yield)
	}
	up, err := in.spool(ctx, up, kind)
	if err == nil && up.depth() > in.opts.Limits.depth() {
		err = &archive.Fault{
			Reason: fmt.Sprintf("an archive inside an archive, at depth %d", up.depth()),
			Hint:   "unpack it first, or let --max-archive-depth be more",
		}
	}
	var a *unpacked
	var contents *archive.Contents
	if err == nil {
		a, contents, err = in.unpack(ctx, up, kind)
	}
	var fault *archive.Fault
	if errors.As(err, &fault) {
		return in.judge(up, &fate{kind: kind, problem: fault.Error()}, yield)
	}
	if err != nil {
		return yield(Upload{}, fmt.Errorf("%s: %w", up.Name, err))
	}
	defer a.release()
	return in.members(ctx, up, kind, a, contents, skipped, yield)
}

// hand yields an upload that is no archive.
func (in *Ingester) hand(up Upload, yield func(Upload, error) bool) bool {
	if up.within != nil {
		up.within.users.Add(1)
	}
	return yield(up, nil)
}

// members yields what an archive holds.
func (in *Ingester) members(ctx context.Context, up Upload, kind archive.Kind, a *unpacked, c *archive.Contents, skipped func(Skipped), yield func(Upload, error) bool) bool {
	f := finder{within: a}
	if err := f.walk(a.root, a.name); err != nil {
		return yield(Upload{}, a.said(err))
	}
	for _, s := range f.skipped {
		skipped(s)
	}
	if len(f.uploads) == 0 && up.met {
		skipped(Skipped{up.Name, "an archive that holds no benchmark result"})
		return true
	}
	for _, m := range f.uploads {
		// Half of the work on an archive is to unpack it.
		m.Labels = up.Labels
		m.share = up.share * 0.5 * float64(up.Size) / float64(max(c.Unpacked, 1))
		if !in.enter(ctx, m, skipped, yield) {
			return false
		}
	}
	switch {
	case len(f.uploads) == 0:
		return in.judge(up, &fate{kind: kind, refused: c.Refused, problem: "no benchmark result in it"}, yield)
	case len(c.Refused) > 0:
		return in.judge(up, &fate{kind: kind, refused: c.Refused}, yield)
	}
	return true
}

// judge yields an archive for what is to be said of it.
func (in *Ingester) judge(up Upload, f *fate, yield func(Upload, error) bool) bool {
	var err error
	if f.sha256, f.size, err = digestFile(up.Path, in.opts.Limits.Stored); err != nil {
		return yield(Upload{}, err)
	}
	up.fate = f
	return in.hand(up, yield)
}

// digestFile digests a file, or the first bytes of one that is too large.
func digestFile(path string, most int64) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", 0, err
	}
	var r io.Reader = file
	if most > 0 && info.Size() > most {
		r = io.LimitReader(file, headSize)
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), info.Size(), nil
}

// streamHead is how much of a stream is looked at to tell what it is: a block of
// zstd, which has up to 128 KiB, gives nothing until it is whole.
const streamHead = 256 << 10

// sniff tells whether an upload is an archive. A stream that was looked into
// begins again at its first byte. What cannot be opened is no archive: taking it
// in will say why.
func sniff(up Upload) (Upload, archive.Kind) {
	if up.Path != "" {
		head, _ := readHead(up.Path)
		return up, archive.Detect(head)
	}
	r, err := up.Open()
	if err != nil {
		return up, archive.None
	}
	buffered := bufio.NewReaderSize(r, streamHead)
	stored, _ := buffered.Peek(streamHead)
	up.Open = func() (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{buffered, r}, nil
	}
	head, _ := headOf(bytes.NewReader(stored))
	return up, archive.Detect(head)
}

// spool makes a file of an archive that is none: of a stream, and of a zip that
// is compressed as a whole.
func (in *Ingester) spool(ctx context.Context, up Upload, kind archive.Kind) (Upload, error) {
	remote, _ := inboxOf(up.Path)
	if up.Path != "" && remote == nil && (kind != archive.Zip || !compressed(up.Path)) {
		return up, nil
	}
	if remote != nil {
		up.beside = filepath.Dir(up.Path)
	}
	r, err := up.Open()
	if err != nil {
		return up, err
	}
	defer r.Close()
	src := &source{ctx: ctx, r: r}
	content := io.LimitReader(src, in.opts.Limits.stored()+1)
	if kind == archive.Zip {
		stream, err := archive.Decompress(src, in.opts.Limits.Limits)
		if err != nil {
			return up, err
		}
		defer stream.Close()
		content = stream
	}
	dir, err := in.session.Scratch()
	if err != nil {
		return up, err
	}
	file, err := os.Create(filepath.Join(dir, "archive"))
	if err != nil {
		return up, err
	}
	n, err := io.Copy(file, content)
	if closing := file.Close(); err == nil {
		err = closing
	}
	up.Path, up.Size, up.spooled = file.Name(), n, true
	up.Open = func() (io.ReadCloser, error) { return os.Open(up.Path) }
	if errors.Is(err, io.ErrUnexpectedEOF) && src.err == nil { // a zip says itself what it lacks
		err = nil
	}
	return up, err
}

func compressed(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	stream, err := archive.Decompress(file, archive.Limits{})
	if err != nil {
		return false
	}
	defer stream.Close()
	return stream.Compression != ""
}

// depth is how many archives an archive is inside of, itself included.
func (up Upload) depth() int {
	if up.within == nil {
		return 1
	}
	return up.within.depth + 1
}

// unpack unpacks an archive that is a file.
func (in *Ingester) unpack(ctx context.Context, up Upload, kind archive.Kind) (*unpacked, *archive.Contents, error) {
	dir, err := in.session.Scratch()
	if err != nil {
		return nil, nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as walking it will show it
		return nil, nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, err
	}
	a := &unpacked{root: dir, name: up.Name, plain: unpackedName(up.Name), beside: up.beside, outer: up.within, depth: up.depth()}
	a.users.Store(1)
	if !up.spooled {
		if a.beside, err = filepath.Abs(filepath.Dir(up.Path)); err != nil {
			return nil, nil, err
		}
	}
	m := &meter{tell: in.opts.Progress, size: int64(up.share * float64(up.Size))}
	limits := in.opts.Limits.Limits
	limits.Unpacked = in.allowance(up.within)
	contents, err := archive.Unpack(ctx, up.Path, kind, dir, limits, func(read int64) {
		m.to(0.5 * float64(read) / float64(max(up.Size, 1)))
	})
	if err != nil {
		a.release()
		return nil, nil, err
	}
	m.to(0.5)
	a.left.Store(limits.Unpacked - contents.Unpacked)
	up.within.took(contents.Unpacked)
	return a, contents, nil
}

// took counts bytes that came out of what is packed inside an archive.
func (a *unpacked) took(n int64) {
	if a != nil {
		a.left.Add(-n)
	}
}

// allowance is how many bytes may come out of what is packed inside a.
func (in *Ingester) allowance(a *unpacked) int64 {
	if a == nil {
		return in.opts.Limits.unpacked()
	}
	return max(a.left.Load(), 1)
}

// archiveVersion names the state of what is said about archives.
const archiveVersion = "archive-1"

// ingestFate publishes the receipt of an archive of which something was refused.
// Its bytes are not kept: what could be used of it is.
func (in *Ingester) ingestFate(up Upload) (*Report, error) {
	f := up.fate
	receipt := &lake.Receipt{
		UploadSHA256: f.sha256, SourceName: up.Name, Format: string(f.kind), ParserVersion: archiveVersion,
		Bytes: f.size, Quarantined: f.problem,
	}
	for _, r := range f.refused {
		receipt.Rejects = append(receipt.Rejects, lake.Reject{Member: r.Member, Offset: -1, Run: -1, Request: -1, Reason: r.Reason})
	}
	receipt.Context = NewIdentity().digest(up.Name, archiveVersion, fmt.Sprint(receipt.Quarantined, receipt.Rejects))
	rep := &Report{Receipt: receipt, Archive: true}
	if old, err := in.lake.Receipt(receipt.UploadSHA256, receipt.Context); err != nil || old != nil {
		rep.Known = true
		return rep, err
	}
	return rep, in.session.PutReceipt(receipt)
}

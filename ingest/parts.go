package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/servestat/servestat/ingest/evals"
	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/ingest/telemetry"
	"github.com/servestat/servestat/schemas/lake"
)

// A Part is what lies in one folder at the top of an inbox and below it, or, under an
// empty name, at the top itself. Nothing outside a part and the top has to do with how
// it reads, unless a side-car says otherwise: see [Inbox.Coupled].
type Part struct {
	Name string
	// Print is a digest of all that it follows from, and Coupled the same where parts
	// have to do with each other. Both are empty in a store that does not tell versions.
	Print, Coupled string
	Names          []string // of its objects that may be uploads
}

// Parts cuts what an inbox holds of a shard into parts, by name.
func (b *Inbox) Parts(of Shard) []Part {
	prints, whole := b.prints()
	parts := map[string]*Part{}
	for _, name := range b.found {
		at := b.partOf(name)
		if parts[at] == nil {
			parts[at] = &Part{Name: at, Print: prints[at], Coupled: whole}
		}
		if of.Has(name) {
			parts[at].Names = append(parts[at].Names, name)
		}
	}
	var all []Part
	for _, at := range slices.Sorted(maps.Keys(parts)) {
		all = append(all, *parts[at])
	}
	return all
}

// PartOf is the name of the part that an upload is in, or a member of one.
func (b *Inbox) PartOf(upload string) string {
	return b.partOf(strings.TrimPrefix(upload, b.name+"/"))
}

// partOf is the part that an object is in.
func (b *Inbox) partOf(name string) string {
	rest := strings.TrimPrefix(name, b.folder)
	if at, _, ok := strings.Cut(rest, "/"); ok {
		return at
	}
	return ""
}

// prints are the digests of parts, and of everything. What lies at the top may tell of
// all parts, and may be dated by any.
func (b *Inbox) prints() (parts map[string]string, whole string) {
	parts = map[string]string{}
	if b.unversioned {
		return parts, ""
	}
	all := sha256.New()
	of := map[string][]string{}
	for _, e := range b.entries { // by name
		line := fmt.Sprintf("%q %d %q\n", e.Name, e.Size, e.Version)
		io.WriteString(all, line)
		at := ""
		if strings.HasPrefix(e.Name, b.folder) {
			at = b.partOf(e.Name)
		}
		of[at] = append(of[at], line)
	}
	whole = hex.EncodeToString(all.Sum(nil)[:16])
	top := strings.Join(of[""], "")
	for at, lines := range of {
		sum := sha256.Sum256([]byte(top + "\n" + strings.Join(lines, "")))
		parts[at] = hex.EncodeToString(sum[:16])
	}
	parts[""] = whole
	return parts, whole
}

// Coupled reports whether a side-car that applies to a part names a server's log that
// may lie in another: then it follows from everything.
func (b *Inbox) Coupled(p Part) bool {
	for _, e := range b.entries {
		if path.Base(e.Name) != SidecarName {
			continue
		}
		at := ""
		if strings.HasPrefix(e.Name, b.folder) {
			at = b.partOf(e.Name)
		}
		if (at == "" || at == p.Name) && b.couples(e.Name, at) {
			return true
		}
	}
	return false
}

// couples reports whether the side-car called name names a log outside the part that it
// is in, or might, or cannot be read.
func (b *Inbox) couples(name, part string) bool {
	if coupled, ok := b.coupling[name]; ok {
		return coupled
	}
	car, err := readSidecar(path.Dir(b.file(name)))
	coupled := err != nil || car == nil
	if !coupled && car.serverLog != "" {
		coupled = part == "" || strings.Contains(car.serverLog, "..")
		for _, v := range car.values { // which the log's name may have in it
			coupled = coupled || strings.Contains(v, "..")
		}
	}
	b.coupling[name] = coupled
	return coupled
}

// Faults counts what could not be read out of the store, for another reason than that
// it is not there.
func (b *Inbox) Faults() int { return int(b.faults.Load()) }

// fault counts an error of the store.
func (b *Inbox) fault(err error) {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) {
		b.faults.Add(1)
	}
}

// A faultReader tells an inbox of what goes wrong while an object is read.
type faultReader struct {
	io.ReadCloser
	inbox *Inbox
}

func (r faultReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.inbox.fault(err)
	return n, err
}

// Place is a digest of an inbox, called name, and of how it is read: by which readers,
// under which options, and which part of it. What is known of an inbox is known for
// one place.
func (o Options) Place(name string, of Shard) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %v\n", name, of)
	build := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		build = info.Main.Version // another build may tell formats otherwise
	}
	fmt.Fprintf(h, "%q %q %q %q\n", build, serverlog.ParserVersion, telemetry.ParserVersion, evals.ParserVersion)
	for _, p := range producers {
		fmt.Fprintf(h, "%q\n", p.parserVersion)
	}
	for _, key := range sortedKeys(o.Labels) {
		fmt.Fprintf(h, "%q %q\n", key, o.Labels[key])
	}
	fmt.Fprintf(h, "%q %v %v %v\n", o.PathPattern, o.Limits.Limits, o.Limits.depth(), o.Limits.reading())
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Settling is what is known of an inbox once parts of it are taken in.
func (b *Inbox) Settling(place string, before *lake.Settled, settled map[string]lake.SettledPart) *lake.Settled {
	known := &lake.Settled{Inbox: b.name + "/" + strings.TrimSuffix(b.folder, "/"), Place: place, Parts: map[string]lake.SettledPart{}}
	there := map[string]bool{}
	for _, name := range b.found {
		there[b.partOf(name)] = true
	}
	for at := range there { // a part that is gone is forgotten
		if part, ok := settled[at]; ok {
			known.Parts[at] = part
		} else if before != nil && before.Parts[at].Print != "" {
			known.Parts[at] = before.Parts[at]
		}
	}
	return known
}

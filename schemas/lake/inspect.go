package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// What a fault may be.
const (
	Missing = "missing"
	Damaged = "damaged"
)

// A Fault is something of a lake that is missing or damaged.
type Fault struct {
	Name string `json:"name"`
	What string `json:"what"` // missing or damaged
	Why  string `json:"why"`
	Of   string `json:"of,omitempty"` // what names it
}

// A Claim is a file that something names.
type Claim struct {
	Name string
	Of   string // what names it
	Size int64  // bytes that there are
	// Block is what is said of a block; its zero value stands for an upload.
	Block Block
	// Compaction says which rows the block holds, where it is a compacted one.
	Compaction *Compaction
}

// An Inspection is everything that the files of a lake say about each other.
type Inspection struct {
	Manifests, Runs, Compactions, Receipts int
	Claims                                 []Claim // files that are there and have to be read, by name
	Faults                                 []Fault
}

// Inspect reads everything but blocks and uploads, and says which of those there
// are to read and which are missing. Faults do not stop it.
func (l *Lake) Inspect() (*Inspection, error) {
	i := &inspector{lake: l, claims: map[string]Claim{}}
	var err error
	if i.there, err = l.entries(""); err != nil {
		return nil, err
	}
	for _, look := range []func() error{i.manifests, i.checkpoints, i.compactions, i.blocks, i.analyses, i.receipts, i.uploads} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(i.claims)) {
		i.Claims = append(i.Claims, i.claims[name])
	}
	slices.SortStableFunc(i.Faults, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
	return &i.Inspection, nil
}

type inspector struct {
	Inspection
	lake   *Lake
	ms     []*Manifest
	cs     []*Compaction
	claims map[string]Claim
	there  map[string]Entry // what there is to begin with
}

// has reports whether there is a file. One that came meanwhile is asked for.
func (i *inspector) has(name string) (bool, error) {
	if _, ok := i.there[name]; ok {
		return true, nil
	}
	e, err := i.lake.store.Stat(i.lake.ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		i.there[name] = e
	}
	return err == nil, err
}

func (i *inspector) fault(name, what, of, format string, args ...any) {
	i.Faults = append(i.Faults, Fault{Name: name, What: what, Of: of, Why: fmt.Sprintf(format, args...)})
}

func (i *inspector) manifests() error {
	entries, err := i.lake.manifestEntries()
	if err != nil {
		return err
	}
	i.Manifests = len(entries)
	for _, e := range entries {
		name := e.Name
		m, err := i.lake.manifest(e)
		switch {
		case err != nil:
			i.fault(name, Damaged, "", "%v", err)
		case m.Name() != name:
			i.fault(name, Damaged, "", "it is the manifest %s by what it says", m.Name())
		default:
			i.ms = append(i.ms, m)
		}
	}
	return nil
}

// checkpoints must repeat the manifests as they are.
func (i *inspector) checkpoints() error {
	byName := map[string]*Manifest{}
	for _, m := range i.ms {
		byName[m.Name()] = m
	}
	entries, err := i.lake.list(checkpointDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name
		var c checkpoint
		if err := i.lake.readJSON(e, checkpointSchema, &c); err != nil {
			i.fault(name, Damaged, "", "%v; it only repeats, and may be removed", err)
			continue
		}
		for _, m := range c.Manifests {
			if own, ok := byName[m.Name()]; ok && !sameJSON(own, m) {
				i.fault(name, Damaged, "", "it differs from %s", m.Name())
			}
		}
	}
	return nil
}

func (i *inspector) compactions() error {
	entries, err := i.lake.list(compactionDir)
	if err != nil {
		return err
	}
	i.Compactions = len(entries)
	for _, e := range entries {
		name := e.Name
		c, err := i.lake.compaction(e)
		if err != nil {
			i.fault(name, Damaged, "", "%v", err)
			continue
		}
		if _, own, err := c.encode(); err != nil || own != name {
			i.fault(name, Damaged, "", "its text is not the one that it is named after")
			continue
		}
		ok, err := i.claim(Claim{Name: c.Block.Name, Of: name, Block: c.Block, Compaction: c})
		if err != nil {
			return err
		}
		if ok {
			i.cs = append(i.cs, c)
		}
	}
	return nil
}

// blocks wants every block that a reader needs. One that a compaction holds, or of
// a superseded run, may be gone.
func (i *inspector) blocks() error {
	for _, m := range i.ms {
		for _, b := range m.Blocks {
			if _, err := i.claim(Claim{Name: b.Name, Of: m.Name(), Block: b}); err != nil {
				return err
			}
		}
	}
	seen := resolve(Effective(i.ms), i.cs)
	of := map[string]string{}
	for _, m := range seen.Manifests {
		if slices.ContainsFunc(m.Blocks, func(b Block) bool { return b.Table == schemas.RunsTable.Name }) {
			i.Runs++
		}
		for _, b := range m.Blocks {
			of[b.Name] = m.Name()
		}
	}
	for _, table := range slices.Sorted(maps.Keys(seen.files)) {
		for _, f := range seen.files[table] {
			if _, ok := i.claims[f.Name]; !ok {
				i.fault(f.Name, Missing, of[f.Name], "a block of a run that readers see")
			}
		}
	}
	return nil
}

// analyses want every block of results that they name.
func (i *inspector) analyses() error {
	entries, err := i.lake.list(analysisDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name
		a := &Analysis{}
		if err := i.lake.readJSON(e, analysisSchema, a); err != nil {
			i.fault(name, Damaged, "", "%v", err)
			continue
		}
		if own := a.Name(); own != name {
			i.fault(name, Damaged, "", "it is the analysis %s by what it says", own)
			continue
		}
		for _, b := range a.Blocks {
			ok, err := i.claim(Claim{Name: b.Name, Of: name, Block: b})
			if err != nil {
				return err
			}
			if !ok {
				i.fault(b.Name, Missing, name, "a block of results: remove the analysis, and analyze again")
			}
		}
	}
	return nil
}

// claim notes a file to read, if it is there.
func (i *inspector) claim(c Claim) (bool, error) {
	ok, err := i.has(c.Name)
	if err != nil || !ok {
		return false, err
	}
	if old, twice := i.claims[c.Name]; twice && old.Compaction != nil { // says more
		return true, nil
	}
	c.Size = i.there[c.Name].Size
	i.claims[c.Name] = c
	return true, nil
}

func (i *inspector) receipts() error {
	entries, err := i.lake.list(receiptDir)
	if err != nil {
		return err
	}
	i.Receipts = len(entries)
	for _, e := range entries {
		name := e.Name
		r := &Receipt{}
		if err := i.lake.readJSON(e, receiptSchema, r); err != nil {
			i.fault(name, Damaged, "", "%v", err)
			continue
		}
		if own := ReceiptName(r.UploadSHA256, r.Context); own != name {
			i.fault(name, Damaged, "", "it is the receipt %s by what it says", own)
			continue
		}
		if err := i.references(r, name); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) references(r *Receipt, name string) error {
	for _, run := range r.Entries() {
		ok, err := i.has(run.Manifest)
		if err != nil {
			return err
		}
		if !ok {
			i.fault(run.Manifest, Missing, name, "the manifest of a run of the upload")
		}
	}
	for _, upload := range r.Uploads() {
		ok, err := i.claim(Claim{Name: upload, Of: name})
		if err != nil {
			return err
		}
		if !ok {
			i.fault(upload, Missing, name, "a kept upload")
		}
	}
	return nil
}

// uploads adds those that no receipt names yet.
func (i *inspector) uploads() error {
	for name := range i.there {
		if _, ok := i.claims[name]; !ok && strings.HasPrefix(name, rawDir+"/") && strings.HasSuffix(name, ".zst") {
			i.claims[name] = Claim{Name: name, Size: i.there[name].Size}
		}
	}
	return nil
}

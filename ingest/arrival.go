package ingest

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas/lake"
)

// What an event does is what a reconcile would do about one object: the object is met
// in its folder, with all that lies around it. Nothing else makes both end in the same
// lake.

// lookAt lets files stand for an object, and for what lies around it.
func (b *Inbox) lookAt(ctx context.Context, key string) error {
	if !fs.ValidPath(key) || key == "." {
		return fmt.Errorf("%s: %q is no path of an object: %w", b.name, key, fs.ErrNotExist)
	}
	e, err := b.store.Stat(ctx, key)
	if err == nil && e.Size == 0 {
		err = fmt.Errorf("%w: it is empty", fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", b.name, key, err)
	}
	b.one = key
	folder := strings.TrimPrefix(path.Dir(key)+"/", "./")
	names := namesAbove(folder, SidecarName, lakeMarker)
	for _, name := range lookedForAbove() {
		if name = path.Join(folder, name); fs.ValidPath(name) {
			names = append(names, name)
		}
	}
	above, err := b.statAll(ctx, names)
	if err != nil {
		return err
	}
	for _, e := range above {
		if path.Base(e.Name) == lakeMarker {
			b.Skipped = append(b.Skipped, Skipped{b.name + "/" + key, "it is a part of the lake in " + path.Dir(e.Name)})
			return nil
		}
	}
	_, err = b.list(ctx, folder, above)
	return err
}

// lookedForAbove are the names, besides that of a side-car, under which readers look
// for something in the folders above a result.
func lookedForAbove() []string {
	names := []string{phasesAbove}
	for _, p := range producers {
		for _, pattern := range p.companions {
			if strings.HasPrefix(pattern, "../") && !slices.Contains(names, pattern) {
				names = append(names, pattern)
			}
		}
	}
	return names
}

// Arrived lists what there is to take in because the object came: it, if it is an
// upload, and, where it tells of others, as a side-car does or a server's log, those in
// its folder and below. What they are in the lake as already is found there again.
func (b *Inbox) Arrived(ctx context.Context) ([]Upload, []Skipped, error) {
	var f finder
	for _, name := range b.found {
		if err := b.meet(ctx, &f, name); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range b.Skipped {
		if s.Name == b.name+"/"+b.one {
			f.skipped = append(f.skipped, s)
		}
	}
	if len(b.found) == 0 || !b.tellsOfOthers(f.uploads) {
		return f.uploads, f.skipped, nil
	}
	others, _, err := b.findMet(ctx, b.near) // what else is skipped came before
	return append(f.uploads, others...), f.skipped, err
}

// tellsOfOthers reports whether uploads may read differently now that the object is
// there. Found is what it is itself.
func (b *Inbox) tellsOfOthers(found []Upload) bool {
	name := path.Base(b.one)
	if name == SidecarName {
		return true
	}
	if len(found) > 0 && !found[0].Tells {
		return false
	}
	head, err := readHead(b.file(b.one))
	return err == nil && isServerLog(head) || isCompanion(name)
}

// isCompanion reports whether a file of this name may know more about a run than the
// run's own file.
func isCompanion(name string) bool {
	for _, p := range producers {
		for _, pattern := range p.companions {
			if ok, _ := path.Match(path.Base(pattern), name); ok {
				return true
			}
		}
	}
	return false
}

var _ Objects = lake.Store(nil)

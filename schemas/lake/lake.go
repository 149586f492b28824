package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Version is the version of the layout that this package writes.
const Version = 1

const markerName = "lake.json"

type marker struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

// A Lake is a set of published files: in a directory, or in another [Store].
type Lake struct {
	ctx   context.Context // ends what is asked of the store
	store Store
	name  string     // for people: the folder, or the URI
	dir   string     // empty where it is no directory
	cache *lakeCache // nil where it is one
}

// ErrNotLake is returned by Open for a directory that holds no lake.
var ErrNotLake = errors.New("not a lake")

// Open opens the lake in dir. It fails with [ErrNotLake] where there is none, and
// with a clear message where a newer servestat wrote it.
func Open(dir string) (*Lake, error) { return inDirectory(dir).open() }

func inDirectory(dir string) *Lake {
	return &Lake{ctx: context.Background(), store: &directory{root: dir}, name: dir, dir: dir}
}

// Remote says where a lake lies that is in no directory.
type Remote struct {
	Store Store
	Name  string // for people
	ID    string // tells it from all other lakes, in the cache
	Cache *Cache
}

func (r Remote) lake(ctx context.Context) *Lake {
	return &Lake{ctx: ctx, store: r.Store, name: r.Name, cache: r.Cache.of(r.ID)}
}

// OpenRemote is [Open] for a lake that lies elsewhere. Its store is not asked
// anything once ctx is done.
func OpenRemote(ctx context.Context, r Remote) (*Lake, error) { return r.lake(ctx).open() }

func (l *Lake) open() (*Lake, error) {
	text, err := l.get(markerName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", l.name, ErrNotLake)
	}
	if err != nil {
		return nil, err
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil || m.Format != "servestat.lake" {
		return nil, fmt.Errorf("%s: %w: %s is not its marker", l.name, ErrNotLake, markerName)
	}
	if m.Version > Version {
		return nil, fmt.Errorf("%s: lake version %d is newer than this servestat, which knows version %d: upgrade servestat", l.name, m.Version, Version)
	}
	return l, nil
}

// Create opens the lake in dir, making it first where dir is empty or absent.
func Create(dir string) (*Lake, error) {
	l, err := Open(dir)
	if !errors.Is(err, ErrNotLake) {
		return l, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := refuseStrangers(dir); err != nil {
		return nil, err
	}
	return inDirectory(dir).create()
}

// CreateRemote is [Create] for a lake that lies elsewhere: see [OpenRemote].
func CreateRemote(ctx context.Context, r Remote) (*Lake, error) {
	l, err := OpenRemote(ctx, r)
	if !errors.Is(err, ErrNotLake) {
		return l, err
	}
	stranger := ""
	err = r.Store.List(ctx, "", func(e Entry) error {
		if !strings.HasPrefix(e.Name, leaseDir+"/") && e.Name != markerName {
			stranger = e.Name
			return fs.SkipAll
		}
		return nil
	})
	if stranger != "" {
		return nil, fmt.Errorf("%s: %w, and not empty (it holds %s): name an empty or a new prefix", r.Name, ErrNotLake, stranger)
	}
	if err != nil {
		return nil, err
	}
	return r.lake(ctx).create()
}

func (l *Lake) create() (*Lake, error) {
	s, err := l.Begin()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	text, err := json.Marshal(marker{Format: "servestat.lake", Version: Version})
	if err != nil {
		return nil, err
	}
	if _, err := s.Put(markerName, append(text, '\n')); err != nil {
		return nil, err
	}
	return l.open()
}

// CreateTemporary makes a lake that is not fsynced: for one that the caller
// removes before it exits.
func CreateTemporary(dir string) (*Lake, error) {
	l, err := Create(dir)
	if err != nil {
		return nil, err
	}
	l.store = &directory{root: dir, nosync: true}
	return l, nil
}

// refuseStrangers keeps a mistyped --lake from scattering files over somebody's
// folder. What an interrupted Create left is no stranger.
func refuseStrangers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != tmpDir {
			return fmt.Errorf("%s: %w, and not empty (it holds %s): name an empty or a new folder", dir, ErrNotLake, e.Name())
		}
	}
	return nil
}

// Name is what people call the lake: its folder, or its URI.
func (l *Lake) Name() string { return l.name }

// Dir returns the lake's directory, and nothing where it lies in no directory.
func (l *Lake) Dir() string { return l.dir }

// Path returns the file system path of a name in the lake, or what people call it
// where the lake lies in no directory: a [Reader] makes files of such.
func (l *Lake) Path(name string) string {
	if l.cache != nil {
		return strings.TrimSuffix(l.name, "/") + "/" + name
	}
	return filepath.Join(l.dir, filepath.FromSlash(name))
}

// Has reports whether name is published.
func (l *Lake) Has(name string) (bool, error) {
	_, err := l.store.Stat(l.ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// HasAll says of each name whether it is published.
func (l *Lake) HasAll(names []string) ([]bool, error) {
	there := make([]bool, len(names))
	err := l.inParallel(len(names), func(i int) (err error) {
		there[i], err = l.Has(names[i])
		return err
	})
	return there, err
}

package lake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Version is the version of the layout that this package writes.
const Version = 1

const markerName = "lake.json"

type marker struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

// A Lake is a directory of published files.
type Lake struct {
	dir string
	// nosync leaves out fsync: for a lake that does not outlive the process.
	nosync bool
}

// ErrNotLake is returned by Open for a directory that holds no lake.
var ErrNotLake = errors.New("not a lake")

// Open opens the lake in dir. It fails with [ErrNotLake] where there is none, and
// with a clear message where a newer servestat wrote it.
func Open(dir string) (*Lake, error) {
	b, err := os.ReadFile(filepath.Join(dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotLake)
	}
	if err != nil {
		return nil, err
	}
	var m marker
	if err := json.Unmarshal(b, &m); err != nil || m.Format != "servestat.lake" {
		return nil, fmt.Errorf("%s: %w: %s is not its marker", dir, ErrNotLake, markerName)
	}
	if m.Version > Version {
		return nil, fmt.Errorf("%s: lake version %d is newer than this servestat, which knows version %d: upgrade servestat", dir, m.Version, Version)
	}
	return &Lake{dir: dir}, nil
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
	l = &Lake{dir: dir}
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
	return Open(dir)
}

// CreateTemporary makes a lake that is not fsynced: for one that the caller
// removes before it exits.
func CreateTemporary(dir string) (*Lake, error) {
	l, err := Create(dir)
	if err != nil {
		return nil, err
	}
	l.nosync = true
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

// Dir returns the lake's directory.
func (l *Lake) Dir() string { return l.dir }

// Path returns the file system path of a name in the lake.
func (l *Lake) Path(name string) string { return filepath.Join(l.dir, filepath.FromSlash(name)) }

// Has reports whether name is published.
func (l *Lake) Has(name string) (bool, error) {
	_, err := os.Stat(l.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// size returns the bytes of a published file, or -1 where there is none.
func (l *Lake) size(name string) int64 {
	info, err := os.Stat(l.Path(name))
	if err != nil {
		return -1
	}
	return info.Size()
}

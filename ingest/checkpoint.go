package ingest

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/servestat/servestat/schemas/checkpoint"
)

// identifyCheckpoint adds what a checkpoint's config.json says to the identity of a
// server's log: the one that a side-car names, or one in the folder of the log. That
// another file is called config.json is no fault.
func (in *Ingester) identifyCheckpoint(id *Identity, up Upload) error {
	if up.Path == "" {
		return nil
	}
	named, path := false, filepath.Join(filepath.Dir(up.Path), checkpoint.Name)
	_, err := in.around.eachSidecar(up, func(c *sidecar, _ string) error {
		if c.checkpoint == "" {
			return nil
		}
		named, path = true, filepath.Join(c.dir, filepath.FromSlash(id.fill(c.checkpoint)))
		if up.within.of(c.dir) != up.within.of(path) {
			return fmt.Errorf("side-car %s: checkpoint_config: %s leaves the archive", filepath.Join(c.dir, SidecarName), c.checkpoint)
		}
		return nil
	})
	if err != nil || !up.within.holds(path) {
		return err
	}
	config, err := readCheckpoint(path)
	switch {
	case err == nil:
		for name, value := range config.Labels() {
			id.Set(name, value, FromSidecar)
		}
	case named:
		return fmt.Errorf("checkpoint_config: %w", err)
	}
	return nil
}

func readCheckpoint(path string) (*checkpoint.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config, err := checkpoint.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

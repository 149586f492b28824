package plot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/servestat/servestat/analyze"
)

// A SweepFigure is one of the figures of a sweep, or the reason why there is
// none.
type SweepFigure struct {
	Name string // for a file: itl, ttft, throughput, itl-distribution
	Figure
	Err error
	// AgainstConcurrency is true of figures whose x axis is concurrency: of a
	// single level they show little.
	AgainstConcurrency bool
}

// OfSweep makes all figures of a sweep, in order of presentation.
func OfSweep(s analyze.Sweep) []SweepFigure {
	itl := func(s analyze.Sweep) (Figure, error) { return LatencyVsConcurrency(s, "itl") }
	kinds := []struct {
		name    string
		isCurve bool
		make    func(analyze.Sweep) (Figure, error)
	}{
		{"itl", true, itl}, {"ttft", true, TTFTVsConcurrency}, {"throughput", true, ThroughputVsConcurrency},
		{"itl-distribution", false, ITLDistribution},
	}
	out := make([]SweepFigure, len(kinds))
	for i, k := range kinds {
		f, err := k.make(s)
		out[i] = SweepFigure{Name: k.name, Figure: f, Err: err, AgainstConcurrency: k.isCurve}
	}
	return out
}

// WriteSweeps draws all figures of sweeps into a folder, which it makes, and
// returns the names of the files. A figure that cannot be drawn does not keep
// the others from being written: the error, at the end, names it.
func WriteSweeps(dir string, sweeps []analyze.Sweep) (names []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var failed []error
	for i, s := range sweeps {
		for _, f := range OfSweep(s) {
			name := fmt.Sprintf("sweep-%d-%s.png", i+1, f.Name)
			if err := f.write(filepath.Join(dir, name)); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", name, err))
				continue
			}
			names = append(names, name)
		}
	}
	return names, errors.Join(failed...)
}

func (f SweepFigure) write(path string) error {
	if f.Err != nil {
		return f.Err
	}
	var buf bytes.Buffer
	if err := f.WritePNG(&buf); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o666)
}

package plot

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze"
)

// A SweepFigure is one of the figures of a sweep, or the reason why there is
// none.
type SweepFigure struct {
	Name string // for a file: itl, ttft, throughput, pareto, itl-distribution, residuals-itl
	Figure
	Err error
	// AgainstConcurrency is true of figures whose x axis is concurrency: of a
	// single level they show little.
	AgainstConcurrency bool
}

// OfSweep makes all figures of a sweep, in order of presentation: ITL, TTFT and
// throughput against concurrency, what objectives are about besides, the trade of
// throughput for latency, and the distribution of ITL.
func OfSweep(s analyze.Sweep) []SweepFigure {
	latency := func(metric string) SweepFigure {
		f, err := LatencyVsConcurrency(s, metric)
		return SweepFigure{strings.ReplaceAll(metric, "_", "-"), f, err, true}
	}
	out := []SweepFigure{latency("itl"), latency("ttft")}
	for _, metric := range inObjectives(s) {
		out = append(out, latency(metric))
	}
	f, err := ThroughputVsConcurrency(s)
	out = append(out, SweepFigure{"throughput", f, err, true})
	if len(s.Pareto) > 1 { // one point trades nothing
		f, err = Pareto(s)
		out = append(out, SweepFigure{"pareto", f, err, true})
	}
	f, err = ITLDistribution(s)
	return append(out, SweepFigure{"itl-distribution", f, err, false})
}

// inObjectives returns the metrics that objectives set a limit to, besides those
// that every sweep is drawn with.
func inObjectives(s analyze.Sweep) []string {
	var out []string
	for _, metric := range slices.Sorted(maps.Keys(quantities)) {
		if metric != "itl" && metric != "ttft" && len(quantities[metric].limits(s.Series)) > 0 {
			out = append(out, metric)
		}
	}
	return out
}

// ResidualsOfSweep makes the residual plot of every metric that a curve was fitted
// to; metrics without a fit have none.
func ResidualsOfSweep(s analyze.Sweep) []SweepFigure {
	var out []SweepFigure
	for _, metric := range []string{"itl", "ttft", "output_throughput"} {
		fitted := func(f analyze.Fit) bool { return f.Metric == metric && f.Refused == "" && len(f.Residuals) > 0 }
		if !slices.ContainsFunc(s.Series, func(s analyze.Series) bool { return slices.ContainsFunc(s.Fits, fitted) }) {
			continue
		}
		f, err := Residuals(s, metric)
		out = append(out, SweepFigure{"residuals-" + strings.TrimPrefix(metric, "output_"), f, err, true})
	}
	return out
}

// WriteSweeps draws all figures of sweeps into a folder, which it makes, and
// returns the names of the files; with the residual plots, if asked. A figure that
// cannot be drawn does not keep the others from being written: the error, at the
// end, names it.
func WriteSweeps(dir string, sweeps []analyze.Sweep, residuals bool) (names []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var failed []error
	for i, s := range sweeps {
		figures := OfSweep(s)
		if residuals {
			figures = append(figures, ResidualsOfSweep(s)...)
		}
		for _, f := range figures {
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

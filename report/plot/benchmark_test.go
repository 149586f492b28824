package plot

import (
	"io"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/schemas"
)

// BenchmarkTwelve draws one picture of each kind, twelve in all: at most three
// seconds are allowed on two cores.
func BenchmarkTwelve(b *testing.B) {
	run := aRun(1000, false)
	sweep := residual(traded(2), 2)
	for b.Loop() {
		figures := twelve(b, run, sweep)
		if len(figures) != 12 {
			b.Fatalf("%d figures", len(figures))
		}
		for _, f := range figures {
			if err := f.WritePNG(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(seconds, "s/12plots")
	met := "met"
	if seconds > 3 {
		met = "not met"
	}
	b.Logf("bar: | twelve plots: s | %.1f | <= 3 | %s |", seconds, met)
}

func twelve(tb testing.TB, run Run, sweep analyze.Sweep) []Figure {
	tb.Helper()
	must := func(f Figure, err error) Figure {
		if err != nil {
			tb.Fatal(err)
		}
		return f
	}
	var out []Figure
	for _, f := range OfSweep(sweep) { // five
		out = append(out, must(f.Figure, f.Err))
	}
	return append(out,
		must(Residuals(sweep, "itl")), must(Forest(specimen.Comparison())), must(run.Timeline()), must(run.TTFT()),
		must(gridOf(tb, run).HeatMap(run)), must(checked(24).Figure()),
		must(HistoryStrips(specimen.Group, []History{nights("ITL mean", "s", 0.0659, schemas.Lower), nights("TTFT p50", "s", 0.74, schemas.Lower)})),
	)
}

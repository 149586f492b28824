// Package plot draws the pictures of a report. Each is made of a small struct and
// refuses what it cannot draw:
//
//	question                                    made by                        of
//	how latency, throughput grow with load      LatencyVsConcurrency, …        analyze.Sweep
//	what throughput costs in speed              Pareto                         analyze.Sweep
//	whether a fitted curve fits                 Residuals                      analyze.Sweep
//	how gaps, first chunks are distributed      ITLDistribution, TTFT…         analyze.Sweep, analyze.ECDF
//	what changed between two versions           Forest                         analyze.Comparison
//	what changed in many comparisons            Effects.Forest                 Effects
//	since when                                  HistoryStrips                  History
//	what a run did                              Run.Timeline, Run.TTFT         Run
//	where a run stalled                         GapGrid.HeatMap                GapGrid
//	what may be trusted                         AuditMatrix.Figure, MatrixOf   analyze.Audit
//
// [OfSweep], [ResidualsOfSweep] and [WriteSweeps] make all pictures of a sweep.
//
//	fig, err := plot.LatencyVsConcurrency(sweep, "itl")
//	if err != nil {
//		return err // e.g. "series 0.20.2: c=8: ITL mean is NaN"
//	}
//	err = fig.WritePNG(w) // 1660 pixels wide, for a README that shows 830
//	alt := fig.Alt        // the picture in a sentence
//
// The figures are small compositions over gonum/plot in one house style:
//
//   - the x axis is the concurrency that was achieved, on a logarithmic scale,
//     with ticks at the levels that were asked for and nowhere else;
//   - every run is a mark, every level an interval, every fit a line with its
//     band; where nothing was fitted, thin straight lines only lead the eye.
//     Marks of several versions stand a few pixels aside, not to cover each other;
//   - a version is told apart by colour, mark and dash at once, up to twelve in a
//     picture, and its name stands at the end of its line where there is room;
//   - a verdict is a shape and a word as well as a colour; effects are on an axis
//     of log ratios, labelled in per cent;
//   - keys and numbers stand where they cover no data;
//   - units are on the axes, and a line at the foot says how many runs and server
//     starts there are, of which window, and whether they were simulated.
//
// Numbers that cannot be drawn stop at the door: constructors return an error
// that names the series, never a blank picture. What an analysis says is missing
// (a run's NaN, an estimate with no run behind it) is no error: it is left out
// and counted at the foot, unless nothing is left.
//
// The same input gives the same bytes. Fonts are those bundled with gonum/plot
// (Liberation Sans), so no machine's own fonts matter; letters that it lacks are
// printed as code points.
package plot

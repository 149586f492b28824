// Package curve fits how latency and throughput change with concurrency, and
// says what follows from the fit and how surely.
//
// It is mathematics over points: one [Point] is one run at one load point, its x
// the concurrency that was measured (not the one that was asked for) and its y
// one summary of the run. Read it in this order.
//
//   - A [Model] is a curve. Of latency there are [Affine], a decode step that costs
//     a constant and something for each sequence in the batch, [Plateau], the same
//     on a server whose slots run out, [Hinge], whose cost changes, and
//     [Quadratic]. [Amdahl], [Saturating] and [USL] are the same curves seen from
//     throughput; [ALA] is a rival. [Queueing] is the time to first token.
//   - [Choose] fits the models of a [Response] and takes the one that the points
//     support. [Model.Fit] fits one. Both return a [Fit]: parameters with intervals,
//     residuals, and whether simpler models do as well. [Model.FitJoint] fits
//     latency and throughput together, and says where they disagree.
//   - [Fit.Predict] gives the curve with its band, [Fit.Knee] where latency has
//     doubled, [Fit.Onset] where the curve breaks, [Fit.Peak] where throughput
//     turns down, if it was seen to, [Fit.Capacity] the largest concurrency within
//     an objective, and [Fit.Degradation] by what factor the curve has grown.
//   - [Compare] tells what changed between two curves, and [Pareto] which load
//     points are worth running.
//   - [Degradation] needs no model: by what factor is the metric at the highest
//     level what it is at the lowest?
//
// # Noise
//
// Run-to-run noise is multiplicative: a slow server start is slow by a share.
// So fits minimise the squares of log y - log f(x), unless told otherwise
// ([Additive]), and residuals are on that scale.
//
// # Replicates
//
// Runs on one server start share its luck. Where points say on which start they
// were measured, and there are three starts or more, a residual is what the start
// deviates by plus what the run does. Both variances are estimated, the first with
// few degrees of freedom, and every interval counts as much of each as concerns
// it: a band has all of what starts differ by, while a knee, a peak and the factor
// between two levels, which a slow start does not shift, have none. Where points do
// not say, every run counts as independent.
//
// # Breaks
//
// A breakpoint can follow noise as no smooth parameter can, so it keeps two levels
// on each side, has to pass a test of its own ([BreakTest]), and has the interval
// of its profile likelihood, which may be open.
//
// # Refusals
//
// A curve through two levels is a line through two points. Fewer than four
// levels are refused, and three parameters need six: a [LevelsError]. A value that
// is no measurement is a [PointError]. A quantity that the data do not determine (a
// knee where latency does not rise, a peak beyond the tested range) is an error
// that says so, and never a number.
//
// # Determinism
//
// The same points and options give the same result. What is random, the simulated
// sweeps of the break test, is drawn from the seed in [ChooseOptions].
package curve

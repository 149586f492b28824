// Package curve fits how latency and throughput change with concurrency, and
// says what follows from the fit and how surely.
//
// It is mathematics over points: one [Point] is one run at one load point, its x
// the concurrency that was measured (not the one that was asked for) and its y
// one summary of the run. Read it in this order.
//
//   - [Affine] is the model of a latency below saturation: a decode step costs a
//     constant and something for each sequence in the batch. [USL] and [Amdahl]
//     are the models of a throughput. Affine latency and Amdahl throughput are
//     the same curve, seen from two sides.
//   - [Model.Fit] fits one, and returns a [Fit]: parameters with intervals,
//     residuals, and whether the simpler models do as well.
//   - [Fit.Predict] gives the curve with its band, [Fit.Knee] where latency has
//     doubled, [Fit.Peak] where throughput turns down, if it was seen to.
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
// were measured, and enough starts are there, standard errors are computed from
// the differences between starts, with starts - 1 degrees of freedom. Where they
// do not say, every run counts as independent, with runs - parameters.
//
// # Refusals
//
// A curve through two levels is a line through two points. Fewer than four
// levels are refused, and three parameters need six. A quantity that the data do
// not determine (a knee where latency does not rise, a peak beyond the tested
// range) is an error that says so, and never a number.
package curve

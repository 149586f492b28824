// Package sample summarises one list of values: quantiles under a named
// definition, the mean and the geometric mean with their intervals, and the
// number of values that a quantile needs before an interval for it exists.
//
// It also reduces the requests of one run to the numbers that runs are compared
// by, and says how much of their variation is between runs.
//
// It is mathematics over []float64 and knows nothing of runs, files or units.
// Read it in this order.
//
//   - [Quantile] is the definition that vLLM prints (numpy's default), for
//     parity with what a benchmark tool reported. [HarrellDavis] is the
//     estimator to compare quantiles with: it weighs all order statistics and
//     so varies less from run to run.
//   - [MinNForQuantile] says from how many values on a quantile can be bracketed
//     at all. Below it print "n/a", not a number.
//   - [Summarize] and [GeometricMean] reduce values that are independent of
//     each other to an estimate with a t interval. Latency noise is
//     multiplicative, so between runs the geometric mean is the natural one.
//   - [SummarizeRun] and [TokenWeighted] make one run into one number for each
//     statistic: a replicate.
//   - [VarianceComponents] and [KaliberaJones] divide variance between runs and
//     what is within them; [FindMixture] tells stalled runs from clean ones.
//
// # Independence
//
// Every interval here assumes independent values. The gaps between the tokens
// of one run are not: they share a server start, a batch, a clock. Reduce each
// run (server start) to one number first, then pass those numbers.
//
// # Undefined is not zero
//
// What a sample cannot tell is NaN (a quantile of nothing, the standard
// deviation of one value) or an interval that reaches to infinity, and comes
// with a [Warning] that says what to do about it.
package sample

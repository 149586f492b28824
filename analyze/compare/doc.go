// Package compare says whether a candidate is worse than a baseline: how much,
// how surely, and what could have been seen at all.
//
// It is mathematics over []float64. Each value is one replicate, which means one
// server start, already reduced to one number: never a request, never a token.
// Tokens of one run share its luck, and a test that takes them for independent
// measurements calls identical versions different more often than not (there is
// a test here that shows it).
//
// Read it in this order.
//
//   - [MannWhitney]: is there a difference? Exact, also with ties.
//   - [HodgesLehmann]: how large is it? The estimate and the interval that go
//     with that test. [Welch] does both from means, and stands in where three
//     values an arm are too few for ranks.
//   - [Holm] and [BenjaminiHochberg]: several metrics were tested; what is left?
//   - [Family]: all of it, for the metrics of one comparison, with a [Verdict]
//     each.
//
// # Why ranks
//
// Run-level noise is contaminated: a server start in a dozen is a third slower
// with nothing in its log. One such value ruins a mean and its standard
// deviation, so that a t test loses power as runs are added. Ranks and medians of
// differences keep it, at a cost of 5 % of the runs where the noise is normal.
//
// # Ratios
//
// Latency and throughput are positive and their noise is multiplicative, so
// effects are ratios candidate/baseline, estimated on logs. Therefore a latency
// and the throughput that is its reciprocal get the same verdict, and so does
// any change of unit.
//
// # Three answers, not two
//
// A p-value above the threshold is no evidence of sameness. "Not regressed" is
// claimed only if the interval excludes a worsening as large as the margin
// (non-inferiority; Schuirmann 1987). What is neither shown worse nor shown not
// to be is inconclusive, with the number of runs that would settle it.
package compare

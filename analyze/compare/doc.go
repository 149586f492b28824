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
//   - [Judge]: all of it, for a [Sweep]: metrics at several load points, failure
//     rates and stalls, as one family, with a [Verdict] each; [JudgeAll] for
//     several sweeps.
//   - [Single]: what little one run can say, given a history.
//   - [Plan]: what a number of runs can see, and how many see more.
//
// # Why ranks
//
// Run-level noise is contaminated: a server start in a dozen is a third slower
// with nothing in its log. One such value ruins a mean and its standard
// deviation, so that a t test loses power as runs are added. Ranks and medians of
// differences keep it, at a cost of 5 % of the runs where the noise is normal.
//
// Ranks assume that both versions vary alike. Where one varies three times as
// much they are wrong in 6 to 8 % instead of 5, and Welch's test is not. So a
// change needs the evidence of both, unless stalls make the second worthless.
//
// # Why whole runs are permuted
//
// Among 48 cells of unchanged versions, nine times in ten one has p < 0.05.
// Dividing alpha by 48 asks more of five runs than ranks can give. Exchanging
// whole runs between versions shows instead how large the largest of all
// statistics gets by chance, with all the dependence that cells of one run have
// (Westfall & Young 1993), and five runs find one cell among 48 that is 5 %
// slower in five cases of six.
//
// # Ratios
//
// Latency and throughput are positive and their noise is multiplicative, so
// effects are ratios candidate/baseline, estimated on logs. Therefore a latency
// and the throughput that is its reciprocal get the same verdict, and so does
// any change of unit. Shares, such as that of failed requests, are often zero and
// are compared as differences.
//
// # Three answers, not two
//
// A p-value above the threshold is no evidence of sameness. "Not regressed" is
// claimed only if the interval excludes a worsening as large as the margin
// (non-inferiority; Schuirmann 1987). What is neither shown worse nor shown not
// to be is inconclusive, with the number of runs that would settle it.
//
// # Within a run
//
// How much requests and tokens vary within a run has no way into this package:
// no type that leads to a verdict has a place for it, and a test holds that list.
package compare

// Package history says when a metric changed over the versions and dates of a
// history of runs: by how much, how surely, between which runs, and what else
// changed there.
//
// It is mathematics over run summaries. Each value is one run, which means one
// server start, already reduced to one positive number. Read it in this order.
//
//   - [Detect] finds change points and drifts in one series, [DetectAll] in many,
//     with the false discovery rate over all of them.
//   - [WhatChanged] compares what is known of the runs on either side of a change
//     point: driver, image, engine arguments, achieved backend.
//   - analyze/history/peer holds the detectors of others, with their faults, for
//     comparison. analyze/history/tcpd holds the scores of the Turing Change
//     Point Dataset.
//
// # First index of the right segment
//
// A change point is the index of the first run that belongs to the new level,
// counted from 0 in the runs as they were passed. Every function here and below
// follows this. R's packages and the published predictions of TCPDBench name the
// last run of the old level, counted from 1 in R and from 0 in TCPDBench.
//
// # The test
//
// In a segment of n runs with centred mid-ranks r, a change at k has the
// standardised rank sum (Wilcoxon's, with the variance under permutation)
//
//	z(k) = (r[0] + … + r[k-1]) / sqrt(V k (n-k) / n),   V = sum r² / (n-1),
//
// and the statistic is the largest |z(k)| over the k that leave at least three
// runs on each side. Its p-value is (1+hits)/(B+1) from permutations of the
// segment, each with its own maximum, so that having looked everywhere is paid
// for. The t statistic of the best split, against the t distribution, is what
// cries wolf in half of all unchanged series (there is a test here that shows
// it).
//
// Ranks, because run noise is contaminated: one server start in a dozen is a
// third slower with nothing in its log. One such run, however slow, is one rank,
// and two sides of at least three runs cannot be made of it: a spike is no change
// point.
//
// Where the segment is split, both parts are searched in the same way. Level
// alpha is for the whole series: a part with a share of the runs is tested at
// that share of alpha, and only if all segments around it were significant
// (hierarchical testing; Meinshausen 2008). For a series without change the
// chance of any is alpha. Beside true changes, that of a further one would be at
// most alpha if they were placed without error; a part that got a run or two of
// its neighbour makes it larger: about 5 % with three steps of three standard
// deviations.
//
// # Dependence
//
// Runs of one build or day share a machine state, and neighbouring days may too.
// Where the lag-1 autocorrelation of the residuals exceeds 0.2, what is permuted
// is not the run but the block (build or day), and, where blocks still resemble
// their neighbours, groups of consecutive blocks whose length follows the
// autocorrelation (Carlstein 1986). See [Dependence].
//
// # Drift
//
// A metric that worsens by one per cent a week has no change point, only a
// staircase of them, whose steps each look harmless. A test of its own against
// straight ramps finds it; whether a ramp or steps describe the series better is
// decided by a penalised robust fit, and the steps of a drift are marked so.
//
// # After the selection
//
// A change point was chosen because it looked largest. Its location therefore has
// an interval, the set of places that a permutation test does not reject (after
// Dümbgen 1991), and the effect is estimated only from runs outside of it, whose
// side is sure.
package history

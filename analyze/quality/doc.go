// Package quality compares how often a server's answers were right: shares with
// their intervals, and two servers on the same items.
//
//	lo, hi := quality.Wilson(343, 400)            // of a share
//	p := quality.McNemar(15, 31)                  // of paired items: 0.026
//	d := quality.Paired(baseline, candidate)      // both, with the items that flipped
//
// Items are the unit: two runs of one suite answer the same questions, so what
// counts is the items on which they differ. Two unpaired shares of 42 % and 50 %
// look alike where the pairs show 15 lost and 31 won.
//
// A suite on which nothing ever passes says something of its harness and nothing of
// the server: see [Difference].
package quality

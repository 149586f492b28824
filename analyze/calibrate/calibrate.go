// Package calibrate is the ledger of the acceptance bars that the statistics
// are held to. A calibration is an ordinary test called TestCalibrate…: it
// simulates, and says with [Bar] what it found and what is required. In a plain
// run of the tests it simulates little and the bars are as much wider as chance
// demands; with -calibrate, which is what `make calibrate` gives, it simulates
// thousands of replicates and the bars are those stated.
//
// Each bar is printed as one line that begins with "bar:", so that `make
// calibrate` is these lines, and nothing is claimed that no line shows.
package calibrate

import (
	"flag"
	"fmt"
	"math"
	"testing"
)

var full = flag.Bool("calibrate", false, "simulate as many replicates as the stated bars need")

// Full reports whether the calibration is the whole one.
func Full() bool { return *full }

// Replicates returns how many replicates to simulate: short in a plain run of
// the tests, long in the whole calibration.
func Replicates(short, long int) int {
	if *full {
		return long
	}
	return short
}

// A Bound is the range that a figure must lie in.
type Bound struct{ Lo, Hi float64 }

// AtMost bounds a figure from above.
func AtMost(hi float64) Bound { return Bound{math.Inf(-1), hi} }

// AtLeast bounds a figure from below.
func AtLeast(lo float64) Bound { return Bound{lo, math.Inf(1)} }

// Between bounds a figure from both sides.
func Between(lo, hi float64) Bound { return Bound{lo, hi} }

// Share widens a bound on a share that is estimated from n replicates, by three
// standard errors at the bound, when the calibration is not the whole one.
func (b Bound) Share(n int) Bound {
	if *full {
		return b
	}
	slack := func(p float64) float64 {
		if p <= 0 || p >= 1 || math.IsInf(p, 0) {
			return 0
		}
		return 3 * math.Sqrt(p*(1-p)/float64(n))
	}
	return Bound{b.Lo - slack(b.Lo), b.Hi + slack(b.Hi)}
}

func (b Bound) String() string {
	switch {
	case math.IsInf(b.Lo, -1):
		return fmt.Sprintf("<= %.4g", b.Hi)
	case math.IsInf(b.Hi, 1):
		return fmt.Sprintf(">= %.4g", b.Lo)
	}
	return fmt.Sprintf("%.4g to %.4g", b.Lo, b.Hi)
}

// Holds reports whether v lies within b. NaN never does.
func (b Bound) Holds(v float64) bool { return v >= b.Lo && v <= b.Hi }

// Bar records a figure and what is required of it, and fails the test where it
// is not met.
func Bar(t testing.TB, what string, got float64, b Bound) {
	t.Helper()
	verdict := "met"
	if !b.Holds(got) {
		verdict = "MISSED"
		t.Errorf("%s: %.4g, want %s", what, got, b)
	}
	fmt.Printf("bar: | %s | %.4g | %s | %s |\n", what, got, b, verdict)
}

// Figure records a figure of which nothing is required, such as a peer's.
func Figure(what string, got float64) {
	fmt.Printf("bar: | %s | %.4g | | |\n", what, got)
}

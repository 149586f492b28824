package curve

import "fmt"

// Code names a kind of warning. Codes are stable, so that a program can act on
// them; texts are for people and may change.
type Code string

// The warnings that this package attaches to its results.
const (
	AtBound        Code = "at-bound"        // a parameter is as small as it can be
	IllConditioned Code = "ill-conditioned" // parameters can make up for each other
	FewFreedom     Code = "few-freedom"     // few degrees of freedom
	FewStarts      Code = "few-starts"      // the intervals do not cover server starts
	ExactFit       Code = "exact-fit"       // no residuals, so no intervals to speak of
	Unpaired       Code = "unpaired"        // runs of some server starts were left out
	TooFew         Code = "too-few"         // there is no interval at this size
	SecondOpinion  Code = "second-opinion"  // another model predicts levels left out better
	Disagree       Code = "disagree"        // latency and throughput do not belong together
	LackOfFit      Code = "lack-of-fit"     // levels lie off the curve by more than runs differ
	Condensed      Code = "condensed"       // so many runs that their means were fitted
	OutsideRange   Code = "outside-range"   // the answer is outside the tested range
)

// Warning qualifies the result that it is attached to. Its text says what to do.
type Warning struct {
	Code Code
	Text string
}

func (w Warning) String() string { return w.Text }

func warn(code Code, format string, args ...any) Warning {
	return Warning{Code: code, Text: fmt.Sprintf(format, args...)}
}

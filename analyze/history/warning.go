package history

import "fmt"

// Code names a kind of warning. Codes are stable, so that a program can act on
// them; texts are for people and may change.
type Code string

// The warnings that this package attaches to its results.
const (
	TooFewRuns   Code = "too-few-runs"   // no change point could be significant
	TooFewBlocks Code = "too-few-blocks" // the same, under block permutation
	Dependent    Code = "dependent"      // runs resemble their neighbours
	NoVariation  Code = "no-variation"   // all values are the same
	NoDates      Code = "no-dates"       // drift is per run, not per week
	OneBlock     Code = "one-block"      // one side is a single build or day
	UnsureRuns   Code = "unsure-runs"    // the effect rests on runs whose side is unsure
	PartOfDrift  Code = "part-of-drift"  // the change point is a step of a drift
	FewForEffect Code = "few-for-effect" // too few runs for the effect's interval
)

// Warning qualifies the result that it is attached to. Its text says what to do.
type Warning struct {
	Code Code
	Text string
}

func (w Warning) String() string { return w.Text }

// warn builds a Warning from a format.
func warn(code Code, format string, args ...any) Warning {
	return Warning{Code: code, Text: fmt.Sprintf(format, args...)}
}

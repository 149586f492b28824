package sample

import "fmt"

// Code names a kind of warning. Codes are stable, so that a program can act on
// them; texts are for people and may change.
type Code string

// The warnings that this package attaches to its results.
const (
	TooFew      Code = "too-few"      // there is no interval at this size
	FewValues   Code = "few-values"   // the interval stands, but on little
	NoVariation Code = "no-variation" // all values are the same
)

// Warning qualifies the number that it is attached to. Its text says what to do.
type Warning struct {
	Code Code
	Text string
}

func (w Warning) String() string { return w.Text }

// warn builds a Warning from a format.
func warn(code Code, format string, args ...any) Warning {
	return Warning{Code: code, Text: fmt.Sprintf(format, args...)}
}

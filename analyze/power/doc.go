// Package power turns telemetry into what a run cost and whether its hardware ran
// as it should: energy with its coverage and interval, clocks that were stuck or
// throttled, memory that drifts. It imports nothing of ours: times are nanoseconds
// on one clock, powers watts, clocks hertz.
//
//	scope, err := power.Choose(names)           // which rails may be added up
//	e, err := power.Integrate(samples, from, to)
//	// e.Joules [e.Lo, e.Hi] over e.Coverage of the window
//
// # Which rails
//
// A board reports its input and the domains behind it. Adding both counts energy
// twice: a public harness measured 37.6 W where 23.5 W were true because it added
// VIN_SYS_5V0 to the domain rails. [Choose] takes either, never both, and says
// which.
//
// # Missing samples
//
// The integral is the trapezoid's. Of a gap, twice the usual distance of samples
// counts as covered; over eight times the usual it is left out, and the energy of
// the window is that of the rest, scaled. Coverage is stated; under half of it there
// is no answer.
//
// # Clocks
//
// Telemetry often has a clock without a zone. Where it does not overlap the run as
// it stands, nothing is guessed: [Overlap] refuses, and names the shift that would
// make the two meet.
package power

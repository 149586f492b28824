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
// # What a reading is
//
// NVIDIA's power.draw is the mean of the second before it, on Ampere and later but
// GA100 ([Scope.ReadingMean]). The trapezoid sees a run through it half a second late,
// with ends smeared over a second: of ten seconds at 500 W between 90 W it misses half
// a second of the rise, 4 %. Where the load tells the lag, 1.5 % are left, and 6 % of
// 2.6 seconds, in the simulation of TestPowerThatIsTheMeanOfASecond.
// power.draw.instant has no lag, but looks at a quarter of the time on A100 and H100
// (Yang, Adamek, Armour, arXiv 2312.02741). A counter of joules has neither fault.
//
// # Clocks
//
// Telemetry often has a clock without a zone. Where it does not overlap the run as
// it stands, nothing is guessed: [Overlap] refuses, and names the shift that would
// make the two meet.
package power

package scale

import (
	"fmt"
	"math"
)

// A Unit is how the values of one column are shown. The zero Unit shows plain
// numbers.
type Unit struct {
	Symbol string  // "ms", "tok/s", "%"; empty for a plain number
	per    float64 // shown = stored * per; 0 means 1

	// shared is the number of decimals that every value of the column supports;
	// none where the unit was chosen without looking at values.
	shared   int
	isShared bool
}

// ladders holds, for each stored unit (schemas.Metric.Unit), the display units
// that it may be shown in, largest first. A value is shown in the first unit in
// which it is at least 1.
var ladders = map[string][]Unit{
	"s":          {rung("s", 1), rung("ms", 1e3), rung("µs", 1e6), rung("ns", 1e9)},
	"tokens/s":   {rung("tok/s", 1)},
	"requests/s": {rung("req/s", 1)},
	"requests":   {rung("requests", 1)},
	"1":          {rung("%", 100)},
}

func rung(symbol string, per float64) Unit { return Unit{Symbol: symbol, per: per} }

// For returns the unit in which values of a stored unit stand best together: the
// one that suits the value nearest zero, so that no value of the column starts
// with zeros. Zeros and missing values have no say. A stored unit that is not
// known is shown as it is.
//
// The values also settle the decimals of the column: those that all of them
// support, so that 65.90 does not stand above 71.3, though never fewer than make
// three significant digits.
func For(stored string, values ...Number) Unit {
	return chosen(stored, nearestZero(values)).Sharing(values...)
}

// Sharing returns the unit with the decimals that the given stored values all
// support, for a few values that stand together in a picture or a sentence.
func (u Unit) Sharing(values ...Number) Unit {
	u.isShared = false
	for _, n := range values {
		if !finite(n.Value) || n.Value == 0 {
			continue
		}
		d := n.times(u.scale()).decimals(maxDecimals)
		if !u.isShared || d < u.shared {
			u.shared, u.isShared = d, true
		}
	}
	return u
}

func chosen(stored string, least float64) Unit {
	ladder, ok := ladders[stored]
	if !ok {
		return Unit{Symbol: stored}
	}
	for _, u := range ladder {
		if reachesOne(least * u.per) {
			return u
		}
	}
	if least == 0 {
		return ladder[0]
	}
	return ladder[len(ladder)-1]
}

// reachesOne reports whether v is at least 1 when it is printed with three
// digits: 0.9996 s prints as 1.00 s, not as 1,000 ms.
func reachesOne(v float64) bool {
	_, exponent := leading(v, exactDigits)
	return v > 0 && exponent >= 0
}

// nearestZero returns the smallest magnitude among the values that are neither
// zero nor missing, or 0 where there is none.
func nearestZero(values []Number) float64 {
	least := 0.0
	for _, n := range values {
		v := math.Abs(n.Value)
		if v > 0 && finite(v) && (least == 0 || v < least) {
			least = v
		}
	}
	return least
}

// In returns a stored value in this unit, for a plot's axis.
func (u Unit) In(stored float64) float64 { return stored * u.scale() }

// scale makes the zero Unit show values as they are.
func (u Unit) scale() float64 {
	if u.per == 0 {
		return 1
	}
	return u.per
}

// decimals returns the decimals of a value that is in the unit already: what it
// supports, or less where the column shows less.
func (u Unit) decimals(n Number) int {
	own := n.decimals(maxDecimals)
	if !u.isShared {
		return own
	}
	return min(own, max(u.shared, decimalsForDigits(n.Value, exactDigits)))
}

// Format prints a value without its unit, for a column whose head names it.
func (u Unit) Format(n Number) string {
	n = n.times(u.scale())
	return fixed(n.Value, u.decimals(n))
}

// maxDecimals of a value; maxDigits binds first except far below 1, where only
// plain numbers go.
const maxDecimals = 9

// FormatWithUnit prints a value and its unit: "14.2 ms".
func (u Unit) FormatWithUnit(n Number) string { return u.with(u.Format(n)) }

// with appends the unit to a printed value, unless that is missing.
func (u Unit) with(s string) string {
	if u.Symbol == "" || s == Missing {
		return s
	}
	return s + " " + u.Symbol
}

// FormatSpread prints a value with its interval, and no unit. An interval that
// is narrow and even reads best as a percentage, "14.2 ±0.8 %"; one that is not
// is printed by its ends, "14.2 [9.1, 31.0]".
func (u Unit) FormatSpread(n Number) string {
	s := u.Format(n)
	if s == Missing || !n.bounded() {
		return s
	}
	below, above := 1-n.Lo/n.Value, n.Hi/n.Value-1
	if spread := max(below, above); n.Value > 0 && spread < evenSpread {
		return s + " ±" + spreadPercent(spread)
	}
	return u.FormatEnds(n)
}

// FormatEnds prints a value with the ends of its interval, and no unit:
// "9.1 [8.9, 9.3]".
func (u Unit) FormatEnds(n Number) string {
	s := u.Format(n)
	if s == Missing || !n.bounded() {
		return s
	}
	d := u.decimals(n.times(u.scale()))
	return fmt.Sprintf("%s [%s, %s]", s, fixed(u.In(n.Lo), d), fixed(u.In(n.Hi), d))
}

// evenSpread is the relative half-width below which an interval on the log scale
// is even enough to be printed as ±: at 20 % its ends are -17 % and +20 %.
const evenSpread = 0.2

// spreadPercent prints a relative half-width with two digits at most: "0.35 %",
// "1.2 %", "12 %".
func spreadPercent(spread float64) string {
	p := spread * 100
	if p < 0.005 {
		return "0 %"
	}
	return fixed(p, min(max(decimalsForDigits(p, 2), 0), 2)) + " %"
}

// Tick prints a value that is already in this unit, such as a tick of an axis,
// with the decimals that a multiple of step needs: of steps such as 2.5 a digit more
// than of 2.
func Tick(v, step float64) string {
	const round = 1e-9
	decimals := max(decimalsForDigits(step, 1), 0)
	if at := step * math.Pow10(decimals); math.Abs(at-math.Round(at)) > round*at {
		decimals++
	}
	return fixed(v, decimals)
}

// Heading names a column and its unit: "ITL mean (ms)".
func (u Unit) Heading(name string) string {
	if u.Symbol == "" {
		return name
	}
	return name + " (" + u.Symbol + ")"
}

package scale

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxChangeDecimals of a percentage: a hundredth of a percent is finer than
	// anything a benchmark resolves.
	maxChangeDecimals = 2
	// maxFactorDecimals: "4.65×", never rounded to 4.7 and never 4.6474.
	maxFactorDecimals = 2
)

// change returns a ratio candidate / baseline as a change in per cent.
func change(ratio Number) Number {
	return Number{(ratio.Value - 1) * 100, (ratio.Lo - 1) * 100, (ratio.Hi - 1) * 100, ratio.Bounded}
}

// changeDecimals of a change in per cent: what its interval supports, down to
// whole per cents, or one where it has none. Unlike a value, a change may round
// to zero: that is what "no change" looks like.
func changeDecimals(c Number) int {
	if !c.bounded() {
		return 1
	}
	return min(max(decimalsForHalfWidth((c.Hi-c.Lo)/2), 0), maxChangeDecimals)
}

// Change prints a ratio as a change: 1.05 is "+5.0 %".
func Change(ratio Number) string {
	c := change(ratio)
	s := signed(c.Value, changeDecimals(c))
	if s == Missing {
		return s
	}
	return s + " %"
}

// ChangeInterval prints the interval of a ratio as changes: "[+4.1, +5.9] %".
// It is empty where there is none.
func ChangeInterval(ratio Number) string {
	ends := changeEnds(ratio)
	if ends == "" {
		return ""
	}
	return ends + " %"
}

func changeEnds(ratio Number) string {
	c := change(ratio)
	if !c.bounded() {
		return ""
	}
	d := changeDecimals(c)
	return fmt.Sprintf("[%s, %s]", signed(c.Lo, d), signed(c.Hi, d))
}

// ChangeWithInterval prints both: "+5.0 % [+4.1, +5.9]".
func ChangeWithInterval(ratio Number) string {
	s, ends := Change(ratio), changeEnds(ratio)
	if s == Missing || ends == "" {
		return s
	}
	return s + " " + ends
}

// Factor prints a ratio as a factor: "4.65×".
func Factor(ratio Number) string {
	s := fixed(ratio.Value, ratio.decimals(maxFactorDecimals))
	if s == Missing {
		return s
	}
	return s + "×"
}

// FactorWithInterval prints a factor with its interval: "4.65× [4.61, 4.69]".
func FactorWithInterval(ratio Number) string {
	s := Factor(ratio)
	if s == Missing || !ratio.bounded() {
		return s
	}
	d := ratio.decimals(maxFactorDecimals)
	return fmt.Sprintf("%s [%s, %s]", s, fixed(ratio.Lo, d), fixed(ratio.Hi, d))
}

// Count prints a number of things with thousands separators: "1,280,000".
func Count(n int64) string { return group(strconv.FormatInt(n, 10)) }

// Share prints part of a whole as a percentage, "12 %", and with a digit more
// below ten. It is missing where the whole is zero.
func Share(part, whole int64) string {
	if whole == 0 {
		return Missing
	}
	p := float64(part) / float64(whole) * 100
	if p >= 10 || p == 0 {
		return fixed(p, 0) + " %"
	}
	return fixed(p, min(max(decimalsForDigits(p, 2), 1), 3)) + " %"
}

// Percent prints a share that has no sign, such as a smallest detectable effect,
// with two significant digits: 0.0113 is "1.1 %".
func Percent(share float64) string {
	if !finite(share) {
		return Missing
	}
	return spreadPercent(share)
}

// P prints a p-value with as many digits as anyone acts on: "0.21", "0.008",
// "<0.001". It is missing outside [0, 1].
func P(p float64) string {
	switch {
	case !(p >= 0 && p <= 1):
		return Missing
	case p < 0.001:
		return "<0.001"
	case p < 0.0995:
		return fixed(p, 3)
	}
	return fixed(p, 2)
}

// PEquals is P in a sentence: "p = 0.040", "p < 0.001".
func PEquals(p float64) string {
	if below, ok := strings.CutPrefix(P(p), "<"); ok {
		return "p < " + below
	}
	return "p = " + P(p)
}

package simulate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Change makes one version differ: a known regression, or a known improvement,
// for an analysis to find.
type Change struct {
	Version   string
	Parameter string  // itl, base, slope, ttft: see [ParseChange]
	Factor    float64 // multiplies the parameter
}

// changeable says what each parameter of a Change multiplies.
var changeable = map[string]func(*Config) []*time.Duration{
	"itl":   func(c *Config) []*time.Duration { return []*time.Duration{&c.ITLBase, &c.ITLSlope} },
	"base":  func(c *Config) []*time.Duration { return []*time.Duration{&c.ITLBase} },
	"slope": func(c *Config) []*time.Duration { return []*time.Duration{&c.ITLSlope} },
	"ttft":  func(c *Config) []*time.Duration { return []*time.Duration{&c.TTFTBase, &c.TTFTSlope} },
}

// ParseChange reads a change as the command line writes it,
// VERSION:PARAMETER=PERCENT%, as in 0.20.0:itl=+5%. The parameters are
//
//	itl    every decode step
//	base   the part of a decode step that does not depend on the load
//	slope  the part of a decode step that grows with the running sequences
//	ttft   every prefill; TTFT also holds one decode step and the queue
func ParseChange(text string) (Change, error) {
	fail := func(what string) (Change, error) {
		return Change{}, fmt.Errorf("change %q: %s; want VERSION:PARAMETER=PERCENT%%, for example 0.20.0:itl=+5%%", text, what)
	}
	version, rest, ok := strings.Cut(text, ":")
	if !ok || version == "" {
		return fail("no version before a colon")
	}
	parameter, amount, ok := strings.Cut(rest, "=")
	if !ok {
		return fail("no = after the parameter")
	}
	if _, ok := changeable[parameter]; !ok {
		return fail(fmt.Sprintf("no parameter %q, only %s", parameter, strings.Join(slices.Sorted(maps.Keys(changeable)), ", ")))
	}
	number, ok := strings.CutSuffix(amount, "%")
	if !ok {
		return fail(fmt.Sprintf("amount %q is not a percentage", amount))
	}
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(percent) || math.IsInf(percent, 0) {
		return fail(fmt.Sprintf("amount %q is not a percentage", amount))
	}
	if percent <= -100 {
		return fail(fmt.Sprintf("%s%% leaves nothing", number))
	}
	return Change{Version: version, Parameter: parameter, Factor: 1 + percent/100}, nil
}

// String returns the change as [ParseChange] reads it.
func (c Change) String() string {
	percent := math.Round((c.Factor-1)*1e8) / 1e6 // without the noise of the subtraction
	return fmt.Sprintf("%s:%s=%+g%%", c.Version, c.Parameter, percent)
}

// apply makes the change to cfg, which belongs to the change's version.
func (c Change) apply(cfg *Config) {
	for _, d := range changeable[c.Parameter](cfg) {
		*d = scale(*d, c.Factor)
	}
}

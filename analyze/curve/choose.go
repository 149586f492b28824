package curve

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Response is what a curve is of, which says what models there are for it.
type Response int

const (
	// Latency is the time between tokens, or any other time that the batch shares.
	Latency Response = iota
	// Throughput is in tokens or requests a second.
	Throughput
	// FirstToken is the time to first token, or any other time with a queue in it.
	FirstToken
)

func (r Response) String() string {
	switch r {
	case Latency:
		return "latency"
	case Throughput:
		return "throughput"
	case FirstToken:
		return "first token"
	}
	return fmt.Sprintf("response(%d)", int(r))
}

// Models returns the models for a response, the simplest first.
func (r Response) Models() []*Model {
	switch r {
	case Latency:
		return []*Model{Affine, Quadratic, Plateau, Hinge}
	case Throughput:
		return []*Model{Amdahl, USL, Saturating, ALA}
	case FirstToken:
		return []*Model{Affine, Quadratic, Queueing}
	}
	return nil
}

// ChooseOptions sets how to choose. A zero field takes its default.
type ChooseOptions struct {
	Options
	Models     []*Model // default: those of the response
	Replicates int      // of the test of a break; default 999
	Seed       uint64   // of the same; the same seed gives the same result

	// SkipLeaveOut leaves out the second opinion, which takes most of the time.
	SkipLeaveOut bool
}

const defaultReplicates = 999

// Candidate is a model that was considered.
type Candidate struct {
	Fit      *Fit
	LeaveOut // NaN if skipped
	Chosen   bool
	Reason   string // why it was not chosen; empty if it was
}

// Refusal is a model that could not be considered.
type Refusal struct {
	Model string
	Err   error
}

// Choice is the model that the points support, and what it was chosen from.
type Choice struct {
	*Fit                   // the chosen one
	LeaveOut   LeaveOut    // of the chosen one
	Candidates []Candidate // by AICc, lowest first
	Refused    []Refusal
	Break      *BreakTest // nil if no model with a breakpoint was considered
	Warnings   []Warning  // those of the fit, and of the choice
}

// Choose fits the models of a response and takes the one with the lowest AICc, or
// one with fewer parameters whose AICc is less than 4 higher: the models up to
// there have substantial support (Burnham & Anderson 2002, Model Selection and
// Multimodel Inference, section 2.6), and a curve that bends for no reason spoils
// every interval that follows from it. A model with a breakpoint has to pass a
// [BreakTest] too. The second opinion is
// each model's error at levels that it was not fitted to: where another model's is
// much lower, a warning says so.
//
// Below four levels there is no choice but to draw the points: a [LevelsError].
// Below six only models of two parameters are considered.
//
// Of more than a thousand points, means of neighbours are fitted: a [Condensed]
// warning.
//
// If the points come from three or more known server starts, all models are
// fitted with the same variances within and between starts, those of the model
// that fits best without them.
func Choose(points []Point, response Response, opts ChooseOptions) (*Choice, error) {
	options, err := opts.Options.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := newData(points, opts.Noise)
	if err != nil {
		return nil, err
	}
	d = d.condense(mostPoints)
	models := opts.Models
	if models == nil {
		models = response.Models()
	}
	if len(models) == 0 {
		return nil, fmt.Errorf("curve: there are no models of %s", response)
	}

	c := &Choice{}
	d = c.fitAll(d, models, options, opts.SkipLeaveOut)
	if len(c.Candidates) == 0 {
		return nil, c.Refused[0].Err
	}
	c.testBreaks(d, response, opts)
	c.choose()
	c.secondOpinion()
	return c, nil
}

// withDefaults fills and checks the options.
func (o Options) withDefaults() (Options, error) {
	if o.Confidence == 0 {
		o.Confidence = defaultConfidence
	}
	if !(o.Confidence > 0 && o.Confidence < 1) {
		return o, fmt.Errorf("curve: confidence %g is not between 0 and 1", o.Confidence)
	}
	return o, nil
}

// fitAll fits the models to d and, where server starts differ, to the whitened
// data that it returns.
func (c *Choice) fitAll(d *data, models []*Model, opts Options, skipLeaveOut bool) *data {
	var fitted []*Model
	var lowest *Model
	least := math.Inf(1)
	for _, m := range models {
		s, err := m.searchIfEnough(d)
		if err != nil {
			c.Refused = append(c.Refused, Refusal{m.name, err})
			continue
		}
		fitted = append(fitted, m)
		if a := d.aicc(s.rss, len(m.parameters)); lowest == nil || a < least {
			lowest, least = m, a
		}
	}
	if lowest != nil {
		if ratio := lowest.startRatio(d, d.found[lowest]); ratio > 0 {
			d = d.whitened(ratio)
		}
	}
	for _, m := range fitted {
		s, err := m.search(d)
		if err != nil {
			c.Refused = append(c.Refused, Refusal{m.name, err})
			continue
		}
		k := Candidate{Fit: newFit(m, d, s, opts), LeaveOut: LeaveOut{math.NaN(), math.NaN()}}
		if !skipLeaveOut {
			k.LeaveOut = m.leaveOut(d)
		}
		c.Candidates = append(c.Candidates, k)
	}
	slices.SortStableFunc(c.Candidates, func(a, b Candidate) int { return a.compare(b) })
	return d
}

// compare orders by AICc; fits that are exact come first, with few parameters
// before many, and so do fits of which AICc cannot tell.
func (c Candidate) compare(other Candidate) int {
	a, b := c.Fit, other.Fit
	switch {
	case a.exact && b.exact, math.IsInf(a.AICc, 1) && math.IsInf(b.AICc, 1):
		return cmp.Compare(len(a.theta), len(b.theta))
	case a.exact:
		return -1
	case b.exact:
		return 1
	}
	return cmp.Compare(a.AICc, b.AICc)
}

// testBreaks tests whether there is a break at all, if a model has one.
func (c *Choice) testBreaks(d *data, response Response, opts ChooseOptions) {
	if !slices.ContainsFunc(c.Candidates, func(k Candidate) bool { return k.Fit.model.breakAt != nil }) {
		return
	}
	replicates := opts.Replicates
	if replicates == 0 {
		replicates = defaultReplicates
	}
	if response == Throughput {
		d = d.inverted()
	}
	test, err := testBreak(d, replicates, rand.New(rand.NewPCG(opts.Seed, 0x627265616b)))
	if err == nil {
		c.Break = &test
	}
}

// inverted turns throughput into the latency that it is the inverse of: x/y.
func (d *data) inverted() *data {
	points := slices.Clone(d.points)
	for i, p := range points {
		points[i].Y = p.X / p.Y
	}
	inverse := collect(points, d.noise)
	if d.whitening != nil {
		inverse.setRatio(d.ratio)
	}
	return inverse
}

// support is how much higher AICc may be for a model with fewer parameters.
const support = 4

// choose takes, of the candidates that nothing speaks against and that AICc
// supports, the one with the fewest parameters.
func (c *Choice) choose() {
	lowest := max(0, slices.IndexFunc(c.Candidates, func(k Candidate) bool { return c.against(k) == "" }))
	chosen := lowest
	for i, k := range c.Candidates {
		supported := !c.Candidates[lowest].Fit.exact && k.Fit.AICc-c.Candidates[lowest].Fit.AICc < support
		if supported && c.against(k) == "" && len(k.Fit.theta) < len(c.Candidates[chosen].Fit.theta) {
			chosen = i
		}
	}
	best := c.Candidates[chosen].Fit
	for i := range c.Candidates {
		k := &c.Candidates[i]
		switch difference := k.Fit.AICc - best.AICc; {
		case i == chosen:
			k.Chosen = true
		case c.against(*k) != "":
			k.Reason = c.against(*k)
		case best.exact:
			k.Reason = "a simpler model fits exactly"
		case math.IsInf(k.Fit.AICc, 1):
			k.Reason = "too few points for so many parameters"
		case difference < 0:
			k.Reason = fmt.Sprintf("AICc is only %.1f lower, with more parameters", -difference)
		default:
			k.Reason = fmt.Sprintf("AICc is %.1f higher", difference)
		}
	}
	c.Fit, c.LeaveOut = best, c.Candidates[chosen].LeaveOut
	c.Warnings = slices.Clone(best.Warnings)
}

// against says what speaks against a candidate besides its AICc.
func (c *Choice) against(k Candidate) string {
	switch {
	case k.Fit.model.breakAt == nil:
		return ""
	case c.Break == nil:
		return "whether there is a break could not be tested"
	case c.Break.P >= breakLevel:
		return fmt.Sprintf("a break is not significant (p = %.3f)", c.Break.P)
	}
	return ""
}

// muchLower is by what factor another model's error at levels left out has to be
// lower to be worth a warning.
const muchLower = 0.7

func (c *Choice) secondOpinion() {
	best := c.Candidates[0]
	for _, k := range c.Candidates {
		if k.LeaveOut.Inside < best.LeaveOut.Inside {
			best = k
		}
	}
	if !best.Chosen && best.LeaveOut.Inside < muchLower*c.LeaveOut.Inside && !c.exact {
		c.Warnings = append(c.Warnings, warn(SecondOpinion,
			"%s predicts levels left out better than %s (to %.2g %% against %.2g %%): add levels where they differ",
			best.Fit.Model, c.Model, 100*best.LeaveOut.Inside, 100*c.LeaveOut.Inside))
	}
}

package curve

import (
	"fmt"
	"math"
)

// JointPoint is one run at one load point, with both of its responses.
type JointPoint struct {
	X          float64 // measured mean concurrency
	ITL        float64 // mean time between tokens, token-weighted; in seconds
	Throughput float64 // output tokens a second
	Start      string
}

// JointFit is a curve of latency fitted to latency and throughput together.
type JointFit struct {
	*Fit

	// Agreement is throughput × ITL at each level as a share of the requests that
	// the curve says are decoding: 1 if both responses are of the same thing.
	Agreement []Estimate
	Levels    []float64 // geometric means of the measured concurrency
	Warnings  []Warning // those of the fit, and of the disagreement
}

// disagreement is by how much the share at a level has to differ from 1, beyond
// its interval, to be worth a warning.
const disagreement = 0.05

// FitJoint fits a model of latency to ITL and throughput together. In a closed
// loop they are one curve (Little's law over the decoding requests):
//
//	throughput = n / ITL,  n = c, or min(c, slots) for [Plateau]
//
// so that each run measures ITL twice, as itself and as n/throughput; what is
// fitted is the geometric mean of the two. Their noise is the same run's, which
// is why a run counts once. m is [Affine], [Quadratic], [Hinge] or [Plateau].
//
// Where throughput × ITL is not n, at some level, a warning says so: prefill or
// queueing take a share of the requests' time, the concurrency was not reached, or
// a chunk carries several tokens.
func (m *Model) FitJoint(points []JointPoint, opts Options) (*JointFit, error) {
	criterion, ok := joint[m]
	if !ok {
		return nil, fmt.Errorf("curve: %s is not a model of latency that throughput follows from", m.name)
	}
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if opts.Noise != Multiplicative {
		return nil, fmt.Errorf("curve: the identity of latency and throughput is one of ratios: need multiplicative noise")
	}
	combined := make([]Point, len(points))
	for i, p := range points {
		if !(p.ITL > 0) || !(p.Throughput > 0) || math.IsInf(p.ITL, 1) || math.IsInf(p.Throughput, 1) {
			return nil, &PointError{Index: i, Field: "value", Value: math.Min(p.ITL, p.Throughput)}
		}
		combined[i] = Point{X: p.X, Y: math.Sqrt(p.ITL / p.Throughput), Start: p.Start}
	}
	d, err := newData(combined, Multiplicative)
	if err != nil {
		return nil, err
	}
	f, err := criterion.fitTo(d, opts)
	if err != nil {
		return nil, err
	}
	f.Model, f.model = m.name, m
	j := &JointFit{Fit: f, Warnings: f.Warnings}
	j.compare(points)
	return j, nil
}

// joint are the curves that the geometric mean of ITL and 1/throughput follows,
// ITL/sqrt(n), with the parameters of the models of ITL.
var joint = map[*Model]*Model{
	Affine:    jointAffine,
	Quadratic: jointModel(Quadratic, everyone, withoutLast(jointAffine)),
	Plateau:   jointModel(Plateau, slotsTaken, []simpler{{model: jointAffine}}),
	Hinge:     jointModel(Hinge, everyone, []simpler{{jointAffine, Hinge.simpler[1].embed}}),
}

var jointAffine = jointModel(Affine, everyone, nil)

// occupancy is n, how many requests decode, and the derivative of its logarithm by
// the last parameter.
type occupancy func(theta []float64, c float64) (n, logSlope float64)

func everyone(_ []float64, c float64) (n, logSlope float64) { return c, 0 }

func slotsTaken(theta []float64, c float64) (n, logSlope float64) {
	if slots := theta[len(theta)-1]; c > slots {
		return slots, 1 / slots
	}
	return c, 0
}

func jointModel(m *Model, n occupancy, contained []simpler) *Model {
	last := len(m.parameters) - 1
	j := &Model{
		name: m.name, parameters: m.parameters, simpler: contained,
		value: func(t []float64, c float64) float64 {
			n, _ := n(t, c)
			return m.value(t, c) / math.Sqrt(n)
		},
		gradient: func(t []float64, c float64, g []float64) {
			n, logSlope := n(t, c)
			m.gradient(t, c, g)
			g[last] -= m.value(t, c) * logSlope / 2
			for i := range g {
				g[i] /= math.Sqrt(n)
			}
		},
	}
	if m.breakAt == nil {
		j.starts = func(d *data) [][]float64 {
			return m.starts(d.scaledBy(math.Sqrt))
		}
		return j
	}
	j.breakAt = func(d *data, at float64) []float64 {
		theta := make([]float64, last+1)
		theta[last] = at
		return m.breakAt(d.scaledBy(func(c float64) float64 {
			n, _ := n(theta, c)
			return math.Sqrt(n)
		}), at)
	}
	return j
}

// scaledBy returns the data with every value multiplied.
func (d *data) scaledBy(factor func(c float64) float64) *data {
	scaled := *d
	scaled.y = make([]float64, len(d.y))
	for i, x := range d.x {
		scaled.y[i] = d.y[i] * factor(x)
	}
	return &scaled
}

// compare sets the agreement of the two responses.
func (j *JointFit) compare(points []JointPoint) {
	worst, at := 0.0, 0
	for _, l := range j.data.levels {
		runs := make([]Run, len(l.points))
		for k, i := range l.points {
			p := points[i]
			// The geometric mean's curve is ITL/sqrt(n).
			n := math.Pow(j.model.value(j.theta, p.X)/j.criterion.value(j.theta, p.X), 2)
			runs[k] = Run{Start: p.Start, Value: p.ITL * p.Throughput / n}
		}
		e := j.geometricMean(runs)
		if off := math.Abs(math.Log(e.Value)); e.differs() && off > worst {
			worst, at = off, len(j.Agreement)
		}
		j.Agreement, j.Levels = append(j.Agreement, e), append(j.Levels, math.Sqrt(l.low*l.high))
	}
	if worst > 0 {
		j.Warnings = append(j.Warnings, warn(Disagree,
			"throughput × ITL is %.0f %% of the concurrency at %.4g: latency and throughput do not belong together; check the concurrency reached, tokens per chunk, and what prefill and queueing take",
			100*j.Agreement[at].Value, j.Levels[at]))
	}
}

// differs reports whether the share is off 1 by more than matters and more than
// chance; of a single run only the former can be said.
func (e Estimate) differs() bool {
	off := math.Abs(math.Log(e.Value)) > math.Log1p(disagreement)
	return off && (e.DF == 0 || e.Low > 1 || e.High < 1)
}

// geometricMean is that of the replicates of runs, with a t interval.
func (f *Fit) geometricMean(runs []Run) Estimate {
	rs, err := replicates("one", runs)
	if err != nil {
		return Estimate{Value: math.NaN(), High: math.Inf(1)}
	}
	mean, variance := meanVariance(logsOf(rs))
	n := float64(len(rs))
	e := newFactor(mean, math.Sqrt(variance/n), n-1, f.Confidence)
	return Estimate{Value: e.Value, Low: e.Low, High: e.High, Level: f.Confidence, Points: len(runs), DF: len(rs) - 1}
}

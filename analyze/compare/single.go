package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/servestat/servestat/analyze/sample"
)

// HistoryRuns is how many comparable runs make a history.
const HistoryRuns = 10

// Outlook is what can be said of one run of a candidate: whether it lies where
// its history leads to expect a run. It is no verdict on a version, because one
// server start may be slow by its own bad luck, so the worst word is "suspect".
type Outlook struct {
	// Verdict is Suspect or Inconclusive, or Invalid with Err set. Never another.
	Verdict Verdict
	Err     error

	Ratio Ratio   // of the run to what was expected; the interval is of prediction
	P     float64 // two-sided; NaN: no history to speak of
	SD    float64 // of log values between the runs of the history
	DF    int

	// Detectable is the worsening that a single run shows as suspect with
	// probability 0.8, as in [Detectable.Ratio].
	Detectable float64

	Warnings []sample.Warning
}

// Single compares a single run of a candidate with the runs of its history:
// values of one metric, positive, one for each server start, all comparable.
// With ten runs or more it is the t test of one further observation,
//
//	t = (log x - mean) / (s sqrt(1 + 1/n)),  n-1 degrees of freedom,
//
// at opts.Alpha, two-sided; a run that is worse by that and by more than
// DeltaMin is suspect. With fewer it is inconclusive, whatever the numbers are.
// There is no way of passing how much the requests of the run vary, and none is
// needed: that says nothing about how runs vary.
func Single(history []float64, run float64, better Better, opts Options) Outlook {
	return outlook(history, history, []float64{run}, better, opts)
}

// outlook predicts the candidate's run from the mean of those expected, with the
// variation of the history.
func outlook(history, expected, run []float64, better Better, opts Options) Outlook {
	nan := math.NaN()
	o := Outlook{P: nan, SD: nan, Detectable: nan, Ratio: Ratio{NBaseline: len(expected), NCandidate: 1, Value: nan}}
	opts, err := opts.complete()
	if err != nil {
		return o.invalid(err)
	}
	if better != Lower && better != Higher {
		return o.invalid(fmt.Errorf("compare: direction %q: say whether lower or higher is better", better))
	}
	past, err := logs("history", history)
	if err != nil {
		return o.invalid(err)
	}
	from, err := logs("baseline", expected)
	if err != nil {
		return o.invalid(err)
	}
	to, err := logs("candidate", run)
	if err != nil {
		return o.invalid(err)
	}
	if len(from) > 0 {
		mean, _ := meanAndSquares(from)
		o.Ratio = exponentiate(Ratio{
			NBaseline: len(from), NCandidate: 1, Method: Prediction, Value: to[0] - mean,
			CI:    sample.Interval{Low: math.Inf(-1), High: math.Inf(1)},
			Lower: Bound{Value: math.Inf(-1)}, Upper: Bound{Value: math.Inf(1)},
		})
	}
	if len(past) < HistoryRuns {
		o.Warnings = append(o.Warnings, warn(NoHistory,
			"one run against %d comparable runs says nothing: need >= %d runs of history, or >= %d runs of each version", len(past), HistoryRuns, plannedRuns))
		return o
	}
	o.predict(past, from, to[0], better, opts)
	return o
}

func (o Outlook) invalid(err error) Outlook {
	o.Verdict, o.Err = Invalid, err
	return o
}

// predict makes the test.
func (o *Outlook) predict(past, from []float64, to float64, better Better, opts Options) {
	_, squares := meanAndSquares(past)
	mean, _ := meanAndSquares(from)
	o.DF = len(past) - 1
	o.SD = math.Sqrt(squares / float64(o.DF))
	se := o.SD * standardError(len(from), 1)
	t := distuv.StudentsT{Sigma: 1, Nu: float64(o.DF)}
	two, one := t.Quantile(1-opts.Alpha/2)*se, t.Quantile(1-opts.Alpha)*se
	difference, level := to-mean, 1-opts.Alpha
	o.Ratio = exponentiate(Ratio{
		NBaseline: len(from), NCandidate: 1, Method: Prediction, Value: difference,
		CI:    sample.Interval{Low: difference - two, High: difference + two, Level: level},
		Lower: Bound{Value: difference - one, Level: level}, Upper: Bound{Value: difference + one, Level: level},
	})
	if constant(past) {
		o.Warnings = append(o.Warnings, warn(NoVariation, "all runs of the history have the same value: check that they are separate server starts"))
		return
	}
	o.P = 2 * t.CDF(-math.Abs(difference)/se)
	if o.P <= opts.Alpha && better.worseLog(o.Ratio.Value) > math.Log1p(opts.DeltaMin) {
		o.Verdict = Suspect
		o.Warnings = append(o.Warnings, warn(OneRun, "one run is suspect, not a regression: make >= %d runs of each version", plannedRuns))
	}
	ncp := noncentrality(t.Quantile(1-opts.Alpha/2), float64(o.DF), detectPower)
	o.Detectable = better.worseRatio(math.Max(ncp*se, math.Log1p(opts.DeltaMin)+distuv.UnitNormal.Quantile(detectPower)*se))
	if m := sample.FindMixture(exps(past)); m.Stalled() {
		o.Warnings = append(o.Warnings, warn(StallsFound, "%d of %d runs of the history stalled, which widens what is expected: leave them in, and make more runs",
			len(m.Arms[0].Slow)+len(m.Arms[0].Fast), len(past)))
	}
}

func exps(logs []float64) []float64 {
	values := make([]float64, len(logs))
	for i, l := range logs {
		values[i] = math.Exp(l)
	}
	return values
}

// Prediction is the method of [Single].
const Prediction Method = "t prediction from the history of runs"

// The warnings of a single run.
const (
	NoHistory sample.Code = "no-history" // too few comparable runs for any word
	OneRun    sample.Code = "one-run"    // suspect, on a single run
)

package analyze

import (
	"fmt"
	"math"
	"slices"

	"github.com/servestat/servestat/analyze/compare"
)

// PlanOptions say what is to be planned. The zero value takes defaults.
type PlanOptions struct {
	Effect  float64 // relative worsening that is to be seen; default 2 %
	Runs    int     // starts of each version; 0: as many as the newest version has
	Tests   int     // in the family; 0: as many as a comparison of the group makes
	Metrics []string
	Thresholds
}

// defaultEffect is the change that people ask about most.
const defaultEffect = 0.02

// A Plan says what a comparison of two versions can see, and what it takes to see
// more.
type Plan struct {
	Group   Group      `json:"group"`
	Version string     `json:"runtime_version"` // the newest, whose starts are counted
	Runs    int        `json:"runs"`            // starts of each version
	Tests   int        `json:"tests"`           // in the family that the most demanding test is one of
	Effect  float64    `json:"effect"`
	Metrics []PlanLine `json:"metrics"`
}

// A PlanLine is one metric over its curve, or at one level. Effects are relative
// worsenings, seen with probability 0.8; null where none is, or not within
// 100,000 runs.
type PlanLine struct {
	Metric         string `json:"metric"`
	Statistic      string `json:"statistic"`
	Name           string `json:"name"`
	MaxConcurrency int64  `json:"max_concurrency,omitempty"` // 0: over the curve
	// SD is of log values between the starts of one version: for small values their
	// coefficient of variation. It rests on DF degrees of freedom, pooled over
	// versions; 0 for one that was given.
	SD float64 `json:"run_sd"`
	DF int     `json:"degrees_of_freedom"`
	// Detectable is what the runs can see in the family, Alone what they would if
	// this were the only test.
	Detectable float64 `json:"smallest_detectable_effect"`
	Alone      float64 `json:"alone"`
	// RunsFor is how many starts of each version see Effect; RunsToClear how many
	// show "not regressed" where nothing changed.
	RunsFor     int `json:"runs_for_effect"`
	RunsToClear int `json:"runs_to_clear"`
}

// PlanFor plans with a variation that is given.
func PlanFor(sd float64, opts PlanOptions) (Plan, error) {
	opts = opts.complete()
	p := Plan{Runs: opts.Runs, Tests: max(opts.Tests, 1), Effect: opts.Effect}
	line, err := p.line(measure{}, 0, sd, 0, opts)
	if err != nil {
		return p, err
	}
	p.Metrics = []PlanLine{line}
	return p, nil
}

func (o PlanOptions) complete() PlanOptions {
	if o.Effect == 0 {
		o.Effect = defaultEffect
	}
	return o
}

// Plans plans for every group in d, with the variation between starts that its
// versions show.
func Plans(d *Data, opts PlanOptions) ([]Plan, error) {
	opts = opts.complete()
	groups := byGroup(d.Only(func(r *Run) bool { return r.usable() && r.closedLoop() }).Runs)
	var out []Plan
	for _, g := range sortedGroups(groups) {
		p, err := planGroup(g, groups[g], opts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g, err)
		}
		if len(p.Metrics) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

func planGroup(g Group, runs []*Run, opts PlanOptions) (Plan, error) {
	_, sets := inSteadyWindow(runs)
	runs = sets[0]
	var arms []*arm
	versions := versionsOf(runs)
	for _, v := range versions {
		arms = append(arms, newArm(ofVersion(runs, v)))
	}
	newest := arms[len(arms)-1]
	p := Plan{Group: g, Version: versions[len(versions)-1], Runs: opts.Runs, Tests: opts.Tests, Effect: opts.Effect}
	if p.Runs == 0 {
		p.Runs = len(newest.starts)
	}
	levels := slices.DeleteFunc(newest.levels(), func(l int64) bool { return newest.share(l) < 0.8 })
	var chosen []measure
	for _, m := range measures {
		if _, df := pooled(arms, levels, m); df > 0 && (len(opts.Metrics) == 0 || slices.Contains(opts.Metrics, m.key())) {
			chosen = append(chosen, m)
		}
	}
	if p.Tests == 0 {
		p.Tests = testsOf(len(chosen), len(levels))
	}
	for _, m := range chosen {
		if err := p.add(arms, m, 0, levels, opts); err != nil {
			return p, err
		}
		for _, level := range levels {
			if err := p.add(arms, m, level, []int64{level}, opts); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// testsOf is how many tests a comparison makes: of the metrics and the failure
// rate, each at every level and over its curve, and of the stalls.
func testsOf(metrics, levels int) int {
	each := levels + 1
	if levels < 2 {
		each = 1
	}
	return (metrics+1)*each + 1
}

func (p *Plan) add(arms []*arm, m measure, level int64, over []int64, opts PlanOptions) error {
	sd, df := pooled(arms, over, m)
	if df == 0 {
		return nil
	}
	line, err := p.line(m, level, sd, df, opts)
	if err == nil {
		p.Metrics = append(p.Metrics, line)
	}
	return err
}

// pooled is the standard deviation of the logs of a measure between the starts of
// a version, pooled over versions, on df degrees of freedom.
func pooled(arms []*arm, levels []int64, m measure) (sd float64, df int) {
	squares := 0.0
	for _, a := range arms {
		values := a.over(levels, m.of)
		mean := 0.0
		for _, v := range values {
			mean += math.Log(v) / float64(len(values))
		}
		for _, v := range values {
			squares += (math.Log(v) - mean) * (math.Log(v) - mean)
		}
		df += max(0, len(values)-1)
	}
	return math.Sqrt(squares / float64(df)), df
}

func (p *Plan) line(m measure, level int64, sd float64, df int, opts PlanOptions) (PlanLine, error) {
	line := PlanLine{Metric: m.metric, Statistic: m.statistic, Name: m.name, MaxConcurrency: level, SD: sd, DF: df}
	o := opts.options()
	if margin := opts.marginOf(m); margin != 0 {
		o.Margin = margin
	}
	inFamily := compare.Plan{SD: sd, DF: df, Runs: p.Runs, Tests: p.Tests}
	alone := inFamily
	alone.Tests = 1
	var err error
	if line.Detectable, err = inFamily.Detectable(o); err != nil {
		return line, err
	}
	if line.Alone, err = alone.Detectable(o); err != nil {
		return line, err
	}
	if line.RunsFor, err = inFamily.RunsFor(p.Effect, o); err != nil {
		return line, err
	}
	line.RunsToClear, err = inFamily.RunsToClear(o)
	return line, err
}

package compare_test

import (
	"fmt"

	"github.com/servestat/servestat/analyze/compare"
)

// Two runs a version are an estimate and no verdict; the warning says what is
// missing.
func ExampleJudge_tooFewRuns() {
	start := func(itl float64) compare.Start { return compare.Start{Values: [][]float64{{itl}}} }
	j := compare.Judge(compare.Sweep{
		Levels: []float64{8}, Metrics: []compare.Metric{{Name: "itl", Better: compare.Lower}},
		Baseline:  []compare.Start{start(20.9), start(21.3)},
		Candidate: []compare.Start{start(22.1), start(21.8)},
	}, compare.Options{})
	fmt.Println(j.Verdict)
	fmt.Println(j.Warnings[0])
	// Output:
	// inconclusive
	// need >= 3 runs of each version, on fresh server starts, for a verdict (>= 5 for a strong one), have 2 and 2
}

// Five equal values are tied with each other: that is counted, not approximated.
func ExampleMannWhitney() {
	test, err := compare.MannWhitney([]float64{1, 1, 1, 1, 1}, []float64{2, 1, 3, 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("U = %g, p = %.4f\n", test.U, test.TwoSided)
	// Output: U = 17.5, p = 0.0476
}

// One metric at two load points, six server starts a version. At 64 requests the
// candidate is 6 % slower; the curve over both, 3 %, would only have hinted.
func ExampleJudge() {
	arm := func(factor float64, luck ...float64) (starts []compare.Start) {
		for _, l := range luck {
			starts = append(starts, compare.Start{Values: [][]float64{{9.8 * l, 21 * l * l * factor}}})
		}
		return starts
	}
	j := compare.Judge(compare.Sweep{
		Levels:    []float64{1, 64},
		Metrics:   []compare.Metric{{Name: "itl", Better: compare.Lower}},
		Baseline:  arm(1, 0.995, 1.004, 1, 0.998, 1.003, 1.006),
		Candidate: arm(1.06, 1.002, 0.996, 1.005, 0.999, 1.001, 0.997),
	}, compare.Options{})

	fmt.Println(j.Verdict)
	for _, c := range j.Metrics[0].Cells {
		fmt.Printf("at %g: %v, x%.3f [%.3f, %.3f], adjusted p = %.3f\n", c.Level, c.Verdict, c.Ratio.Value, c.Ratio.CI.Low, c.Ratio.CI.High, c.AdjustedP)
	}
	// Output:
	// regressed
	// at 1: not regressed, x0.999 [0.993, 1.004], adjusted p = 0.699
	// at 64: regressed, x1.058 [1.045, 1.069], adjusted p = 0.002
}

// What five runs a version could have seen, at the variation that they had, and
// how many runs see 2 %.
func ExamplePlan() {
	plan := compare.Plan{SD: 0.0113, DF: 8, Runs: 5}
	seen, _ := plan.Detectable(compare.Options{})
	runs, _ := plan.RunsFor(0.02, compare.Options{})
	fmt.Printf("you could have seen %.1f %%; %d more runs reach 2 %%\n", 100*seen, runs-plan.Runs)
	// Output: you could have seen 3.0 %; 4 more runs reach 2 %
}

package compare_test

import (
	"fmt"

	"github.com/servestat/servestat/analyze/compare"
)

// Two metrics of one comparison, five server starts a version.
func ExampleFamily() {
	results := compare.Family([]compare.Input{
		{
			Metric: "itl", Better: compare.Lower,
			Baseline:  []float64{20.9, 21.3, 20.7, 21.1, 21.0},
			Candidate: []float64{22.1, 21.8, 22.4, 22.0, 21.9},
		},
		{
			Metric: "output_throughput", Better: compare.Higher,
			Baseline:  []float64{1510, 1495, 1522, 1503, 1508},
			Candidate: []float64{1507, 1499, 1519, 1512, 1500},
		},
	}, compare.Options{})

	for _, r := range results {
		fmt.Printf("%s: %v, x%.3f [%.3f, %.3f] at %.1f %%, p = %.3f\n",
			r.Metric, r.Verdict, r.Ratio.Value, r.Ratio.CI.Low, r.Ratio.CI.High, 100*r.Ratio.CI.Level, r.AdjustedP)
	}
	// Output:
	// itl: regressed, x1.048 [1.033, 1.068] at 96.8 %, p = 0.016
	// output_throughput: not regressed, x0.999 [0.990, 1.011] at 96.8 %, p = 1.000
}

// Two runs a version are an estimate and no verdict; the warning says what is
// missing.
func ExampleFamily_tooFewRuns() {
	r := compare.Family([]compare.Input{{
		Metric: "itl", Better: compare.Lower,
		Baseline:  []float64{20.9, 21.3},
		Candidate: []float64{22.1, 21.8},
	}}, compare.Options{})[0]
	fmt.Println(r.Verdict)
	fmt.Println(r.Warnings[0])
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

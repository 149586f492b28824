package curve_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/servestat/servestat/analyze/curve"
)

// Two server starts, six levels each: median ITL in milliseconds against the
// measured concurrency.
func Example() {
	points := []curve.Point{
		{X: 1.0, Y: 10.4}, {X: 4.0, Y: 11.7}, {X: 7.9, Y: 13.1}, {X: 15.8, Y: 16.5}, {X: 31.5, Y: 22.4}, {X: 62.8, Y: 35.3},
		{X: 1.0, Y: 10.5}, {X: 4.0, Y: 11.5}, {X: 7.9, Y: 13.3}, {X: 15.8, Y: 16.2}, {X: 31.6, Y: 22.9}, {X: 62.7, Y: 35.0},
	}
	fit, err := curve.Affine.Fit(points, curve.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range fit.Params {
		fmt.Printf("%s = %.3f [%.3f, %.3f]\n", p.Name, p.Value, p.Low, p.High)
	}
	knee, err := fit.Knee()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("knee at %.1f [%.1f, %.1f] requests\n", knee.Value, knee.Low, knee.High)
	// Output:
	// alpha = 10.030 [9.932, 10.128]
	// beta = 0.400 [0.394, 0.407]
	// knee at 25.1 [24.5, 25.7] requests
}

// Two levels are two points, whatever the number of runs.
func ExampleModel_Fit_tooFewLevels() {
	points := []curve.Point{{X: 1, Y: 10.4}, {X: 1, Y: 10.5}, {X: 64, Y: 35.3}, {X: 64, Y: 35.0}}
	_, err := curve.Affine.Fit(points, curve.Options{})
	fmt.Println(err)
	// Output: curve: need >= 4 concurrency levels, have 2: points only
}

// Throughput that levels off has no peak to report.
func ExampleFit_Peak() {
	var points []curve.Point
	for _, n := range []float64{1, 2, 4, 8, 16, 32, 64} {
		points = append(points, curve.Point{X: n, Y: 96 * n / (1 + 0.04*(n-1))})
	}
	fit, err := curve.USL.Fit(points, curve.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = fit.Peak()
	fmt.Println(errors.Is(err, curve.ErrNoDownturn))
	// Output: true
}

// The same three server starts at concurrency 1 and 64.
func ExampleDegradation() {
	f, err := curve.Degradation(
		[]curve.Run{{Start: "a", Value: 10.4}, {Start: "b", Value: 10.9}, {Start: "c", Value: 10.1}},
		[]curve.Run{{Start: "a", Value: 35.3}, {Start: "b", Value: 36.6}, {Start: "c", Value: 34.5}},
		0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("x%.2f [%.2f, %.2f], %d server starts\n", f.Value, f.Low, f.High, f.NLow)
	// Output: x3.39 [3.32, 3.46], 3 server starts
}

// A sweep of three server starts on a server with 48 slots: the model is found, and
// with it where latency has doubled, where the slots run out, and how many requests
// fit into 25 ms.
func ExampleChoose() {
	rng := rand.New(rand.NewPCG(1, 2))
	var points []curve.Point
	for _, start := range []string{"a", "b", "c"} {
		for _, c := range []float64{1, 2, 4, 8, 16, 32, 64, 128} {
			itl := 10 + 0.4*math.Min(c, 48)
			points = append(points, curve.Point{X: c, Y: itl * math.Exp(0.01*rng.NormFloat64()), Start: start})
		}
	}
	chosen, err := curve.Choose(points, curve.Latency, curve.ChooseOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(chosen.Model)
	knee, _ := chosen.Knee()
	fmt.Printf("knee at %.1f [%.1f, %.1f]\n", knee.Value, knee.Low, knee.High)
	slots, _ := chosen.Onset()
	fmt.Printf("slots %.1f [%.1f, %.1f]\n", slots.Value, slots.Low, slots.High)
	capacity, _ := chosen.Capacity(25)
	fmt.Printf("within 25 ms up to %.1f [%.1f, %.1f], %v\n", capacity.Value, capacity.Low, capacity.High, capacity.Where)
	// Output:
	// plateau
	// knee at 25.6 [24.9, 26.4]
	// slots 49.5 [48.3, 50.7]
	// within 25 ms up to 38.2 [37.3, 39.1], inside the tested range
}

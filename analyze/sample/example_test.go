package sample_test

import (
	"fmt"

	"github.com/servestat/servestat/analyze/sample"
)

// Five server starts, each reduced to its own median ITL in milliseconds first.
func Example() {
	itl := []float64{20.9, 21.3, 20.7, 21.1, 21.0}
	g, err := sample.GeometricMean(itl, 0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("ITL %.2f ms [%.2f, %.2f], n=%d, CV %.1f %%\n", g.Value, g.CI.Low, g.CI.High, g.N, 100*g.LogSD)
	// Output: ITL 21.00 ms [20.72, 21.28], n=5, CV 1.1 %
}

// Below the floor the quantile of a run is not worth printing.
func ExampleMinNForQuantile() {
	fmt.Println(sample.MinNForQuantile(0.99, 0.95))
	// Output: 368
}

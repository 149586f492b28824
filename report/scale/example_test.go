package scale_test

import (
	"fmt"

	"github.com/servestat/servestat/report/scale"
)

// A column of latencies gets one unit, chosen from the value nearest zero, and
// the decimals that all of its values support.
func Example() {
	column := []scale.Number{
		scale.Within(0.01418, 0.0133, 0.0151),
		scale.Within(0.0659, 0.0655, 0.0663),
		scale.Bare(0.9),
	}
	u := scale.For("s", column...)
	fmt.Println(u.Heading("ITL mean"))
	for _, n := range column {
		fmt.Println(u.Format(n), "or", u.FormatSpread(n))
	}
	// Output:
	// ITL mean (ms)
	// 14.2 or 14.2 ±6.5 %
	// 65.9 or 65.9 ±0.61 %
	// 900 or 900
}

// Ratios are printed as changes or as factors, always with their interval.
func ExampleChangeWithInterval() {
	fmt.Println(scale.ChangeWithInterval(scale.Within(1.05, 1.041, 1.059)))
	fmt.Println(scale.FactorWithInterval(scale.Within(4.6474, 4.61, 4.69)))
	// Output:
	// +5.0 % [+4.1, +5.9]
	// 4.65× [4.61, 4.69]
}

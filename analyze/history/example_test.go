package history_test

import (
	"fmt"
	"time"

	"github.com/servestat/servestat/analyze/history"
)

// A nightly benchmark, one run a night. With night 15 came a driver,
// and with it five per cent; one run stalled, which is no change.
func Example() {
	itl := []float64{
		20.1, 20.3, 20.0, 20.2, 27.4, 19.9, 20.4, 20.0, 20.2, 20.1, 20.3, 19.8, 20.2, 20.0, 20.1,
		21.0, 21.3, 21.1, 21.2, 21.4, 20.9, 21.1, 21.3, 21.0, 21.2, 21.1, 21.4, 20.8, 21.2, 21.0,
	}
	s := history.Series{Name: "itl"}
	night := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for i, v := range itl {
		driver := "550.54.15"
		if i >= 15 {
			driver = "560.28.03"
		}
		s.Runs = append(s.Runs, history.Run{
			Time: night.AddDate(0, 0, i), Value: v,
			Attributes: map[string]string{"driver": driver, "gpu": "H100"},
		})
	}

	r, err := history.Detect(s, history.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, c := range r.ChangePoints {
		fmt.Printf("run %d (one of %d to %d): x%.3f [%.3f, %.3f], p = %.3f\n",
			c.Index, c.Location.Low, c.Location.High, c.Ratio.Value, c.Ratio.CI.Low, c.Ratio.CI.High, c.AdjustedP)
		for _, a := range history.WhatChanged(s, r, i) {
			fmt.Println(a)
		}
	}
	// Output:
	// run 15 (one of 14 to 17): x1.050 [1.040, 1.056], p = 0.001
	// driver: 550.54.15 before, 560.28.03 after, first at run 15
}

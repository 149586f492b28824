package plot_test

import (
	"bytes"
	"fmt"
	"image/png"

	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/report/plot"
)

// A figure is checked when it is made and drawn when it is written. Its
// alternative text says what the picture shows.
func Example() {
	fig, err := plot.LatencyVsConcurrency(specimen.Sweep(), "itl")
	if err != nil {
		fmt.Println(err)
		return
	}
	var buf bytes.Buffer
	if err := fig.WritePNG(&buf); err != nil {
		fmt.Println(err)
		return
	}
	picture, err := png.Decode(&buf)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(picture.Bounds().Size())
	fmt.Println(fig.Alt)
	// Output:
	// (1660,900)
	// ITL mean against achieved concurrency (simulated): 0.19.0 goes from 14.2 ms at concurrency 1 to 65.9 ms at concurrency 32 (achieved 30.6), with a knee at 7.12; 0.20.2 goes from 14.2 ms at concurrency 1 to 71.3 ms at concurrency 32 (achieved 30.6), with a knee at 6.53.
}

// Numbers that cannot be are refused by name, before anything is drawn.
func ExampleLatencyVsConcurrency_badNumber() {
	s := specimen.Sweep()
	s.Series[1].Points[7].ITLMean = 0
	_, err := plot.LatencyVsConcurrency(s, "itl")
	fmt.Println(err)
	// Output:
	// series 0.20.2: run 0.20.2-c02-s3, c=2: ITL mean is 0, which cannot be
}

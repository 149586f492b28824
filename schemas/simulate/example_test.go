package simulate_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/servestat/servestat/schemas/simulate"
)

// A server with four slots and eight users: four requests run, four wait for one
// round of 100 tokens.
func Example() {
	trace, err := simulate.Run(simulate.Config{
		Requests: 80, Concurrency: 8, Slots: 4,
		InputLen: 512, OutputLen: 100,
		ITLBase: 10 * time.Millisecond, ITLSlope: 500 * time.Microsecond,
		TTFTBase: 60 * time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := trace.Summary()
	fmt.Printf("ITL %.1f ms = 10 + 0.5 × 4\n", s.ITL.Mean)
	fmt.Printf("TTFT %.0f ms = 60 + 12, and a round of 1260\n", s.TTFT.Median)
	fmt.Printf("throughput %.1f tokens/s = 4 × 100 / 1.26\n", s.OutputThroughput)
	// Output:
	// ITL 12.0 ms = 10 + 0.5 × 4
	// TTFT 1332 ms = 60 + 12, and a round of 1260
	// throughput 317.5 tokens/s = 4 × 100 / 1.26
}

// A sweep with a regression of 5 %, as files.
func ExampleSweep_Write() {
	s := simulate.DefaultSweep()
	s.Concurrency, s.Runs = []int{1, 8}, 2
	change, err := simulate.ParseChange("0.20.0:itl=+5%")
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Changes = []simulate.Change{change}

	dir, err := os.MkdirTemp("", "simulate")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := s.Write(context.Background(), dir, nil); err != nil {
		fmt.Println(err)
		return
	}
	files, _ := filepath.Glob(filepath.Join(dir, "0.20.0", "*", "*"))
	for _, f := range files {
		name, _ := filepath.Rel(dir, f)
		fmt.Println(filepath.ToSlash(name))
	}
	// Output:
	// 0.20.0/c1/run1.json
	// 0.20.0/c1/run2.json
	// 0.20.0/c8/run1.json
	// 0.20.0/c8/run2.json
}

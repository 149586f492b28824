//go:build unix

package jsonscan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// gapsArray is an array of n gaps as a log has them, share of them so short
// that they are written with an exponent.
func gapsArray(n int, share float64) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := []byte("[")
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		gap := 0.02 + 0.01*rnd.Float64()
		if rnd.Float64() < share {
			gap = 1e-5 * rnd.Float64()
		}
		b = append(b, pythonRepr(gap)...)
	}
	return append(b, ']')
}

func BenchmarkAppendNanos(b *testing.B) {
	for _, share := range []float64{0, 0.05, 1} {
		b.Run(fmt.Sprintf("exponents=%v", share), func(b *testing.B) {
			const n = 1_000_000
			text := gapsArray(n, share)
			var ns []int64
			r := bytes.NewReader(text)
			b.SetBytes(int64(len(text)))
			defer reportCPU(b, int64(len(text)))()
			for b.Loop() {
				r.Reset(text)
				s := NewScanner(r, Options{})
				s.Array()
				got := 0
				for more := true; more; {
					ns, more, _ = s.AppendNanos(ns[:0], 4096)
					got += len(ns)
				}
				if got != n || s.Err() != nil {
					b.Fatal(got, s.Err())
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mgaps/s")
		})
	}
}

// BenchmarkNanos reads value by value, as readers of nested records do.
func BenchmarkNanos(b *testing.B) {
	text := gapsArray(1_000_000, 0)
	r := bytes.NewReader(text)
	b.SetBytes(int64(len(text)))
	defer reportCPU(b, int64(len(text)))()
	for b.Loop() {
		r.Reset(text)
		s := NewScanner(r, Options{})
		s.Array()
		for s.Next() {
			if _, err := s.Nanos(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	texts := map[string][]byte{
		"numbers": gapsArray(1_000_000, 0),
		"strings": []byte(`["` + strings.Repeat(strings.Repeat("so it goes on and on and on ", 40)+`\n", "`, 10_000) + `"]`),
	}
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			r := bytes.NewReader(text)
			b.SetBytes(int64(len(text)))
			defer reportCPU(b, int64(len(text)))()
			for b.Loop() {
				r.Reset(text)
				if err := NewScanner(r, Options{}).Skip(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

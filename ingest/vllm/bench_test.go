//go:build unix

package vllm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas"
)

// detailed makes a result with as many requests, each of a thousand gaps that
// are written as Python writes them.
func detailed(requests int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	column := func(key string, value func() []byte) []byte {
		b := fmt.Appendf(nil, ", %q: [", key)
		for i := range requests {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(b, value()...)
		}
		return append(b, ']')
	}
	seconds := func(about float64) []byte {
		return strconv.AppendFloat(nil, about*(0.5+rnd.Float64()), 'f', -1, 64)
	}
	text := []byte(`{"date": "20260126-101500", "endpoint_type": "openai", "backend": "openai", "model_id": "acme/seven", "duration": 60.5, "completed": 1`)
	text = append(text, column("output_lens", func() []byte { return []byte("1001") })...)
	text = append(text, column("ttfts", func() []byte { return seconds(0.3) })...)
	text = append(text, column("itls", func() []byte {
		b := []byte("[")
		for range 999 {
			b = append(append(b, seconds(0.02)...), ", "...)
		}
		return append(append(b, seconds(0.02)...), ']')
	})...)
	text = append(text, column("start_times", func() []byte { return seconds(350000) })...)
	text = append(text, column("generated_texts", func() []byte { return []byte(`"so it goes, on and on and on"`) })...)
	return append(text, '}')
}

// BenchmarkReader reads a detailed result of a million gaps, and beside it, in
// the same run, lets encoding/json decode it into structs. The clock on the wall
// says little on a machine that is shared, so both are told by the processor's
// time as well, and so is their ratio.
func BenchmarkReader(b *testing.B) {
	text := detailed(1000)
	b.SetBytes(int64(len(text)))
	var ours, theirs time.Duration
	for b.Loop() {
		ours += cpuTime(b, func() { readAll(b, text) })
		b.StopTimer()
		theirs += cpuTime(b, func() { decodeAll(b, text) })
		b.StartTimer()
	}
	perSecond := func(d time.Duration) float64 { return float64(len(text)) * float64(b.N) / d.Seconds() / 1e6 }
	b.ReportMetric(perSecond(ours), "MB/cpu-s")
	b.ReportMetric(perSecond(theirs), "encoding/json-MB/cpu-s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-encoding/json")
}

func readAll(b *testing.B, text []byte) {
	gaps := 0
	r := NewReader(bytes.NewReader(text), "bench.json")
	for r.Scan() {
		switch rec := r.Record().(type) {
		case *schemas.Gaps:
			gaps += len(rec.Nanos)
		case *schemas.Reject:
			b.Fatal(rec)
		}
	}
	if gaps != 1_000_000 {
		b.Fatal(gaps)
	}
}

func decodeAll(b *testing.B, text []byte) {
	var run struct {
		TTFTs      []float64   `json:"ttfts"`
		ITLs       [][]float64 `json:"itls"`
		Starts     []float64   `json:"start_times"`
		OutputLens []int64     `json:"output_lens"`
	}
	if err := json.Unmarshal(text, &run); err != nil {
		b.Fatal(err)
	}
}

func cpuTime(b *testing.B, f func()) time.Duration {
	start := processTime(b)
	f()
	return processTime(b) - start
}

func processTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

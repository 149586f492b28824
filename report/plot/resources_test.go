package plot

import (
	"bytes"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
)

// taken is a run of 20 s at 100 W after idling, with three samples of its KV cache.
func taken() (analyze.RunResources, *analyze.Trace) {
	over := &analyze.ResourceOver{Scope: "GPU", Length: 20}
	for at := -5.0; at <= 25; at++ {
		watts := 20.0
		if at >= 0 && at <= 20 {
			watts = 100
		}
		over.Power = append(over.Power, analyze.TimedValue{At: at, Value: watts})
	}
	over.KV = []analyze.TimedValue{{At: -2, Value: 0}, {At: 8, Value: 0.4}, {At: 18, Value: 0.6}}
	r := analyze.RunResources{
		Group: analyze.Group{Model: "m", Hardware: "h"}, Version: "0.20.0", MaxConcurrency: 4, Over: over,
		Energy: &analyze.Energy{Watts: 100, Joules: analyze.Estimate{Value: 2000}, PerOut: analyze.Estimate{Value: 0.5}, CadenceS: 1, Coverage: 1},
		KV:     &analyze.Gauge{Most: 0.6},
	}
	return r, &analyze.Trace{Simulated: true, Requests: []analyze.TracedRequest{{Start: 0, FirstChunk: 1, End: 20}, {Start: 2, FirstChunk: math.NaN(), End: 12, Failed: true}}}
}

// Power, KV cache and requests stand above each other; what was not recorded has
// no panel, and is not drawn as zero.
func TestResources(t *testing.T) {
	r, trace := taken()
	sizes := map[int]bool{}
	for _, c := range []struct {
		story string
		drop  func(*analyze.ResourceOver)
		trace *analyze.Trace
	}{
		{"all three", func(*analyze.ResourceOver) {}, trace},
		{"no KV cache", func(o *analyze.ResourceOver) { o.KV = nil }, trace},
		{"power alone", func(o *analyze.ResourceOver) { o.KV = nil }, nil},
	} {
		over := *r.Over
		c.drop(&over)
		part := r
		part.Over = &over
		fig, err := Resources(part, c.trace)
		if err != nil {
			t.Fatalf("%s: %v", c.story, err)
		}
		var out bytes.Buffer
		if err := fig.WritePNG(&out); err != nil {
			t.Fatalf("%s: %v", c.story, err)
		}
		img, err := png.Decode(&out)
		if err != nil {
			t.Fatal(err)
		}
		sizes[img.Bounds().Dy()] = true
		if !strings.Contains(fig.Alt, "100 W on average, 2000 J in all; at most 60 % of the KV cache") {
			t.Errorf("%s: %q", c.story, fig.Alt)
		}
	}
	if len(sizes) != 3 {
		t.Errorf("heights %v: want one for each number of panels", sizes)
	}
	r.Over = &analyze.ResourceOver{Length: 20}
	if _, err := Resources(r, trace); err == nil || !strings.Contains(err.Error(), "no samples of power") {
		t.Errorf("%v", err)
	}
}

// A short run leaves the KV cache at the 0.0 % that a server's log prints: its axis was
// named from 0.0000000000 to 0.0000000010 %.
func TestAxisOfNothingButZero(t *testing.T) {
	curve := resourceCurve{at: []analyze.TimedValue{{At: 0}, {At: 10}}, look: lookOf(2), mean: math.NaN()}
	if p := curve.plot(span{0, 20}, 20, true); p.Y.Max < 1 || p.Y.Max > 1.1 {
		t.Errorf("the axis ends at %g", p.Y.Max)
	}
}

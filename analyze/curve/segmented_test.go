package curve

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

// closedLoop is the closed form of the known answers: alpha 10 ms, beta 0.4 ms, 64
// slots, 100 tokens a request.
type closedLoop struct {
	A    float64 `json:"a"`
	B    float64 `json:"b"`
	S    float64 `json:"S"`
	L    float64 `json:"L"`
	Rows []struct{ C, ITL, Thr, TTFT float64 }
}

func knownLoop(t *testing.T) closedLoop {
	t.Helper()
	var known1 struct {
		ClosedLoop closedLoop `json:"closed_loop"`
	}
	schematest.Known(t, "serving_real/queue_known_answers.json", &known1)
	return known1.ClosedLoop
}

// All three curves of the closed loop come back, break and all.
func TestTheClosedLoopComesBack(t *testing.T) {
	loop := knownLoop(t)
	var itl, throughput, ttft []Point
	for _, row := range loop.Rows {
		itl = append(itl, Point{X: row.C, Y: row.ITL})
		throughput = append(throughput, Point{X: row.C, Y: row.Thr})
		ttft = append(ttft, Point{X: row.C, Y: row.TTFT})
	}
	atSlots := loop.A + loop.B*loop.S
	for _, c := range []struct {
		model  *Model
		points []Point
		want   []float64
	}{
		{Plateau, itl, []float64{loop.A, loop.B, loop.S}},
		{Hinge, itl, []float64{loop.A, loop.B, 0, loop.S}},
		{Saturating, throughput, []float64{1 / (loop.A + loop.B), loop.B / (loop.A + loop.B), loop.S}},
		{Queueing, ttft, []float64{loop.A, loop.B, loop.L * atSlots, loop.S}},
	} {
		f := fit(t, c.model, c.points, Options{})
		for j, p := range f.Params {
			// A slope of 0 is found to the rounding of the others.
			if math.Abs(p.Value-c.want[j]) > 1e-7*math.Max(c.want[j], loop.B) {
				t.Errorf("%s: %s = %.12g, want %.12g", c.model.name, p.Name, p.Value, c.want[j])
			}
		}
	}
	limit, err := fit(t, Saturating, throughput, Options{}).Limit()
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "limit", limit.Value, loop.S/atSlots, 1e-8)
}

// R's package segmented on medians of Splitwise's table puts the break of
// Llama2-70B on A100, TP4, at 30.7 (standard error 2.2) with slopes of 0.239 and
// 0.640 ms a sequence, and that of BLOOM, TP8, at 31.5 (0.9). Its search is
// iterative and stops near a corner of the sum of squares; which rows the medians
// were of is not recorded, so that a standard error is what is held to.
func TestHingeIsThatOfSegmented(t *testing.T) {
	table := splitwiseTable(t, "128")
	llama := fit(t, Hinge, medians(table["splitwise llama2-70b a100-80gb tp4"]), Options{Noise: Additive})
	bloom := fit(t, Hinge, medians(table["splitwise bloom-176b a100-80gb tp8"]), Options{Noise: Additive})
	t.Logf("Llama2-70B: %s; BLOOM: %s", llama.formula(), bloom.formula())
	wantNear(t, "break of Llama2-70B", llama.theta[3], 30.7, 2.2/30.7)
	wantNear(t, "slope", 1e3*llama.theta[1], 0.239, 0.01)
	wantNear(t, "slope beyond", 1e3*llama.theta[2], 0.640, 0.01)
	wantNear(t, "break of BLOOM", bloom.theta[3], 31.5, 0.9/31.5)
}

func medians(points []Point) []Point {
	var out []Point
	for _, l := range levelsOf(xsOf(points)) {
		var ys []float64
		for _, i := range l.points {
			ys = append(ys, points[i].Y)
		}
		slices.Sort(ys)
		out = append(out, Point{X: l.low, Y: ys[len(ys)/2]})
	}
	return out
}

func xsOf(points []Point) []float64 {
	xs := make([]float64, len(points))
	for i, p := range points {
		xs[i] = p.X
	}
	return xs
}

// The smallest sum of squares over a fine grid of breaks is not below the one
// found, wherever the break is, at a level too.
func TestNoBetterBreakIsMissed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 33))
	for _, at := range []float64{2, 3, 8, 11, 32, 40, 64, 90} {
		truth := func(c float64) float64 { return 10 + 0.2*math.Min(c, at) + 0.6*math.Max(0, c-at) }
		var points []Point
		for range 3 {
			points = append(points, sweep(levels, noisy(rng, 0.02, truth))...)
		}
		f := fit(t, Hinge, points, Options{})
		for psi := 2.0; psi <= 64; psi *= 1.01 {
			if rss := f.rssWithBreak(psi); rss < f.RSS*(1-1e-9) {
				t.Errorf("break at %g: RSS %g at %g, found %g at %g", at, rss, psi, f.RSS, f.theta[3])
			}
		}
		if f.RSS > f.Simpler[0].RSS*(1+1e-9) || f.RSS > f.Simpler[1].RSS*(1+1e-9) {
			t.Errorf("RSS %g, simpler %+v", f.RSS, f.Simpler)
		}
	}
}

// Levels that are reached to within a percent are levels, and a break may lie
// among the runs of one.
func TestBreakWithConcurrencyThatVaries(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 34))
	var points []Point
	for range 5 {
		for _, x := range levels {
			x *= math.Exp(0.003 * rng.NormFloat64())
			points = append(points, Point{X: x, Y: itl(math.Min(x, 32)) * math.Exp(0.003*rng.NormFloat64())})
		}
	}
	f := fit(t, Plateau, points, Options{})
	wantNear(t, "slots", f.theta[2], 32, 0.02)
	onset, err := f.Onset()
	if err != nil || !(onset.Low < 32 && 32 < onset.High && onset.High/onset.Low < 1.1) {
		t.Errorf("%+v, %v", onset, err)
	}
}

func TestOnsetIsOfABreak(t *testing.T) {
	_, err := fit(t, Affine, sweep(levels, itl), Options{}).Onset()
	if !errors.Is(err, ErrNoOnset) {
		t.Error(err)
	}
}

// A break that the levels cannot tell from one outside their range has an open
// interval.
func TestOnsetIsOpenWhereABreakCannotBeExcluded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 35))
	truth := func(c float64) float64 { return itl(math.Min(c, 100)) }
	var points []Point
	for range 3 {
		points = append(points, sweep(levels, noisy(rng, 0.03, truth))...)
	}
	onset, err := fit(t, Plateau, points, Options{}).Onset()
	if err != nil || !math.IsInf(onset.High, 1) {
		t.Errorf("%+v, %v", onset, err)
	}
}

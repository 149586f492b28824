package curve

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// jointSweep measures both responses of a closed loop, with the noise of the runs
// in both and share as what prefill leaves of the requests' time.
func jointSweep(rng *rand.Rand, slots, cv float64, share func(c float64) float64) []JointPoint {
	var points []JointPoint
	for _, p := range closed(slots).measure(rng, 3, cv) {
		n := math.Min(p.X, slots)
		points = append(points, JointPoint{X: p.X, ITL: p.Y, Throughput: share(p.X) * n / p.Y, Start: p.Start})
	}
	return points
}

func whole(float64) float64 { return 1 }

// Where the two responses belong together the joint fit is that of either, and
// finds the slots better than ITL alone, since throughput × ITL is their number.
func TestJointFitIsThatOfEither(t *testing.T) {
	points := jointSweep(rand.New(rand.NewPCG(14, 1)), 1000, 0.01, whole)
	j, err := Affine.FitJoint(points, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var latency []Point
	for _, p := range points {
		latency = append(latency, Point{X: p.X, Y: p.ITL, Start: p.Start})
	}
	f := fit(t, Affine, latency, Options{})
	for i := range f.Params {
		wantNear(t, f.Params[i].Name, j.Params[i].Value, f.Params[i].Value, 1e-9)
		wantNear(t, "SE", j.Params[i].SE, f.Params[i].SE, 1e-6)
	}
	a, _ := f.Predict(40)
	b, _ := j.Predict(40)
	wantNear(t, "band", b.High, a.High, 1e-9)
	knee, _ := f.Knee()
	jointKnee, err := j.Knee()
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "knee", jointKnee.High, knee.High, 1e-3)
	for k, e := range j.Agreement {
		if math.Abs(e.Value-1) > 0.02 {
			t.Errorf("agreement %+v at %g", e, j.Levels[k])
		}
	}
	if j.Model != "affine" || len(j.Warnings) != len(f.Warnings) {
		t.Errorf("%s, %v", j.Model, j.Warnings)
	}
}

func TestJointFitFindsTheSlots(t *testing.T) {
	j, err := Plateau.FitJoint(jointSweep(rand.New(rand.NewPCG(14, 2)), 48, 0.01, whole), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "slots", j.theta[2], 48, 0.03)
	wantNear(t, "alpha", j.theta[0], 0.010, 0.03)
	onset, err := j.Onset()
	if err != nil || !(onset.Low < 48 && 48 < onset.High) {
		t.Errorf("%+v, %v", onset, err)
	}
	for _, e := range j.Agreement {
		if math.Abs(e.Value-1) > 0.03 {
			t.Errorf("agreement %+v", e)
		}
	}
}

// Prefill that takes a fifth of the time at high concurrency, and chunks of two
// tokens: said, with the level at which it is worst.
func TestDisagreementIsSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 3))
	prefill := func(c float64) float64 { return 1 - 0.2*c/128 }
	j, err := Affine.FitJoint(jointSweep(rng, 1000, 0.01, prefill), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, j.Warnings, Disagree)
	if text := j.Warnings[len(j.Warnings)-1].Text; !strings.Contains(text, "80 % of the concurrency at 128") {
		t.Error(text)
	}
	chunks, err := Affine.FitJoint(jointSweep(rng, 1000, 0.01, func(float64) float64 { return 2 }), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, chunks.Warnings, Disagree)
}

func TestJointFitRefuses(t *testing.T) {
	points := jointSweep(rand.New(rand.NewPCG(14, 4)), 1000, 0.01, whole)
	if _, err := USL.FitJoint(points, Options{}); err == nil || !strings.Contains(err.Error(), "usl is not a model of latency") {
		t.Error(err)
	}
	if _, err := Affine.FitJoint(points, Options{Noise: Additive}); err == nil {
		t.Error("additive noise")
	}
	points[3].Throughput = 0
	var bad *PointError
	if _, err := Affine.FitJoint(points, Options{}); !errors.As(err, &bad) || bad.Index != 3 {
		t.Error(err)
	}
	var few *LevelsError
	if _, err := Affine.FitJoint(points[:3], Options{}); !errors.As(err, &few) {
		t.Error(err)
	}
}

package curve

import (
	"math"
	"strings"
	"testing"
)

// Starts differ by up to 20 %, and each slows down by about 3: the differences
// between starts cancel only in pairs.
func TestDegradationPairsByServerStart(t *testing.T) {
	low := []Run{{"a", 10}, {"b", 11}, {"c", 12}, {"d", 9.5}}
	high := []Run{{"d", 28.6}, {"c", 35.9}, {"b", 33.1}, {"a", 30.2}}
	got, err := Degradation(low, high, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	value := math.Pow(30.2/10*33.1/11*35.9/12*28.6/9.5, 0.25)
	wantNear(t, "value", got.Value, value, 1e-12)
	if !got.Paired || got.NLow != 4 || got.NHigh != 4 || got.DF != 3 || len(got.Warnings) != 0 {
		t.Errorf("%+v", got)
	}
	var squares float64
	for _, r := range []float64{30.2 / 10, 33.1 / 11, 35.9 / 12, 28.6 / 9.5} {
		squares += math.Pow(math.Log(r/value), 2)
	}
	const t3 = 3.1824463052842638 // qt(0.975, 3)
	wantNear(t, "high", got.High, value*math.Exp(t3*math.Sqrt(squares/3/4)), 1e-12)

	for i := range low {
		low[i].Start = "" // nothing to pair by
	}
	welch, err := Degradation(low, high, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "value", welch.Value, value, 1e-12)
	if welch.Paired || welch.High-welch.Low < 5*(got.High-got.Low) {
		t.Errorf("unpaired %+v, paired %+v", welch, got)
	}
}

// The formula of Welch and Satterthwaite, written out.
func TestDegradationOfUnrelatedRunsIsWelchs(t *testing.T) {
	low := []Run{{Value: 10}, {Value: 10.4}, {Value: 9.9}}
	high := []Run{{Value: 31}, {Value: 29}, {Value: 30.5}, {Value: 33}}
	got, err := Degradation(low, high, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	ml, vl := meanVariance([]float64{math.Log(10), math.Log(10.4), math.Log(9.9)})
	mh, vh := meanVariance([]float64{math.Log(31), math.Log(29), math.Log(30.5), math.Log(33)})
	df := math.Pow(vl/3+vh/4, 2) / (math.Pow(vl/3, 2)/2 + math.Pow(vh/4, 2)/3)
	wantNear(t, "value", got.Value, math.Exp(mh-ml), 1e-12)
	wantNear(t, "df", got.DF, df, 1e-12)
	if got.Paired || got.NLow != 3 || got.NHigh != 4 || !(got.Low < got.Value && got.Value < got.High) {
		t.Errorf("%+v", got)
	}
}

// Two runs of one start at one level are one replicate.
func TestRunsOfOneStartAreOneReplicate(t *testing.T) {
	low := []Run{{"a", 10}, {"a", 10}, {"b", 11}, {"c", 12}}
	high := []Run{{"a", 20}, {"a", 45}, {"b", 33}, {"c", 36}}
	got, err := Degradation(low, high, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Paired || got.NLow != 3 || got.DF != 2 {
		t.Errorf("%+v", got)
	}
	wantNear(t, "value", got.Value, 3, 1e-12) // sqrt(20*45)/10 = 33/11 = 36/12
	wantNear(t, "low", got.Low, 3, 1e-12)     // no variation between starts
}

func TestStartsWithoutCounterpartAreLeftOutAndCounted(t *testing.T) {
	low := []Run{{"a", 10}, {"b", 11}, {"c", 12}, {"x", 100}, {"y", 1}}
	high := []Run{{"a", 31}, {"b", 32}, {"c", 37}, {"z", 5}}
	got, err := Degradation(low, high, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Paired || got.NLow != 3 {
		t.Errorf("%+v", got)
	}
	wantCode(t, got.Warnings, Unpaired)
	if !strings.HasPrefix(got.Warnings[0].String(), "3 runs have no counterpart") {
		t.Errorf("%q", got.Warnings[0])
	}

	// Two pairs out of many are not worth dropping the rest for.
	got, err = Degradation(low[:4], []Run{{"a", 31}, {"b", 32}, {"z", 35}, {"w", 36}}, 0.95)
	if err != nil || got.Paired || got.NLow != 4 || got.NHigh != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOneReplicateHasNoInterval(t *testing.T) {
	for _, start := range []string{"a", ""} {
		got, err := Degradation([]Run{{start, 10}}, []Run{{start, 30}}, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if got.Value != math.Exp(math.Log(30)-math.Log(10)) || got.Low != 0 || !math.IsInf(got.High, 1) || got.NLow != 1 {
			t.Errorf("%+v", got)
		}
		wantCode(t, got.Warnings, TooFew)
	}
}

func TestRunsThatDoNotVaryGiveAPoint(t *testing.T) {
	same := []Run{{Value: 10}, {Value: 10}, {Value: 10}}
	got, err := Degradation(same, same, 0.95)
	if err != nil || got.Value != 1 || got.Low != 1 || got.High != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBadRunsAreRefused(t *testing.T) {
	ok := []Run{{"a", 10}}
	for _, c := range []struct {
		low, high []Run
		level     float64
		want      string
	}{
		{nil, ok, 0.95, "no runs at the low level"},
		{ok, nil, 0.95, "no runs at the high level"},
		{ok, []Run{{"a", 0}}, 0.95, "run 0 at the high level is 0"},
		{[]Run{{"a", math.NaN()}}, ok, 0.95, "run 0 at the low level is NaN"},
		{ok, []Run{{"a", math.Inf(1)}}, 0.95, "run 0 at the high level is +Inf"},
		{ok, ok, 95, "confidence 95"},
	} {
		if _, err := Degradation(c.low, c.high, c.level); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

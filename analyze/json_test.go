package analyze

import (
	"encoding/json"
	"math"
	"math/rand"
	"testing"
	"testing/quick"
)

// What is written by hand is what encoding/json writes of the same fields.
func TestEstimateAsJSON(t *testing.T) {
	values := []float64{0, 1, -1, 0.1, 1e-6, 9.99e-7, 1e-9, -1e-10, 1e-100, 1e20, 1e21, 2.5e22, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3, math.NaN(), math.Inf(1), math.Inf(-1)}
	for i, v := range values {
		for _, has := range []bool{false, true} {
			e := Estimate{Value: v, Lo: values[(i+1)%len(values)], Hi: values[(i+5)%len(values)], HasInterval: has, Confidence: 0.95 * float64(i%2), N: i - 1}
			if i%3 == 0 {
				e.Notes = []string{"a <b> & \"c\"", "\u2028"}
			}
			plain := struct {
				Value       *float64 `json:"value"`
				Lo          *float64 `json:"lo,omitempty"`
				Hi          *float64 `json:"hi,omitempty"`
				HasInterval bool     `json:"has_interval"`
				Confidence  float64  `json:"confidence,omitempty"`
				N           int      `json:"n"`
				Notes       []string `json:"notes,omitempty"`
			}{Value: number(e.Value), HasInterval: e.HasInterval, N: e.N, Notes: e.Notes}
			if has {
				plain.Lo, plain.Hi, plain.Confidence = number(e.Lo), number(e.Hi), e.Confidence
			}
			want, err := json.Marshal(plain)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(e); err != nil || string(got) != string(want) {
				t.Errorf("%s, want %s: %v", got, want, err)
			}
		}
	}
}

// What is written by hand of changes is what encoding/json makes of the same members,
// whatever the numbers and texts.
func TestChangesAreWrittenAsEncodingJSONDoes(t *testing.T) {
	type tested struct {
		P           *float64 `json:"p"`
		PAdjusted   *float64 `json:"p_adjusted"`
		FDR         *float64 `json:"false_discovery_rate"`
		WorseAtMost *float64 `json:"worse_at_most"`
		Detectable  *float64 `json:"smallest_detectable_effect"`
		RunSD       *float64 `json:"run_sd"`
	}
	of := func(c Change) tested {
		return tested{number(c.P), number(c.PAdjusted), number(c.FDR), number(c.WorseAtMost), number(c.Detectable), number(c.RunSD)}
	}
	type plainCell CellDiff
	type cell struct {
		plainCell
		tested
	}
	type plainMetric MetricDiff
	check := func(m MetricDiff) bool {
		var cells []cell
		for _, c := range m.Cells {
			cells = append(cells, cell{plainCell(c), of(c.Change)})
		}
		want, err := json.Marshal(struct {
			plainMetric
			Cells []cell `json:"cells,omitempty"`
			tested
		}{plainMetric(m), cells, of(m.Change)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != string(want) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
		for i, c := range m.Cells {
			want, _ := json.Marshal(cells[i])
			if got, err := json.Marshal(c); err != nil || string(got) != string(want) {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
		}
		return !t.Failed()
	}
	nan, words := math.NaN(), []string{"need >= 3 <runs> & more", "\"quoted\\\"\n\u2028", "größer \xff", ""}
	check(MetricDiff{})
	check(MetricDiff{Change: Change{P: nan, PAdjusted: nan, FDR: math.Inf(1), Detectable: nan, Notes: words}, Cells: []CellDiff{{Change: Change{RunSD: nan, Notes: words}}}})
	if err := quick.Check(check, &quick.Config{MaxCount: 200, Rand: rand.New(rand.NewSource(1))}); err != nil {
		t.Error(err)
	}
}

package analyze

import (
	"encoding/json"
	"math"
	"testing"
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

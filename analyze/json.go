package analyze

import (
	"encoding/json"
	"math"
)

// JSON has no NaN: a number that could not be had is null there.

// MarshalJSON writes e with null for a value that could not be had.
func (e Estimate) MarshalJSON() ([]byte, error) {
	type plain Estimate // without methods
	return json.Marshal(struct {
		Value *float64 `json:"value"`
		plain
	}{number(e.Value), plain(e)})
}

// MarshalJSON writes p with null for values that the run does not have.
func (p Point) MarshalJSON() ([]byte, error) {
	type plain Point
	return json.Marshal(struct {
		plain
		Concurrency *float64 `json:"concurrency"`
		TTFTp50     *float64 `json:"ttft_p50_s"`
		TTFTp99     *float64 `json:"ttft_p99_s"`
		ITLMean     *float64 `json:"itl_mean_s"`
		ITLp50      *float64 `json:"itl_p50_s"`
		ITLp99      *float64 `json:"itl_p99_s"`
		TPOTMean    *float64 `json:"tpot_mean_s"`
		E2ELp50     *float64 `json:"e2el_p50_s"`
		Output      *float64 `json:"output_tokens_per_s"`
		Requests    *float64 `json:"requests_per_s"`
	}{plain(p), number(p.Concurrency), number(p.TTFTp50), number(p.TTFTp99), number(p.ITLMean), number(p.ITLp50), number(p.ITLp99),
		number(p.TPOTMean), number(p.E2ELp50), number(p.Output), number(p.RequestsPerS)})
}

// MarshalJSON writes m with null for what was not tested or not known.
func (m MetricDiff) MarshalJSON() ([]byte, error) {
	type plain MetricDiff
	return json.Marshal(struct {
		plain
		P          *float64 `json:"p"`
		PAdjusted  *float64 `json:"p_adjusted"`
		Detectable *float64 `json:"smallest_detectable_effect"`
	}{plain(m), number(m.P), number(m.PAdjusted), number(m.Detectable)})
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

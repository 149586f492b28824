package analyze

import (
	"encoding/json"
	"math"
	"strconv"
)

// JSON has no NaN: a number that could not be had is null there.

// MarshalJSON writes e with null for a value that could not be had. An interval
// that there is not is left out. A report has hundreds of thousands of these, so it is
// written by hand.
func (e Estimate) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 160), `{"value":`...)
	b = appendNumber(b, e.Value)
	if e.HasInterval {
		for _, end := range []struct {
			name string
			v    float64
		}{{`,"lo":`, e.Lo}, {`,"hi":`, e.Hi}} {
			if number(end.v) != nil {
				b = appendNumber(append(b, end.name...), end.v)
			}
		}
	}
	b = strconv.AppendBool(append(b, `,"has_interval":`...), e.HasInterval)
	if e.HasInterval && e.Confidence != 0 {
		b = appendNumber(append(b, `,"confidence":`...), e.Confidence)
	}
	b = strconv.AppendInt(append(b, `,"n":`...), int64(e.N), 10)
	if len(e.Notes) > 0 {
		notes, err := json.Marshal(e.Notes)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"notes":`...), notes...)
	}
	return append(b, '}'), nil
}

// appendNumber writes v as encoding/json does, which follows ES6: no exponent between a
// millionth and 10^21. What is no number is null.
func appendNumber(b []byte, v float64) []byte {
	if number(v) == nil {
		return append(b, "null"...)
	}
	if abs := math.Abs(v); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
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

// nullable shadows the numbers of a Change that may be NaN.
type nullable struct {
	P           *float64 `json:"p"`
	PAdjusted   *float64 `json:"p_adjusted"`
	FDR         *float64 `json:"false_discovery_rate"`
	WorseAtMost *float64 `json:"worse_at_most"`
	Detectable  *float64 `json:"smallest_detectable_effect"`
	RunSD       *float64 `json:"run_sd"`
}

func (c Change) nullable() nullable {
	return nullable{number(c.P), number(c.PAdjusted), number(c.FDR), number(c.WorseAtMost), number(c.Detectable), number(c.RunSD)}
}

// MarshalJSON writes m with null for what was not tested or not known.
func (m MetricDiff) MarshalJSON() ([]byte, error) {
	type plain MetricDiff
	return json.Marshal(struct {
		plain
		nullable
	}{plain(m), m.nullable()})
}

// MarshalJSON writes c with null for what was not tested or not known.
func (c CellDiff) MarshalJSON() ([]byte, error) {
	type plain CellDiff
	return json.Marshal(struct {
		plain
		nullable
	}{plain(c), c.nullable()})
}

// nullableRate shadows the numbers of a RateChange that may be NaN.
type nullableRate struct {
	Baseline   *float64 `json:"baseline"`
	Candidate  *float64 `json:"candidate"`
	P          *float64 `json:"p"`
	PAdjusted  *float64 `json:"p_adjusted"`
	Detectable *float64 `json:"smallest_detectable_difference"`
}

func (r RateChange) nullable() nullableRate {
	return nullableRate{number(r.Baseline), number(r.Candidate), number(r.P), number(r.PAdjusted), number(r.Detectable)}
}

// MarshalJSON writes r with null for what was not tested or not known.
func (r RateDiff) MarshalJSON() ([]byte, error) {
	type plain RateDiff
	return json.Marshal(struct {
		plain
		nullableRate
	}{plain(r), r.nullable()})
}

// MarshalJSON writes r with null for what was not tested or not known.
func (r RateCell) MarshalJSON() ([]byte, error) {
	type plain RateCell
	return json.Marshal(struct {
		plain
		nullableRate
	}{plain(r), r.nullable()})
}

// MarshalJSON writes s with null for what was not tested.
func (s StallDiff) MarshalJSON() ([]byte, error) {
	type plain StallDiff
	return json.Marshal(struct {
		plain
		P         *float64 `json:"p"`
		PAdjusted *float64 `json:"p_adjusted"`
	}{plain(s), number(s.P), number(s.PAdjusted)})
}

// MarshalJSON writes p with null where there is no value.
func (p PastPoint) MarshalJSON() ([]byte, error) {
	type plain PastPoint
	return json.Marshal(struct {
		plain
		Value *float64 `json:"value"`
	}{plain(p), number(p.Value)})
}

// MarshalJSON writes h with null for what could not be tested.
func (h History) MarshalJSON() ([]byte, error) {
	type plain History
	return json.Marshal(struct {
		plain
		P   *float64 `json:"p"`
		FDR *float64 `json:"false_discovery_rate"`
	}{plain(h), number(h.P), number(h.FDR)})
}

// MarshalJSON writes l with null for effects that cannot be seen at all.
func (l PlanLine) MarshalJSON() ([]byte, error) {
	type plain PlanLine
	return json.Marshal(struct {
		plain
		Detectable *float64 `json:"smallest_detectable_effect"`
		Alone      *float64 `json:"alone"`
	}{plain(l), number(l.Detectable), number(l.Alone)})
}

// MarshalJSON writes a with null for a deviation from a reported 0.
func (a Agreement) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Key      string   `json:"key"`
		Compared int      `json:"compared"`
		Equal    int      `json:"equal"`
		MaxDev   *float64 `json:"max_relative_deviation"`
		Why      string   `json:"why,omitempty"`
		Where    string   `json:"where,omitempty"`
	}{a.Key, a.Compared, a.Equal, number(a.MaxDev), a.Why, a.Where})
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// MarshalJSON writes d with null for what was not tested.
func (d QualityDiff) MarshalJSON() ([]byte, error) {
	type plain QualityDiff
	return json.Marshal(struct {
		plain
		P         *float64 `json:"p"`
		PAdjusted *float64 `json:"p_adjusted"`
	}{plain(d), number(d.P), number(d.PAdjusted)})
}

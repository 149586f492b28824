package analyze

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// JSON has no NaN: a number that could not be had is null there.

// A report of many models has hundreds of thousands of estimates, and encoding/json would
// look at each several times: it checks and copies what every MarshalJSON returns. So
// what there are most of is written by hand, cells inside their metric.

// MarshalJSON writes e with null for a value that could not be had. An interval
// that there is not is left out.
func (e Estimate) MarshalJSON() ([]byte, error) {
	o := object{text: make([]byte, 0, 160)}
	o.estimate(e)
	return o.text, o.err
}

// An object is JSON text that grows.
type object struct {
	text []byte
	err  error
}

func (o *object) open()  { o.text = append(o.text, '{') }
func (o *object) close() { o.text = append(o.text, '}') }

// key begins a member.
func (o *object) key(name string) {
	if last := len(o.text) - 1; last >= 0 && o.text[last] != '{' {
		o.text = append(o.text, ',')
	}
	o.text = append(append(append(o.text, '"'), name...), '"', ':')
}

func (o *object) number(name string, v float64) {
	o.key(name)
	o.text = appendNumber(o.text, v)
}

func (o *object) integer(name string, v int64) {
	o.key(name)
	o.text = strconv.AppendInt(o.text, v, 10)
}

func (o *object) boolean(name string, v bool) {
	o.key(name)
	o.text = strconv.AppendBool(o.text, v)
}

func (o *object) string(name, s string) {
	o.key(name)
	o.quoted(s)
}

// quoted writes a string as json.Marshal does, which it does itself where the text is
// plain.
func (o *object) quoted(s string) {
	start := len(o.text)
	o.text = append(o.text, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '<' || c == '>' || c == '&':
			o.text = fmt.Appendf(o.text, "\\u%04x", c)
		case c < ' ' || c == '"' || c == '\\' || c >= 0x7f:
			o.text = o.text[:start]
			o.value(s)
			return
		default:
			o.text = append(o.text, c)
		}
	}
	o.text = append(o.text, '"')
}

// value writes what json.Marshal makes of v.
func (o *object) value(v any) {
	text, err := json.Marshal(v)
	if o.err == nil {
		o.err = err
	}
	o.text = append(o.text, text...)
}

// texts writes a list, unless there is nothing in it.
func (o *object) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	o.key(name)
	o.text = append(o.text, '[')
	for i, s := range list {
		if i > 0 {
			o.text = append(o.text, ',')
		}
		o.quoted(s)
	}
	o.text = append(o.text, ']')
}

func (o *object) estimate(e Estimate) {
	o.open()
	o.number("value", e.Value)
	if e.HasInterval && number(e.Lo) != nil {
		o.number("lo", e.Lo)
	}
	if e.HasInterval && number(e.Hi) != nil {
		o.number("hi", e.Hi)
	}
	o.boolean("has_interval", e.HasInterval)
	if e.HasInterval && e.Confidence != 0 {
		o.number("confidence", e.Confidence)
	}
	o.integer("n", int64(e.N))
	o.texts("notes", e.Notes)
	o.close()
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

// MarshalJSON writes m with null for what was not tested or not known.
func (m MetricDiff) MarshalJSON() ([]byte, error) {
	o := object{text: make([]byte, 0, 600*(len(m.Cells)+1))}
	o.open()
	o.string("metric", m.Metric)
	o.string("statistic", m.Statistic)
	o.string("name", m.Name)
	o.string("unit", m.Unit)
	o.string("better", string(m.Better))
	o.string("verdict", string(m.Verdict))
	o.string("curve_verdict", string(m.CurveVerdict))
	if len(m.CurveLevels) > 0 {
		o.key("curve_max_concurrencies")
		o.value(m.CurveLevels)
	}
	if m.Crossing != nil {
		o.key("sign_change")
		o.value(m.Crossing)
	}
	o.key("baseline")
	o.estimate(m.Baseline)
	o.key("candidate")
	o.estimate(m.Candidate)
	o.change(m.Change)
	o.string("method", m.Method)
	if len(m.Cells) > 0 {
		o.key("cells")
		o.text = append(o.text, '[')
		for i, c := range m.Cells {
			if i > 0 {
				o.text = append(o.text, ',')
			}
			o.cell(c)
		}
		o.text = append(o.text, ']')
	}
	o.tested(m.Change)
	o.close()
	return o.text, o.err
}

// MarshalJSON writes c with null for what was not tested or not known.
func (c CellDiff) MarshalJSON() ([]byte, error) {
	var o object
	o.cell(c)
	return o.text, o.err
}

func (o *object) cell(c CellDiff) {
	o.open()
	o.integer("max_concurrency", c.MaxConcurrency)
	o.string("verdict", string(c.Verdict))
	o.key("baseline")
	o.estimate(c.Baseline)
	o.key("candidate")
	o.estimate(c.Candidate)
	o.change(c.Change)
	o.tested(c.Change)
	o.close()
}

// change writes what a change always has, and tested what may be null, which comes last.
func (o *object) change(c Change) {
	o.key("ratio")
	o.estimate(c.Ratio)
	o.key("margin")
	o.value(c.Margin) // which there always is
	if c.RunsNeeded != 0 {
		o.integer("runs_needed", int64(c.RunsNeeded))
	}
	if c.Weak {
		o.boolean("weak", true)
	}
	o.texts("notes", c.Notes)
}

func (o *object) tested(c Change) {
	o.number("p", c.P)
	o.number("p_adjusted", c.PAdjusted)
	o.number("false_discovery_rate", c.FDR)
	o.number("worse_at_most", c.WorseAtMost)
	o.number("smallest_detectable_effect", c.Detectable)
	o.number("run_sd", c.RunSD)
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

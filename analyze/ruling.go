package analyze

// A Standing is how a rule was answered.
type Standing string

// The standings. What nobody tested is none of the others.
const (
	Passed   Standing = "PASS"
	Failed   Standing = "FAIL"
	Warned   Standing = "WARN"
	Untested Standing = "UNTESTED"
)

// A Ruling is the answer to a rule, with the numbers that it rests on.
type Ruling struct {
	Rule     string   `json:"rule"` // C1, D3, …
	Name     string   `json:"name"`
	Standing Standing `json:"standing"`
	Verdict  Verdict  `json:"verdict,omitempty"` // where it rests on a comparison
	Says     string   `json:"says"`
	Do       string   `json:"do,omitempty"`
	Figures  []Figure `json:"figures,omitempty"`
	Details  []string `json:"details,omitempty"` // what there is to look at: items that flipped, levels, …
}

// A Figure is a number with its name.
type Figure struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit"` // 1 for shares and ratios
	Estimate Estimate `json:"estimate"`
}

// worstStanding is the gravest of rulings: what failed, then what was warned of,
// then what passed. Where none was tested, it is that.
func worstStanding(rs []Ruling) Standing {
	has := map[Standing]bool{}
	for _, r := range rs {
		has[r.Standing] = true
	}
	for _, s := range []Standing{Failed, Warned, Passed} {
		if has[s] {
			return s
		}
	}
	return Untested
}

// untested is a ruling that could not be made, for want of something.
func untested(rule, name, why, do string) Ruling {
	return Ruling{Rule: rule, Name: name, Standing: Untested, Says: why, Do: do}
}

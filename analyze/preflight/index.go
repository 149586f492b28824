package preflight

import (
	"slices"

	"github.com/servestat/servestat/schemas/wordset"
)

// An index finds the rules that a message may be about in one pass over it: of
// each text of a rule, its longest part is looked for.
type index struct {
	rules []Rule
	parts *wordset.Set
	of    []int // the rule that a part is of
}

func newIndex(all []Rule) *index {
	x := &index{rules: all}
	var parts []string
	for i, r := range all {
		for _, p := range r.texts {
			parts, x.of = append(parts, longest(p)), append(x.of, i)
		}
	}
	x.parts = wordset.New(parts...)
	return x
}

func longest(p pattern) string {
	return slices.MaxFunc(p, func(a, b string) int { return len(a) - len(b) })
}

// about returns the rules that a message is about, in their order.
func (x *index) about(message string) []*Rule {
	var found []int
	for _, part := range wordset.All(x.parts, message) {
		if n := x.of[part]; !slices.Contains(found, n) && x.rules[n].find(message) >= 0 {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	out := make([]*Rule, len(found))
	for i, n := range found {
		out[i] = &x.rules[n]
	}
	return out
}

package failures

import (
	"fmt"
	"strings"
	"testing"
)

// Ten thousand different messages are kept, of what comes then the class.
func TestSetIsBounded(t *testing.T) {
	var s Set
	if s.Add(Failure{}) != 0 || s.At(7) != (Failure{}) {
		t.Error("none is not 0")
	}
	for i := range maxKinds - 1 {
		s.Add(Failure{Other, fmt.Sprint(i)})
	}
	if s.Note() != "" {
		t.Error(s.Note())
	}
	one, two := s.Add(Failure{HTTP, "one more"}), s.Add(Failure{HTTP, "and one"})
	if one != two || s.At(one) != (Failure{Class: HTTP}) || !strings.HasPrefix(s.Note(), "more than 10000 different") {
		t.Errorf("%v %v %q", s.At(one), s.At(two), s.Note())
	}
	if i := s.Add(Failure{Other, "5"}); s.At(i).Line != "5" {
		t.Error("what was kept is not found")
	}
}

package history_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/history"
)

// set gives runs [lo, hi) an attribute.
func set(s history.Series, lo, hi int, key, value string) {
	for i := lo; i < hi; i++ {
		if s.Runs[i].Attributes == nil {
			s.Runs[i].Attributes = make(map[string]string)
		}
		s.Runs[i].Attributes[key] = value
	}
}

func TestWhatChanged(t *testing.T) {
	s := step()
	set(s, 0, 12, "driver", "550.54.15")
	set(s, 12, 24, "driver", "560.28.03")
	set(s, 0, 24, "gpu", "H100")
	set(s, 4, 24, "image", "sha256:aa")
	set(s, 0, 12, "attention backend", "FLASH_ATTN")
	for i := range 24 {
		set(s, i, i+1, "commit", fmt.Sprint(i))
	}
	set(s, 0, 24, "node", "")
	r := detect(t, s, history.Options{})
	var lines []string
	for _, c := range history.WhatChanged(s, r, 0) {
		lines = append(lines, string(c.Kind)+": "+c.String())
	}
	// Runs 11 and 12 do not count: the change may be at 11, 12 or 13.
	want := `differs: driver: 550.54.15 before, 560.28.03 after, first at run 12
unknown: attention backend: FLASH_ATTN before, unknown after
unknown: image: sha256:aa or unknown before, sha256:aa after
varies: commit: 11 values before, 11 values after`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Excluded runs explain nothing: a failed run with a foreign driver must not make
// the driver vary.
func TestExcludedRunsHaveNoAttributes(t *testing.T) {
	s := step()
	set(s, 0, 12, "driver", "550")
	set(s, 12, 24, "driver", "560")
	set(s, 5, 6, "driver", "470")
	s.Runs[5].Excluded = "audit failed"
	r := detect(t, s, history.Options{})
	if got := history.WhatChanged(s, r, 0); len(got) != 1 || got[0].Kind != history.Differs || got[0].First != 12 {
		t.Errorf("%v", got)
	}
}

// Where the place is unsure, what changed at any of the places is a candidate:
// the driver came two runs before the best place.
func TestACandidateWithinTheUnsurePlaces(t *testing.T) {
	s := daily("itl", stepped(newSimulator(40).normal(50), 25, 2), 1)
	r := detect(t, s, history.Options{})
	if len(r.ChangePoints) != 1 || r.ChangePoints[0].Location.Low == r.ChangePoints[0].Location.High {
		t.Fatalf("want one change point with an unsure place, got %+v", r.ChangePoints)
	}
	l := r.ChangePoints[0].Location
	for at := l.Low; at <= l.High; at++ {
		set(s, 0, at, "driver", "550")
		set(s, at, 50, "driver", "560")
		if got := history.WhatChanged(s, r, 0); len(got) != 1 || got[0].Kind != history.Differs || got[0].First != at {
			t.Errorf("driver changed at %d of %+v: %v", at, l, got)
		}
	}
	// Two runs after the last possible place it explains nothing by itself.
	set(s, 0, l.High+2, "driver", "550")
	if got := history.WhatChanged(s, r, 0); len(got) != 1 || got[0].Kind != history.Varies {
		t.Errorf("driver changed after the fact: %v", got)
	}
}

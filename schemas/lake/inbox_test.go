package lake

import (
	"os"
	"reflect"
	"testing"
)

// What is known of an inbox replaces what was known before, for the same place only:
// a note a night would be a year's listing otherwise.
func TestSettledReplaces(t *testing.T) {
	l, err := Create(t.TempDir() + "/lake")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Settled("a"); got != nil || err != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	first := map[string]SettledPart{"n1": {Print: "x", Uploads: 3}}
	second := map[string]SettledPart{"n1": {Print: "y", Uploads: 3, Skipped: 1}, "n2": {Print: "z"}}
	for _, known := range []*Settled{{Place: "a", Parts: first}, {Place: "b", Parts: first}, {Place: "a", Parts: second}, {Place: "a", Parts: second}} {
		if err := l.Settle(known); err != nil {
			t.Fatal(err)
		}
	}
	for place, want := range map[string]map[string]SettledPart{"a": second, "b": first} {
		got, err := l.Settled(place)
		if err != nil || !reflect.DeepEqual(got.Parts, want) {
			t.Errorf("%s: %+v, %v; want %+v", place, got, err, want)
		}
	}
	if files, err := os.ReadDir(l.Path(inboxDir)); err != nil || len(files) != 2 {
		t.Errorf("%d files, %v; want 2", len(files), err)
	}
}

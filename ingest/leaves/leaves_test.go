package leaves

import (
	"fmt"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/jsonscan"
)

func read(t *testing.T, text string) *Leaves {
	t.Helper()
	l := &Leaves{}
	s := jsonscan.NewScanner(strings.NewReader(text), jsonscan.Options{})
	l.Read(s, "a", &jsonscan.Bag{})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return l
}

// What is asked for and of another kind, or too long, is told with its place,
// once; what nobody asks for is not.
func TestFaults(t *testing.T) {
	long := strings.Repeat("x", maxText)
	text := `{"model": 7, "name": "` + long + `", "rate": "fast", "streams": true, "seed": -1, "names": ["m"], "many": ["m", "n"], "sweep": [1, 2],
		"second": "m", "none": null, "unasked": "` + long + `", "list": ["` + long + `"], "nan": NaN}`
	l := read(t, text)
	for _, c := range []struct{ got, want string }{
		{fmt.Sprint(l.String("a.model")), "{ false}"},
		{fmt.Sprint(l.String("a.name", "a.second")), "{m true}"},
		{fmt.Sprint(l.String("a.second", "a.unasked")), "{m true}"}, // the first is there
		{fmt.Sprint(l.String("a.none", "a.second")), "{m true}"},
		{fmt.Sprint(l.String("a.names")), "{m true}"},
		{fmt.Sprint(l.String("a.many")), "{ false}"},
		{fmt.Sprint(l.String("a.list")), "{ false}"},
		{fmt.Sprint(l.Float("a.rate")), "{0 false}"},
		{fmt.Sprint(l.Float("a.nan")), "{0 false}"},
		{fmt.Sprint(l.Integer("a.streams")), "{0 false}"},
		{fmt.Sprint(l.Integer("a.seed")), "{0 false}"},  // unset
		{fmt.Sprint(l.Integer("a.sweep")), "{0 false}"}, // what a sweep goes through
		{fmt.Sprint(l.Integer("a.streams")), "{0 false}"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	at := func(key string) int { return strings.Index(text, `"`+key+`": `) + len(key) + 4 }
	want := fmt.Sprint([]Fault{
		{int64(at("model")), "a.model: found 7, expected a string"},
		{int64(at("name")), "a.name: found a longer value, expected a string of at most 65536 bytes"},
		{int64(at("list")) + 1, "a.list: found a longer value, expected a string of at most 65536 bytes"},
		{int64(at("rate")), `a.rate: found "fast", expected a number`},
		{int64(at("streams")), "a.streams: found true, expected an integer"},
	})
	if got := fmt.Sprint(l.Faults()); got != want {
		t.Errorf("faults\n%s\nwant\n%s", got, want)
	}
	if l.Dropped != 3 || len(l.Faults()) != 0 {
		t.Errorf("%d dropped, want 3, and faults are told once", l.Dropped)
	}
}

// What an object is counts all of it, also what is too long to be kept.
func TestDigestCountsWhatIsLeftOut(t *testing.T) {
	long := strings.Repeat("x", maxText)
	sum := func(text string) string {
		var b jsonscan.Bag
		(&Leaves{}).Read(jsonscan.NewScanner(strings.NewReader(text), jsonscan.Options{}), "a", &b)
		return string(b.Bytes())
	}
	if sum(`{"b": "`+long+`1"}`) == sum(`{"b": "`+long+`2"}`) {
		t.Error("two long texts have one digest")
	}
	if sum(`{"b": [1, "`+long+`1"]}`) == sum(`{"b": [1, "`+long+`2"]}`) {
		t.Error("two long texts of a list have one digest")
	}
	if sum(`{"b": 1, "c": [1, 2]}`) != sum(`{"c": [1,2], "b":1}`) {
		t.Error("the order of members counts")
	}
}

// A hostile object is no reason to keep more than is looked at.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"k0": 0`)
	for i := range 2 * maxLeaves {
		fmt.Fprintf(&b, `, "k%d": 1`, i+1)
	}
	b.WriteString(`, "k1": 2}`)
	l := read(t, b.String())
	n := 0
	for range l.All() {
		n++
	}
	if n != maxLeaves || l.Dropped != maxLeaves+2 || l.Twice != "a.k1" {
		t.Errorf("%d leaves, %d dropped, twice %q", n, l.Dropped, l.Twice)
	}
}

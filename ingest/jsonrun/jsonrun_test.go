package jsonrun

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unsafe"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/schemas"
)

// collect is a Format of objects that keeps their values.
func collect(t *testing.T, text string) ([]*Values, []schemas.Record) {
	t.Helper()
	var values []*Values
	var records []schemas.Record
	r := NewReader(strings.NewReader(text), "x.json", &Objects{Read: func(u *Upload, v *Values) {
		values = append(values, v)
		run := u.NewRun(v.Offset, "x", "x-1")
		v.Rest(run, func(string) bool { return true })
		u.Close(run, nil)
	}})
	for r.Scan() {
		records = append(records, r.Record())
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return values, records
}

// TestValues: what is inside an object is there under dotted keys.
func TestValues(t *testing.T) {
	values, _ := collect(t, ` {"a": 1.50, "b": {"c": "x\u00fc", "d": {}, "e": {"f": [1, {"g": 2}]}}, "p0.1": NaN}`)
	want := map[string]string{"a": "1.50", "b.c": `"x\u00fc"`, "b.d": "{}", "b.e.f": `[1,{"g":2}]`, "p0.1": "NaN"}
	v := values[0]
	if !maps.Equal(v.text, want) || v.Offset != 1 || v.At("b.c") != 24 {
		t.Errorf("got %q at %d, %d", v.text, v.Offset, v.At("b.c"))
	}
	same, _ := collect(t, `{"p0.1":NaN, "b":{"e":{"f":[1,{"g":2}]}, "c":"xü", "d":{}}, "a":1.50}`)
	if same[0].Digest() != v.Digest() {
		t.Error("another order of keys gives another digest")
	}
	other, _ := collect(t, `{"a": 1.51, "b": {"c": "x\u00fc", "d": {}, "e": {"f": [1, {"g": 2}]}}, "p0.1": NaN}`)
	if other[0].Digest() == v.Digest() {
		t.Error("another value gives the same digest")
	}
}

// TestLongValues: what is too long is left out with a note, and still counts in
// the digest. Whoever asks for it is told by a reject, at its place.
func TestLongValues(t *testing.T) {
	long := func(c string) (*Values, string) {
		values, _ := collect(t, `{"a": "`+strings.Repeat(c, maxValue)+`", "b": 1}`)
		return values[0], values[0].Digest()
	}
	v, x := long("x")
	_, y := long("y")
	if v.Has("a") || !v.Has("b") || len(v.Notes) != 1 || x == y {
		t.Errorf("has a: %v, notes %q", v.Has("a"), v.Notes)
	}
	v.Text("a")
	v.Text("c")
	v.Int("b")
	reject, ok := v.u.take().(*schemas.Reject)
	if !ok || reject.At.Offset != 6 || reject.Fatal || reject.Reason != "a: found a longer value, expected a string of at most 65536 bytes" {
		t.Errorf("%+v", reject)
	}
	if more := v.u.take(); more != nil {
		t.Errorf("%+v", more)
	}
}

// TestObjects: a list, lines, and a line that was cut between two others.
func TestObjects(t *testing.T) {
	for text, want := range map[string]string{
		`[{"a": 1}, 2, {"b": 1}]`:                "run0 fatal1 run2",
		"{\"a\": 1}\n{\"b\": [tru\n{\"c\": 1}\n": "run0 fatal1 run2",
		`{"a": 1, "a": 2}`:                       "fatal0",
		`{"a": {"b": 1}, "a.b": 2}`:              "fatal0",
		`[{"a": 1}, {"b": `:                      "run0 fatal1",
		`[{"a": 1}, {"b": x}, {"c": 1}]`:         "run0 fatal1",
		`{"a": 1} {"b": 1}`:                      "run0 run1",
	} {
		_, records := collect(t, text)
		var got []string
		for _, rec := range records {
			kind := "run"
			if reject, ok := rec.(*schemas.Reject); ok {
				kind = "reject"
				if reject.Fatal {
					kind = "fatal"
				}
			}
			got = append(got, fmt.Sprintf("%s%d", kind, rec.Pos().Run))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

// TestWorkload: the digest is that of vLLM's results, of the lengths in order of
// submission, in whatever order requests are listed.
func TestWorkload(t *testing.T) {
	var text []byte
	for _, n := range []byte{7, 9} {
		text = append(text, n, 0, 0, 0, 0, 0, 0, 0)
	}
	sum := sha256.Sum256(text)
	want := hex.EncodeToString(sum[:16])
	var byStart, byIndex, unknown Requests
	for _, r := range []struct{ start, input int64 }{{2000, 9}, {1000, 7}} {
		row := NewRow(0)
		row.Start, row.Input = r.start, r.input
		byStart.Add(row, failures.Failure{})
	}
	for _, input := range []int64{7, 9} {
		row := NewRow(0)
		row.Input = input
		byIndex.Add(row, failures.Failure{})
	}
	unknown.Add(NewRow(0), failures.Failure{})
	if got := byStart.workload(); got.V != want {
		t.Errorf("by start %v, want %s", got, want)
	}
	if got := byIndex.workload(); got.V != want {
		t.Errorf("by index %v, want %s", got, want)
	}
	if got := unknown.workload(); got.OK {
		t.Errorf("of unknown lengths %v", got)
	}
}

func TestClassify(t *testing.T) {
	const traceback = "Traceback (most recent call last):\n  File \"x.py\", line 1\n    await f()\n"
	for message, want := range map[string]failures.Failure{
		"":    {},
		" \n": {},
		"Service Unavailable: no replica\nsecond": {Class: failures.HTTP, Line: "Service Unavailable: no replica"},
		"HTTP Error 504":                              {Class: failures.HTTP, Line: "HTTP Error 504"},
		traceback + "TimeoutError\n":                  {Class: failures.Timeout, Line: "TimeoutError"},
		traceback + "asyncio.CancelledError":          {Class: failures.Cancelled, Line: "asyncio.CancelledError"},
		traceback + "aiohttp.ClientConnectorError: x": {Class: failures.Connection, Line: "aiohttp.ClientConnectorError: x"},
		traceback + "KeyError: 'choices'":             {Class: failures.Other, Line: "KeyError: 'choices'"},
		strings.Repeat("ü", 300):                      {Class: failures.Other, Line: strings.Repeat("ü", 250)},
	} {
		if got := Classify(message); got != want {
			t.Errorf("Classify(%q) = %q, want %q", message, got, want)
		}
	}
}

func TestHeadKeys(t *testing.T) {
	for head, want := range map[string]string{
		`{"a": 1, "b": {"c": [{"d": 1}, {"e": 2}]}, "f": "cut o`: "a b b.c b.c[] b.c[].d f",
		`[{"a": 1}, {"b": 2}]`: "[] [].a",
		``:                     "",
		`nonsense`:             "",
	} {
		keys := HeadKeys([]byte(head))
		for _, key := range strings.Fields(want) {
			if !keys.Has(key) {
				t.Errorf("%s: no %q in %v", head, key, keys)
			}
		}
		if keys.Any("e", "b.c[].e", "[].b") {
			t.Errorf("%s: more than the first element: %v", head, keys)
		}
	}
}

// TestManyRejects: what is wrong everywhere is told a few times and then
// counted.
func TestManyRejects(t *testing.T) {
	r := NewReader(strings.NewReader("{}"), "x.json", &Objects{Read: func(u *Upload, v *Values) {
		for range 1000 {
			u.Reject(0, -1, "wrong")
		}
		u.Close(u.NewRun(0, "x", "x-1"), nil)
	}})
	n := 0
	var run *schemas.Run
	for r.Scan() {
		n++
		run, _ = r.Record().(*schemas.Run)
	}
	if n != 21 || len(run.Notes) != 1 || !strings.HasSuffix(run.Notes[0], ": 980") {
		t.Errorf("%d records, notes %q", n, run.Notes)
	}
}

// TestRowSize: a request takes about 100 bytes until its run ends.
func TestRowSize(t *testing.T) {
	if size := unsafe.Sizeof(Row{}); size > 100 {
		t.Errorf("a row takes %d bytes", size)
	}
}

package query

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// FuzzObject reads an object as encoding/json does, but for names that stand twice.
func FuzzObject(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, ` { } `, `{"a":1}`, `{"a" : -1.5e3 , "b":null,"c":[1,{"x":"}"}],"d":{"e":[]}}`,
		`{"quoted \" and \\":"\\","ü":"\"}"}`, `{"":""}`, `{"a":"b","c":true}`,
		`[1]`, `{"a":1`, `{"a":1}}`, `{a:1}`, `1`, ``, `{"a":1,}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd") // as the lake's is
		o, err := ParseObject(text)
		var want map[string]json.RawMessage
		if bad := json.Unmarshal([]byte(text), &want) != nil; bad != (err != nil) {
			t.Fatalf("%q: %v", text, err)
		}
		got := map[string]json.RawMessage{}
		for name, value := range o.All() {
			got[name] = json.RawMessage(value)
		}
		if !maps.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%q: %s, want %s", text, got, want)
		}
		for name := range o.All() {
			if first := o.Get(name); !json.Valid([]byte(first)) {
				t.Fatalf("%q: %s is %q", text, name, first)
			}
		}
	})
}

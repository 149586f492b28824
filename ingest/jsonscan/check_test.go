package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

// Decode takes what encoding/json takes, but for keys that come twice, and says where
// and in whose words it cannot.
func TestDecode(t *testing.T) {
	type inner struct {
		Heat *float64 `json:"heat"`
	}
	for _, c := range []struct{ text, want string }{
		{`{"a": "x", "n": 1, "in": {"heat": 0.5}, "list": ["y"]}`, ""},
		{` {"unknown": [1, {"b": 1}, {"b": 2}]} `, ""},
		{`{"a": "x", "a": "y"}`, `byte 16: key "a" comes twice in one object`},
		{`{"deep": [{"b": 1, "b": 2}]}`, `byte 24: key "b" comes twice in one object`},
		{`{"in": {"heat": "hot"}}`, "byte 21: in.heat: found string, expected a number"},
		{`{"n": 1.5}`, "byte 9: n: found number 1.5, expected an integer"},
		{`{"list": "y"}`, "byte 12: list: found string, expected an array"},
		{`{"a": 1`, "byte 7: truncated: the text ends too early"},
		{``, "byte 0: truncated: the text ends too early"},
		{`{"a": "x"} {}`, "byte 11: cannot be read as JSON: there is more behind the value"},
		{`{"a": 'x'}`, "byte 6: cannot be read as JSON: expected a value, found '''"},
		{`{"n": NaN}`, "byte 7: cannot be read as JSON: invalid character 'N' looking for beginning of value"},
		{`{"unknown": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "byte 10011: values are nested more than 10000 deep"},
	} {
		var v struct {
			A    string   `json:"a"`
			N    int64    `json:"n"`
			In   inner    `json:"in"`
			List []string `json:"list"`
		}
		got := ""
		if err := Decode([]byte(c.text), &v); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%.60s: %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"a": [1, true, null, "\u00e9"]}`, `{"a": 1, "a": 2}`, `[`, `1e5`, `{"a": NaN}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var ours, theirs any
		err, theirErr := Decode(text, &ours), json.Unmarshal(text, &theirs)
		if theirErr != nil && err == nil {
			t.Errorf("%q is taken, and encoding/json says %v", text, theirErr)
		}
		if theirErr == nil && err != nil && !strings.Contains(err.Error(), "comes twice") {
			t.Errorf("%q is not taken: %v", text, err)
		}
	})
}

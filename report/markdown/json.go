package markdown

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/servestat/servestat/analyze"
)

// asJSON writes report.json: the result as it is, under the name of its form. Lists
// are encoded element by element, since those of a week on many models are larger
// than what made them.
type asJSON struct{ *analyze.Result }

// indented is how many comparisons are still indented for people; of more, each is
// one line.
const indented = 100

// WriteTo writes it.
func (a asJSON) WriteTo(w io.Writer) (int64, error) {
	out := &jsonWriter{Writer: bufio.NewWriter(w), compact: len(a.Comparisons) > indented}
	out.field("schema", reflect.ValueOf(Schema))
	v := reflect.ValueOf(*a.Result)
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "-" || options == "omitempty" && v.Field(i).IsZero() || options == "omitempty" && v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() == 0 {
			continue
		}
		out.field(name, v.Field(i))
	}
	out.text("\n}\n")
	if out.err != nil {
		return out.n, fmt.Errorf("report.json: %w", out.err)
	}
	return out.n, out.Flush()
}

// A jsonWriter writes the fields of an object.
type jsonWriter struct {
	*bufio.Writer
	compact bool
	buf     bytes.Buffer // of one value
	n       int64
	err     error
}

func (w *jsonWriter) text(s string) { w.write([]byte(s)) }

func (w *jsonWriter) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.Write(b)
	w.n, w.err = w.n+int64(n), err
}

func (w *jsonWriter) field(name string, v reflect.Value) {
	if w.n == 0 {
		w.text("{\n")
	} else {
		w.text(",\n")
	}
	w.text("  " + fmt.Sprintf("%q", name) + ": ")
	if v.Kind() != reflect.Slice || v.Len() == 0 {
		w.value(v, "  ")
		return
	}
	for i := range v.Len() {
		if i == 0 {
			w.text("[\n    ")
		} else {
			w.text(",\n    ")
		}
		w.value(v.Index(i), "    ")
	}
	w.text("\n  ]")
}

// value writes one value, which begins in the middle of a line.
func (w *jsonWriter) value(v reflect.Value, prefix string) {
	if w.err != nil {
		return
	}
	w.buf.Reset()
	e := json.NewEncoder(&w.buf)
	e.SetEscapeHTML(false)
	if !w.compact {
		e.SetIndent(prefix, "  ")
	}
	if w.err = e.Encode(v.Interface()); w.err == nil {
		w.write(bytes.TrimSuffix(w.buf.Bytes(), []byte("\n")))
	}
}

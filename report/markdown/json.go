package markdown

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"

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
	w.list(v)
	w.text("\n  ]")
}

// list writes the elements of a list, which the processors encode side by side: a week
// of ten thousand load points has 66 MB of them.
func (w *jsonWriter) list(v reflect.Value) {
	type encoded struct {
		text []byte
		err  error
	}
	const batch = 64
	var texts [batch]encoded
	for from := 0; from < v.Len() && w.err == nil; from += batch {
		n := min(batch, v.Len()-from)
		var wg sync.WaitGroup
		workers := min(runtime.GOMAXPROCS(0), n)
		for k := range workers {
			wg.Go(func() {
				for i := k; i < n; i += workers {
					texts[i].text, texts[i].err = w.encode(v.Index(from+i), "    ")
				}
			})
		}
		wg.Wait()
		for i, t := range texts[:n] {
			if from+i == 0 {
				w.text("[\n    ")
			} else {
				w.text(",\n    ")
			}
			if w.err == nil {
				w.err = t.err
			}
			w.write(t.text)
		}
	}
}

// value writes one value, which begins in the middle of a line.
func (w *jsonWriter) value(v reflect.Value, prefix string) {
	text, err := w.encode(v, prefix)
	if w.err == nil {
		w.err = err
	}
	w.write(text)
}

// encode is what value writes.
func (w *jsonWriter) encode(v reflect.Value, prefix string) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if !w.compact {
		e.SetIndent(prefix, "  ")
	}
	err := e.Encode(v.Interface())
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

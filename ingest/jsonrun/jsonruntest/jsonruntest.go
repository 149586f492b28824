// Package jsonruntest is the test that every producer built on jsonrun passes:
// golden records, how bytes arrive, text that is cut or hostile, the order of
// records, and the fuzz target. A producer's own tests add what is true of its
// format only.
package jsonruntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// A Producer is the package under test.
type Producer struct {
	Open   func(r io.Reader, name string) recordtest.Reader
	Detect func(head []byte) (format string, ok bool)
	Cases  []Case
	// NoEnd says that a file of this format may end at the end of any line.
	NoEnd bool
}

// A Case is a file of testdata: what its beginning shows, "" where it is not
// the producer's, and what it is there for. The records it gives are in the
// .golden file beside it.
type Case struct {
	File   string
	Format string
	Story  string
}

// Test runs every test there is for a producer.
func (p Producer) Test(t *testing.T) {
	t.Run("Golden", p.golden)
	t.Run("Complete", p.complete)
	t.Run("Arrival", p.arrival)
	if !p.NoEnd {
		t.Run("Truncated", p.truncated)
	}
	t.Run("ReadError", p.readError)
	t.Run("Hostile", p.hostile)
}

func (p Producer) golden(t *testing.T) {
	if len(p.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range p.Cases {
		t.Run(c.File, func(t *testing.T) {
			text := recordtest.File(t, c.File)
			var got strings.Builder
			fmt.Fprintf(&got, "# %s\n", c.Story)
			for _, rec := range p.Read(t, bytes.NewReader(text)) {
				got.WriteString(recordtest.Shorthand(rec))
			}
			schematest.Golden(t, filepath.Join("testdata", c.File+".golden"), []byte(got.String()))
			if format, ok := p.Detect(text[:min(len(text), 64<<10)]); format != c.Format || ok != (c.Format != "") {
				t.Errorf("Detect = %q, %v, want %q", format, ok, c.Format)
			}
		})
	}
}

// complete: no file lies in testdata that no case tells of.
func (p Producer) complete(t *testing.T) {
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(path string, d fs.DirEntry, err error) error {
		base := filepath.Base(path)
		switch {
		case err != nil || d.IsDir() && base != "fuzz" && base != "companions":
			return err
		case d.IsDir():
			return fs.SkipDir
		}
		isCase := slices.ContainsFunc(p.Cases, func(c Case) bool { return c.File == path })
		beside := strings.HasSuffix(base, ".golden") || strings.HasPrefix(base, ".got-") || base == "README.md" || strings.HasSuffix(base, ".py")
		if !isCase && !beside {
			t.Errorf("%s is in no case", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// arrival: how the bytes arrive makes no difference.
func (p Producer) arrival(t *testing.T) {
	for _, c := range p.Cases {
		text := recordtest.File(t, c.File)
		if len(text) > 64<<10 {
			continue
		}
		want := p.Read(t, bytes.NewReader(text))
		for name, got := range map[string][]schemas.Record{
			"byte by byte": p.Read(t, iotest.OneByteReader(bytes.NewReader(text))),
			"by halves":    p.Read(t, iotest.HalfReader(bytes.NewReader(text))),
			"data and EOF": p.Read(t, iotest.DataErrReader(bytes.NewReader(text))),
		} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: other records", c.File, name)
			}
		}
	}
}

// truncated: a file that was cut anywhere gives whole records and says that it
// was cut, once; no run of it passes for a whole one.
func (p Producer) truncated(t *testing.T) {
	for _, c := range p.Cases {
		text := bytes.TrimSpace(recordtest.File(t, c.File))
		if c.Format == "" || len(text) > 20<<10 {
			continue
		}
		whole := shorthands(p.Read(t, bytes.NewReader(text)))
		for n := 1; n < len(text); n += stride(text) {
			p.cut(t, c.File, text[:n], whole)
		}
	}
}

// stride: of a small file every byte is tried, of others every few.
func stride(text []byte) int { return 1 + len(text)/700 }

func (p Producer) cut(t *testing.T, file string, text []byte, whole []string) {
	t.Helper()
	said, most := 0, 1
	for _, rec := range whole {
		if strings.Contains(rec, ") truncated: ") {
			most++
		}
	}
	damaged := false // the run being read was cut
	for _, rec := range p.Read(t, bytes.NewReader(text)) {
		switch rec := rec.(type) {
		case *schemas.Reject:
			if strings.HasPrefix(rec.Reason, "truncated: ") {
				said++
				damaged = true
			}
		case *schemas.Run:
			if !rec.Truncated && (damaged || !slices.Contains(whole, recordtest.Shorthand(rec))) {
				t.Fatalf("%s cut at %d gives a run that is not marked:\n%s", file, len(text), recordtest.Shorthand(rec))
			}
			damaged = false
		case *schemas.Gaps:
			if !slices.Contains(whole, recordtest.Shorthand(rec)) {
				t.Fatalf("%s cut at %d gives other gaps:\n%s", file, len(text), recordtest.Shorthand(rec))
			}
		}
	}
	// Between two lines nothing is missing.
	if said > most || said == 0 && text[len(text)-1] != '}' && text[len(text)-1] != '\n' && strings.TrimSpace(string(text)) != "" {
		t.Fatalf("%s cut at %d is said to be truncated %d times", file, len(text), said)
	}
}

// readError: a fault of the reader is an error and not a record, and the run
// that it struck is not closed.
func (p Producer) readError(t *testing.T) {
	broken := errors.New("the network is gone")
	for _, c := range p.Cases {
		text := bytes.TrimSpace(recordtest.File(t, c.File))
		if c.Format == "" || len(text) > 8<<10 {
			continue
		}
		whole := shorthands(p.Read(t, bytes.NewReader(text)))
		for n := 0; n < len(text)-1; n += 3 * stride(text) {
			r := p.Open(io.MultiReader(bytes.NewReader(text[:n]), iotest.ErrReader(broken)), "bench.json")
			for r.Scan() {
				if run, ok := r.Record().(*schemas.Run); ok && !slices.Contains(whole, recordtest.Shorthand(run)) {
					t.Fatalf("%s, fault after %d bytes: %s", c.File, n, recordtest.Shorthand(run))
				}
			}
			if !errors.Is(r.Err(), broken) {
				t.Fatalf("%s, fault after %d bytes: %v", c.File, n, r.Err())
			}
		}
	}
}

// hostile: no input but the producer's own gives a run, and the reader ends.
func (p Producer) hostile(t *testing.T) {
	for name, text := range Hostile() {
		if format, ok := p.Detect(text[:min(len(text), 64<<10)]); ok {
			t.Errorf("%s: Detect = %q", name, format)
		}
		for _, rec := range p.Read(t, bytes.NewReader(text)) {
			if run, ok := rec.(*schemas.Run); ok && run.Completed.V > 0 {
				t.Errorf("%s: %s", name, recordtest.Shorthand(run))
			}
		}
	}
	for _, c := range p.Cases {
		p.mangled(t, c)
	}
}

// mangled: a good file that another program wrote anew, or spoilt.
func (p Producer) mangled(t *testing.T, c Case) {
	text := recordtest.File(t, c.File)
	if c.Format == "" || len(text) > 64<<10 {
		return
	}
	want := withoutPlace(p.Read(t, bytes.NewReader(text)))
	crlf := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if got := withoutPlace(p.Read(t, bytes.NewReader(crlf))); !slices.Equal(got, want) {
		t.Errorf("%s: other records with CRLF", c.File)
	}
	for name, spoilt := range map[string][]byte{
		"UTF-16":       utf16(text),
		"a BOM":        append([]byte("\xef\xbb\xbf"), text...),
		"deep nesting": bytes.Replace(text, []byte(": "), []byte(": "+strings.Repeat("[", 20_000)), 1),
	} {
		for _, rec := range p.Read(t, bytes.NewReader(spoilt)) {
			if reject, ok := rec.(*schemas.Reject); ok && reject.At.Offset > int64(len(spoilt)) {
				t.Errorf("%s with %s: reject beyond the end: %v", c.File, name, reject)
			}
		}
	}
}

func utf16(text []byte) []byte {
	out := []byte{0xff, 0xfe}
	for _, b := range text {
		out = append(out, b, 0)
	}
	return out
}

// withoutPlace leaves out rejects, which say at which byte they are.
func withoutPlace(recs []schemas.Record) []string {
	var out []string
	for _, rec := range recs {
		if _, ok := rec.(*schemas.Reject); !ok {
			out = append(out, recordtest.Shorthand(rec))
		}
	}
	return out
}

func shorthands(recs []schemas.Record) []string {
	var out []string
	for _, rec := range recs {
		out = append(out, recordtest.Shorthand(rec))
	}
	return out
}

// Hostile returns inputs that are nobody's result.
func Hostile() map[string][]byte {
	return map[string][]byte{
		"empty":           {},
		"white space":     []byte(" \r\n\t\n"),
		"nothing":         []byte("null"),
		"a number":        []byte("1"),
		"an empty list":   []byte("[]"),
		"an empty object": []byte("{}"),
		"a list of lists": []byte("[[], [[]], {}]"),
		"not JSON":        []byte("INFO 07-31 10:33:03 server started\n{broken\n"),
		"a 10 MB string":  []byte(`{"a": "` + strings.Repeat("x", 10<<20) + `"}`),
		"a 10 MB key":     []byte(`{"` + strings.Repeat("x", 10<<20) + `": 1}`),
		"deep lists":      []byte(strings.Repeat("[", 10_000)),
		"deep objects":    []byte(strings.Repeat(`{"a":`, 10_000)),
		"many keys":       manyKeys(20_000),
		"NaN":             []byte(`{"a": NaN, "b": [Infinity, -Infinity]}`),
		"a NUL":           []byte("{\"a\": \"\x00\"}"),
		"binary":          {0x50, 0x4b, 3, 4, 0xff, 0xfe, 0},
	}
}

func manyKeys(n int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	b.WriteString(`"last":0}`)
	return b.Bytes()
}

// Fuzz is the body of a producer's FuzzReader: whatever comes, the reader ends,
// keeps its promises about the order of records, and says the same however the
// bytes arrive.
func (p Producer) Fuzz(f *testing.F) {
	for _, c := range p.Cases {
		f.Add(recordtest.File(f, c.File))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := p.Read(t, bytes.NewReader(text))
		got := p.Read(t, iotest.HalfReader(bytes.NewReader(text)))
		if !slices.Equal(shorthands(got), shorthands(want)) {
			t.Errorf("other records when they arrive in pieces")
		}
		// A record takes a byte of text at the very least.
		if len(want) > 2*len(text)+2 {
			t.Errorf("%d records from %d bytes", len(want), len(text))
		}
		for _, rec := range want {
			if at := rec.Pos().Offset; at < 0 || at > int64(len(text)) {
				t.Errorf("a record at byte %d of %d", at, len(text))
			}
		}
		p.Detect(text)
	})
}

// Read returns all records of an upload.
func (p Producer) Read(t testing.TB, r io.Reader) []schemas.Record {
	t.Helper()
	return recordtest.Read(t, p.Open(r, "bench.json"))
}

// RealFile opens a file of ../shared/data/real, closed when the test ends.
func RealFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(schematest.Shared(t, "real"), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Runs returns the runs among records, and fails where something was rejected.
func Runs(t *testing.T, records []schemas.Record) []*schemas.Run {
	t.Helper()
	var runs []*schemas.Run
	for _, rec := range records {
		switch rec := rec.(type) {
		case *schemas.Run:
			runs = append(runs, rec)
		case *schemas.Reject:
			t.Errorf("rejected: %v", rec)
		}
	}
	return runs
}

// Number is a number that the tool reported.
func Number(t *testing.T, run *schemas.Run, key string) float64 {
	t.Helper()
	v, ok := jsonscan.ParseFloat([]byte(run.Reported[key]))
	if !ok {
		t.Errorf("%s is %q, no number", key, run.Reported[key])
	}
	return v
}

// Near fails where got is not what the tool says, to one part in a million.
func Near(t *testing.T, what string, got, want float64) {
	t.Helper()
	off := math.Abs(got - want)
	if want != 0 {
		off /= math.Abs(want)
	}
	if !(off <= 1e-6) {
		t.Errorf("%s: recomputed %v, the tool says %v: off by %.1e", what, got, want, off)
	}
}

// Mean is the mean of v.
func Mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// Percentile is numpy's: linear between the values of v, which it sorts.
func Percentile(v []float64, p float64) float64 {
	slices.Sort(v)
	at := p / 100 * float64(len(v)-1)
	i := int(at)
	if i+1 >= len(v) {
		return v[len(v)-1]
	}
	return v[i] + (v[i+1]-v[i])*(at-float64(i))
}

package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// chunkings are ways in which the same bytes can arrive. Every test of what is
// read runs under all of them: what a scanner gets wrong, it gets wrong at the
// edge of its buffer.
var chunkings = []struct {
	name string
	new  func(text string) *Scanner
}{
	{"whole", func(text string) *Scanner { return NewScanner(strings.NewReader(text), Options{}) }},
	{"byte by byte", func(text string) *Scanner {
		return NewScanner(iotest.OneByteReader(strings.NewReader(text)), Options{})
	}},
	{"buffer of 1", func(text string) *Scanner { return NewScanner(strings.NewReader(text), Options{Buffer: 1}) }},
	{"buffer of 7", func(text string) *Scanner { return NewScanner(strings.NewReader(text), Options{Buffer: 7}) }},
	{"buffer of 61", func(text string) *Scanner {
		return NewScanner(iotest.DataErrReader(strings.NewReader(text)), Options{Buffer: 61})
	}},
}

func each(t *testing.T, text string, f func(t *testing.T, s *Scanner)) {
	t.Helper()
	for _, c := range chunkings {
		t.Run(c.name, func(t *testing.T) { f(t, c.new(text)) })
	}
}

// TestPull reads an object the way its readers do.
func TestPull(t *testing.T) {
	const text = ` {"name": "a\u00e9b", "skipped": {"x": [1, {"y": []}], "z": "}"}, "n": 12.0,
		"itls": [[0.025, 1.5e-05], [], [3]], "rate": Infinity, "raw": [ 1,
		 {"a" : NaN} ], "none": null}`
	each(t, text, func(t *testing.T, s *Scanner) {
		var got []string
		say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
		if !s.More() || s.Peek() != Object || s.Offset() != 1 {
			t.Fatalf("no object at byte 1, but %v at %d", s.Peek(), s.Offset())
		}
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			switch string(key) {
			case "name":
				v, err := s.Text(nil)
				say("name %q %v", v, err)
			case "n":
				v, err := s.Int64()
				say("n %d %v", v, err)
			case "itls":
				s.Array()
				for s.Next() {
					s.Array()
					v, more, err := s.AppendNanos(nil, 10)
					say("itl %d %v %v", v, more, err)
				}
			case "rate":
				v, err := s.Float64()
				say("rate %v %v", v, err)
			case "raw":
				v, err := s.Raw(nil, 100)
				say("raw %s %v", v, err)
			default:
				say("skip %s %v", key, s.Peek())
				s.Skip()
			}
		}
		if s.More() || s.Err() != nil {
			t.Errorf("at the end: more %v, error %v", s.More(), s.Err())
		}
		want := []string{
			`name "aéb" <nil>`,
			`skip skipped an object`,
			`n 12 <nil>`,
			`itl [25000000 15000] false <nil>`,
			`itl [] false <nil>`,
			`itl [3000000000] false <nil>`,
			`rate +Inf <nil>`,
			`raw [1,{"a":NaN}] <nil>`,
			`skip none null`,
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("got\n%s\nwant\n%s", g, w)
		}
	})
}

// TestSyntaxErrors shows every way in which text can fail to be JSON, and what
// is said about it.
func TestSyntaxErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{``, `byte 0: expected a value, found the end`},
		{`  `, `byte 2: expected a value, found the end`},
		{`x`, `byte 0: expected a value, found 'x'`},
		{"\x00", `byte 0: expected a value, found byte 0x00`},
		{`nul`, `byte 3: expected null, found the end`},
		{`nuLl`, `byte 2: expected null, found 'L'`},
		{`trie`, `byte 2: expected true, found 'i'`},
		{`fals3`, `byte 4: expected false, found '3'`},
		{`NaM`, `byte 2: expected NaN, found 'M'`},
		{`-Infinitx`, `byte 8: expected Infinity, found 'x'`},
		{`-`, `byte 1: expected a digit, found the end`},
		{`-NaN`, `byte 1: expected a digit, found 'N'`},
		{`.5`, `byte 0: expected a value, found '.'`},
		{`1.`, `byte 2: expected a digit, found the end`},
		{`1e+`, `byte 3: expected a digit, found the end`},
		{`[1.x]`, `byte 3: expected a digit, found 'x'`},
		{`"ab`, `byte 3: expected the rest of a string, found the end`},
		{"\"a\nb\"", `byte 2: expected no control character in a string, found byte 0x0a`},
		{`"\x"`, `byte 2: expected one of "\/bfnrtu after a backslash, found 'x'`},
		{`"\u12g4"`, `byte 5: expected four hexadecimal digits after \u, found 'g'`},
		{`[1 2]`, `byte 3: expected ',' or ']' after an array element, found '2'`},
		{`[1,]`, `byte 3: expected a value, found ']'`},
		{`[01]`, `byte 2: expected ',' or ']' after an array element, found '1'`},
		{`[1}`, `byte 2: expected ',' or ']' after an array element, found '}'`},
		{`[`, `byte 1: expected a value, found the end`},
		{`[[1]`, `byte 4: expected ',' or ']' after an array element, found the end`},
		{`{`, `byte 1: expected a key in quotes, found the end`},
		{`{1:2}`, `byte 1: expected a key in quotes, found '1'`},
		{`{"a" 1}`, `byte 5: expected ':' after a key, found '1'`},
		{`{"a":}`, `byte 5: expected a value, found '}'`},
		{`{"a":1,}`, `byte 7: expected a key in quotes, found '}'`},
		{`{"a":1 "b"}`, `byte 7: expected ',' or '}' after an object member, found '"'`},
		{`[[[[[]]]]]`, `byte 4: more than 4 containers inside each other`},
	}
	for _, test := range tests {
		each(t, test.text, func(t *testing.T, s *Scanner) {
			s.opts.Depth = 4
			err := s.Skip()
			if err == nil || err.Error() != test.want {
				t.Errorf("%q: error %v, want %s", test.text, err, test.want)
			}
			truncated := strings.HasSuffix(test.want, "found the end")
			if errors.Is(err, io.ErrUnexpectedEOF) != truncated {
				t.Errorf("%q: %v: is io.ErrUnexpectedEOF: %v", test.text, err, !truncated)
			}
			if again := s.Skip(); again != err {
				t.Errorf("%q: then %v: the error does not stick", test.text, again)
			}
		})
	}
}

// TestValueErrors: a value of the wrong kind is told and consumed, and scanning
// goes on behind it.
func TestValueErrors(t *testing.T) {
	long := strings.Repeat("9", maxNumber+1)
	tests := []struct {
		text string
		read func(*Scanner) error
		want string
	}{
		{`"x"`, readNanos, `byte 1: found "x", expected a time in seconds`},
		{`null`, readNanos, `byte 1: found null, expected a time in seconds`},
		{`{"a":[1]}`, readNanos, `byte 1: found an object, expected a time in seconds`},
		{`NaN`, readNanos, `byte 1: found NaN, expected a time in seconds`},
		{`-Infinity`, readNanos, `byte 1: found -Infinity, expected a time in seconds`},
		{`1e10`, readNanos, `byte 1: found 1e10, expected a time in seconds`},
		{long, readNanos, `byte 1: found a longer number, expected at most 4096 bytes`},
		{`"` + strings.Repeat("y", 99) + `"`, readNanos, `byte 1: found a string, expected a time in seconds`},
		{`1.5`, readInt, `byte 1: found 1.5, expected an integer of 64 bits`},
		{`9223372036854775808`, readInt, `byte 1: found 9223372036854775808, expected an integer of 64 bits`},
		{`1e400`, readFloat, `byte 1: found 1e400, expected a number that fits a float64`},
		{`7`, readText, `byte 1: found 7, expected a string`},
		{`"` + strings.Repeat("y", 200) + `"`, readText, `byte 1: found a longer string, expected at most 100 bytes`},
		{`[1, 2, 3, 4]`, readRaw, `byte 1: found a longer value, expected at most 5 bytes`},
	}
	for _, test := range tests {
		each(t, "["+test.text+", 42]", func(t *testing.T, s *Scanner) {
			s.opts.String = 100
			s.Array()
			s.Next()
			err := test.read(s)
			var value *ValueError
			if !errors.As(err, &value) || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if !s.Next() {
				t.Fatalf("no further element: %v", s.Err())
			}
			if v, err := s.Int64(); v != 42 || err != nil {
				t.Errorf("then %d, %v", v, err)
			}
		})
	}
}

func readNanos(s *Scanner) error { _, err := s.Nanos(); return err }
func readInt(s *Scanner) error   { _, err := s.Int64(); return err }
func readFloat(s *Scanner) error { _, err := s.Float64(); return err }
func readText(s *Scanner) error  { _, err := s.Text(nil); return err }
func readRaw(s *Scanner) error   { _, err := s.Raw(nil, 5); return err }

// TestAppendNanosGoesOn: an array can be read in pieces, and past its faults.
func TestAppendNanosGoesOn(t *testing.T) {
	each(t, `[0.1000000001, 0.2, NaN, 0.3000000000001, "x", 0.4] 7`, func(t *testing.T, s *Scanner) {
		s.Array()
		var got []string
		for more := true; more; {
			var ns []int64
			var err error
			ns, more, err = s.AppendNanos(nil, 2)
			got = append(got, fmt.Sprintf("%d %v %v", ns, more, err))
		}
		want := `[100000000 200000000] true <nil>
[] true byte 20: found NaN, expected a time in seconds
[300000000] true byte 42: found "x", expected a time in seconds
[400000000] false <nil>`
		if g := strings.Join(got, "\n"); g != want {
			t.Errorf("got\n%s\nwant\n%s", g, want)
		}
		if v, err := s.Int64(); v != 7 || err != nil {
			t.Errorf("then %d, %v", v, err)
		}
	})
}

// TestResync: a client that dies while it appends to a file of JSON Lines leaves
// half a line, and the next client goes on behind it, on a line of its own.
func TestResync(t *testing.T) {
	lines := []string{
		`{"run": 1, "a": [0.5, 0.2`, // cut in an array
		`{"run": 2}`,
		`{"run": 3, "text": "so it goe`, // cut in a string
		`{"run": 4}`,
		`{"run": 5, `, // cut before a key
		`{"run": 6} trailing`,
		`  {"run": 7}`, // not in the first column: part of the rubbish
		"{\"run\": 8}\r",
		`{"run": `,
	}
	each(t, strings.Join(lines, "\n"), func(t *testing.T, s *Scanner) {
		var got []int64
		var faults int
		for {
			for s.More() {
				if run, err := readRun(s); err == nil {
					got = append(got, run)
				}
			}
			faults++
			if !s.Resync() {
				break
			}
		}
		if want := "[2 4 6 8]"; fmt.Sprint(got) != want || faults != 5 {
			t.Errorf("got runs %v with %d faults, want %s with 5", got, faults, want)
		}
	})
}

// TestCut: a text that was cut is told from one that is wrong.
func TestCut(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a": [1, 2`:               true,
		`{"a": "so it`:              true,
		`{"a": "\u00`:               true,
		`{"a": -`:                   true,
		`{"a": tr`:                  true,
		`{"a`:                       true,
		`{`:                         true,
		"{\"a\": [1, 2\n{\"a\": 3}": true, // a program that died, and was started again
		"{\"a\": \"so it\n{}":       true,
		"{\"a\": \"so it\r\n{}":     true,
		"{\"a\": 1\r\n{}":           true,
		"{\"a\": \"\\\n{}":          true,
		"{\"a\": 0.\n{}":            true,
		"{\"a\": nu\n{}":            true,
		"{\"a\n{}":                  true,
		`{"a": [1, 2}`:              false,
		`{"a": 1 {"b": 2}}`:         false,
		"{\"a\": \"so it\n goes\"}": false,
		"{\"a\": \"so it\n":         false, // a line's end is no character of a string, and nothing begins behind it
		"[[[[[\n{}":                 false, // a limit
		`{"a": 1}`:                  false,
		``:                          true,
	} {
		each(t, text, func(t *testing.T, s *Scanner) {
			s.opts.Depth = 5
			s.Skip()
			if s.Cut() != want {
				t.Errorf("%q: %v: cut: %v", text, s.Err(), !want)
			}
		})
	}
	s := NewScanner(io.MultiReader(strings.NewReader(`{"a": 1`), iotest.ErrReader(io.ErrUnexpectedEOF)), Options{})
	if s.Skip(); !s.Cut() {
		t.Errorf("%v: not cut", s.Err())
	}
	s = NewScanner(io.MultiReader(strings.NewReader(`{"a": 1`), iotest.ErrReader(errors.New("disk on fire"))), Options{})
	if s.Skip(); s.Cut() {
		t.Errorf("%v: cut", s.Err())
	}
}

func readRun(s *Scanner) (run int64, err error) {
	s.Object()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		if string(key) == "run" {
			run, _ = s.Int64()
		} else {
			s.Skip()
		}
	}
	return run, s.Err()
}

// TestReadError: a fault of the reader is told as such, wherever it strikes.
func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	const text = `{"a": [1, 2, "three"]}`
	for n := range len(text) {
		s := NewScanner(io.MultiReader(strings.NewReader(text[:n]), iotest.ErrReader(broken)), Options{Buffer: 5})
		err := s.Skip()
		var read *ReadError
		if !errors.As(err, &read) || read.Offset != int64(n) || !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if s.Resync() {
			t.Errorf("after %d bytes: resynchronized", n)
		}
	}
	s := NewScanner(io.MultiReader(strings.NewReader("1\n"), iotest.ErrReader(broken)), Options{})
	s.Skip()
	if s.More() || !errors.Is(s.Err(), broken) {
		t.Errorf("between values: %v", s.Err())
	}
	if err := NewScanner(idle{}, Options{}).Skip(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never reads: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestCopyTo: what goes to a hash is the text without white space, however long.
func TestCopyTo(t *testing.T) {
	const text = " [ 1.50, {\"a b\" : \"c\\u0020 d\"},\n\tnull ] "
	each(t, text, func(t *testing.T, s *Scanner) {
		var b strings.Builder
		if err := s.CopyTo(&b); err != nil {
			t.Fatal(err)
		}
		if want := `[1.50,{"a b":"c\u0020 d"},null]`; b.String() != want {
			t.Errorf("got  %s\nwant %s", b.String(), want)
		}
	})
}

// walk reads every value of a text through the typed calls, and returns how
// many numbers were not finite and the text with each of those replaced by 0.
func walk(s *Scanner) (finite string, err error) {
	var b strings.Builder
	var value func() error
	value = func() error {
		switch s.Peek() {
		case Array:
			s.Array()
			b.WriteByte('[')
			for n := 0; s.Next(); n++ {
				if n > 0 {
					b.WriteByte(',')
				}
				if err := value(); err != nil {
					return err
				}
			}
			b.WriteByte(']')
		case Object:
			s.Object()
			b.WriteByte('{')
			n := 0
			for key, ok := s.Key(); ok; key, ok = s.Key() {
				if n > 0 {
					b.WriteByte(',')
				}
				n++
				quoted, _ := json.Marshal(string(key))
				b.Write(quoted)
				b.WriteByte(':')
				if err := value(); err != nil {
					return err
				}
			}
			b.WriteByte('}')
		default:
			text, err := s.Raw(nil, 1<<20)
			if err != nil {
				return err
			}
			switch string(text) {
			case "NaN", "Infinity", "-Infinity":
				text = []byte("0")
			}
			b.Write(text)
		}
		return s.Err()
	}
	if err := value(); err != nil {
		return "", err
	}
	if s.More() {
		return "", s.fail("expected the end")
	}
	return b.String(), s.Err()
}

// FuzzValid holds the scanner to encoding/json: it accepts what json.Valid
// accepts, and what it accepts beyond that is Python's three tokens. How the
// bytes arrive, and whether values are skipped or read, must not matter.
func FuzzValid(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, 2.5e-7, "x\u00e9\ud83d\ude00"], "b": {"c": null, "d": true}}`,
		`[NaN, Infinity, -Infinity, -0, 0.0, 1E+9]`, `"\ud800"`, "\"\xff\"", `[1,]`, `{"a":1,}`, "\"\x00\"",
		`01`, `-`, `1.`, `tru`, `[[[[]]]]`, ` `, `1 2`, `"\u12"`, "\ufeff1", "[1,\r\n\t2]",
	} {
		f.Add(seed, uint16(0))
		f.Add(seed, uint16(9))
	}
	f.Fuzz(func(t *testing.T, text string, shape uint16) {
		opts := Options{Buffer: int(shape%97) + 1, Depth: 10000, String: 1 << 20}
		open := func() *Scanner {
			rnd := rand.New(rand.NewPCG(uint64(shape), 1))
			if shape&1 == 1 {
				return NewScanner(&lender{text: text, rnd: rnd}, opts)
			}
			return NewScanner(&ragged{strings.NewReader(text), rnd}, opts)
		}
		skipper := open()
		skipErr := skipper.Skip()
		if skipErr == nil && skipper.More() {
			skipErr = skipper.fail("expected the end")
		}
		finite, err := walk(open())
		valid := json.Valid([]byte(text))
		switch {
		case (err == nil) != (skipErr == nil):
			t.Fatalf("%q: read: %v, skipped: %v", text, err, skipErr)
		case err != nil && valid:
			t.Fatalf("%q: rejected: %v", text, err)
		case err != nil && err.Error() != skipErr.Error():
			t.Fatalf("%q: read: %v, skipped: %v", text, err, skipErr)
		case err == nil && !json.Valid([]byte(finite)):
			t.Fatalf("%q: accepted, as %q", text, finite)
		case err == nil && !valid && !strings.Contains(text, "NaN") && !strings.Contains(text, "Infinity"):
			t.Fatalf("%q: accepted", text)
		}
		if err == nil {
			whole := NewScanner(strings.NewReader(text), Options{Depth: 10000})
			if again, _ := walk(whole); again != finite {
				t.Fatalf("%q: %q in pieces, %q as a whole", text, finite, again)
			}
		}
	})
}

// FuzzText holds decoded strings to encoding/json.
func FuzzText(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\u00e9\n"`, `"\ud83d\ude00"`, `"\ud83d\u0041"`, `"\udc00"`, "\"\xc3\x28\"", `"\ud83d"`, `"\\\""`} {
		f.Add(seed, uint16(3))
	}
	f.Fuzz(func(t *testing.T, text string, shape uint16) {
		var want string
		if json.Unmarshal([]byte(text), &want) != nil || !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), `"`) {
			return
		}
		rnd := rand.New(rand.NewPCG(uint64(shape), 1))
		s := NewScanner(&ragged{strings.NewReader(text), rnd}, Options{Buffer: int(shape%19) + 1})
		got, err := s.Text(nil)
		if err != nil || string(got) != want {
			t.Fatalf("%q: got %q, %v, want %q", text, got, err, want)
		}
	})
}

// ragged reads as many bytes at a time as chance has it.
type ragged struct {
	r   io.Reader
	rnd *rand.Rand
}

func (r *ragged) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), 1+r.rnd.IntN(40))])
}

// A lender lends a text in chunks of all lengths, and spoils the one before.
type lender struct {
	text string
	rnd  *rand.Rand
	lent []byte
}

func (l *lender) Read([]byte) (int, error) { return 0, errors.New("asked to copy") }

func (l *lender) Chunk() ([]byte, error) {
	for i := range l.lent {
		l.lent[i] = 'x'
	}
	if l.text == "" {
		return nil, io.EOF
	}
	n := min(len(l.text), l.rnd.IntN(3*bridged)>>l.rnd.IntN(14))
	l.lent = []byte(l.text[:n])
	l.text = l.text[n:]
	return l.lent, nil
}

// TestChunks: a text that is lent in chunks reads as one that is copied, with every
// offset.
func TestChunks(t *testing.T) {
	var b strings.Builder
	rnd := rand.New(rand.NewPCG(3, 4))
	b.WriteString("[")
	for i := range 3000 {
		if i > 0 {
			b.WriteString(", ")
		}
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "%q", strings.Repeat("é\n", rnd.IntN(100)))
		case 1:
			fmt.Fprintf(&b, "[%v, %v, 12]", rnd.Float64(), rnd.Float64()/1e6)
		case 2:
			b.WriteString(strings.Repeat(" ", rnd.IntN(6000)) + "NaN")
		default:
			fmt.Fprintf(&b, `{"k%d": null, "text": %q}`, i, strings.Repeat("x", rnd.IntN(3*bridged)))
		}
	}
	b.WriteString("]")
	want, err := offsets(NewScanner(strings.NewReader(b.String()), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		for _, buffer := range []int{64, 100, 5000, 0} {
			got, err := offsets(NewScanner(&lender{text: b.String(), rnd: rand.New(rand.NewPCG(seed, 1))}, Options{Buffer: buffer}))
			if err != nil || got != want {
				t.Fatalf("seed %d, buffer of %d: %v, or other values", seed, buffer, err)
			}
		}
	}
}

// offsets returns every element of an array behind its offset.
func offsets(s *Scanner) (string, error) {
	var b strings.Builder
	s.Array()
	for s.Next() {
		s.Peek()
		at := s.Offset()
		text, err := s.Raw(nil, 1<<20)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %s %d\n", at, text, s.Offset())
	}
	return b.String(), s.Err()
}

package jsonscan

import (
	"bytes"
	"io"
)

// Options bound what a Scanner takes in. The zero value of a field means its default.
type Options struct {
	Buffer int // bytes read ahead, three at least; default 256 KiB
	Depth  int // containers inside each other; default 1000
	String int // bytes of one key or of one string that is decoded; default 1 MiB. Skipped strings have no limit
}

// The defaults of Options.
const (
	DefaultBuffer = 256 << 10
	DefaultDepth  = 1000
	DefaultString = 1 << 20
)

// leastBuffer is what Cut must see at once.
const leastBuffer = 3

// maxNumber bounds the text of a number that is parsed. Python writes at most
// 24 bytes; a longer text than this is no measurement.
const maxNumber = 4096

// A Kind is the kind of a JSON value.
type Kind byte

// The kinds. Invalid stands for text that cannot start a value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number // NaN, Infinity and -Infinity included
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"invalid text", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// A Scanner pulls values out of a stream of JSON texts. See the package
// comment for how. Its memory is its buffer, the open containers and the
// longest string asked for.
type Scanner struct {
	r      io.Reader
	opts   Options
	buf    []byte
	pos    int     // next byte in buf
	end    int     // end of what was read into buf
	base   int64   // offset in the stream of buf[0]
	prev   byte    // byte before buf[0]; the stream starts behind an imagined newline
	chunks Chunker // instead of r, where it is one
	bridge
	eof     bool  // r has no more
	readErr error // why, where it was a fault

	err   error  // sticky
	stack []byte // '[' or '{' for each open container
	first bool   // the innermost container was opened just now

	// Text between buf[mark] and buf[pos] is being captured; -1 where none is.
	// What does not stay in the buffer goes to w, or to scratch where w is nil.
	mark    int
	w       io.Writer
	scratch []byte
	limit   int  // of scratch
	over    bool // the limit was passed and text was lost

	key []byte
}

// NewScanner returns a Scanner over r.
func NewScanner(r io.Reader, opts Options) *Scanner {
	opts.Buffer = max(orDefault(opts.Buffer, DefaultBuffer), leastBuffer)
	opts.Depth = orDefault(opts.Depth, DefaultDepth)
	opts.String = orDefault(opts.String, DefaultString)
	s := &Scanner{r: r, opts: opts, prev: '\n', mark: -1, bridge: bridge{own: make([]byte, opts.Buffer)}}
	s.buf = s.own
	s.chunks, _ = r.(Chunker)
	return s
}

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// Err returns the error that stopped the scanner, if one did.
func (s *Scanner) Err() error { return s.err }

// Offset returns the position in the stream of the next byte.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// More reports whether the stream holds another value. It is called between
// values that are in no container; at the end of the stream it returns false,
// with no error.
func (s *Scanner) More() bool {
	if s.err != nil {
		return false
	}
	if _, ok := s.space(); ok {
		return true
	}
	if s.readErr != nil {
		s.fail("")
	}
	return false
}

// Peek returns the kind of the next value, which stays unread. Offset is then
// the position of its first byte.
func (s *Scanner) Peek() Kind {
	if s.err != nil {
		return Invalid
	}
	c, ok := s.space()
	if !ok {
		s.fail("expected a value")
		return Invalid
	}
	switch c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'N', 'I':
		return Number
	}
	s.fail("expected a value")
	return Invalid
}

// Array enters the array that must come next.
func (s *Scanner) Array() error { return s.enter(Array, '[') }

// Object enters the object that must come next.
func (s *Scanner) Object() error { return s.enter(Object, '{') }

func (s *Scanner) enter(want Kind, open byte) error {
	if got := s.Peek(); got != want {
		return s.mismatch(want.String())
	}
	if len(s.stack) >= s.opts.Depth {
		return s.failLimit("more than %d containers inside each other", s.opts.Depth)
	}
	s.pos++
	s.stack = append(s.stack, open)
	s.first = true
	return nil
}

// Next moves to the next element of the innermost container, an array. At its
// end it leaves the array and returns false.
func (s *Scanner) Next() bool {
	if s.err != nil {
		return false
	}
	c, _ := s.space()
	switch {
	case c == ']':
		s.leave()
		return false
	case s.first:
		s.first = false
		return true // whatever it is, a value reader will say
	case c == ',':
		s.pos++
		return true
	}
	s.fail("expected ',' or ']' after an array element")
	return false
}

// Key moves to the next member of the innermost container, an object, and
// returns its key, which is valid until the next call of Key. At the object's
// end it leaves the object and returns false.
func (s *Scanner) Key() (key []byte, ok bool) {
	if !s.toKey() {
		return nil, false
	}
	s.capture(s.opts.String)
	text, ok := s.captured(s.scanString())
	if !ok {
		if s.err == nil {
			s.failLimit("a key is longer than %d bytes", s.opts.String)
		}
		return nil, false
	}
	// The text lies in the buffer, which colon may overwrite.
	s.key = appendUnquoted(s.key[:0], text)
	return s.key, s.colon()
}

// toKey moves to the opening quote of the next key.
func (s *Scanner) toKey() bool {
	if s.err != nil {
		return false
	}
	c, _ := s.space()
	switch {
	case c == '}':
		s.leave()
		return false
	case s.first:
		s.first = false
	case c == ',':
		s.pos++
		c, _ = s.space()
	default:
		s.fail("expected ',' or '}' after an object member")
		return false
	}
	if c != '"' {
		s.fail("expected a key in quotes")
		return false
	}
	return true
}

func (s *Scanner) colon() bool {
	if c, _ := s.space(); c != ':' {
		s.fail("expected ':' after a key")
		return false
	}
	s.pos++
	return true
}

func (s *Scanner) leave() {
	s.pos++
	s.stack = s.stack[:len(s.stack)-1]
	s.first = false
}

// Skip consumes the next value without building it.
func (s *Scanner) Skip() error {
	depth := len(s.stack)
	for {
		if err := s.skipToken(); err != nil {
			return err
		}
		// Leave every container that ends here.
		for len(s.stack) > depth && !s.advance() {
			if s.err != nil {
				return s.err
			}
		}
		if len(s.stack) == depth {
			return nil
		}
	}
}

// skipToken consumes a scalar, or the opening of a container.
func (s *Scanner) skipToken() error {
	switch s.Peek() {
	case Object:
		return s.Object()
	case Array:
		return s.Array()
	case String:
		s.scanString()
	case Number:
		s.scanNumber()
	case Null:
		s.literal("null")
	case Bool:
		s.scanBool()
	}
	return s.err
}

// advance moves to the next value of the innermost container, whichever it is.
func (s *Scanner) advance() bool {
	if s.stack[len(s.stack)-1] == '[' {
		return s.Next()
	}
	return s.toKey() && s.scanString() && s.colon()
}

// Raw appends to dst the text of the next value: its tokens as they were
// written, without the white space between them. A text of more than max bytes
// is a *ValueError.
func (s *Scanner) Raw(dst []byte, max int) ([]byte, error) {
	s.Peek()
	at := s.Offset()
	s.capture(max)
	text, ok := s.captured(s.Skip() == nil)
	if s.err != nil {
		return dst, s.err
	}
	if !ok {
		return dst, &ValueError{Offset: at, Text: "a longer value", Want: sizeLimit(max)}
	}
	return append(dst, text...), nil
}

// CopyTo writes to w what [Scanner.Raw] would return, in pieces, without a
// limit. The errors of w are not looked at: it is meant for a hash.
func (s *Scanner) CopyTo(w io.Writer) error {
	s.Peek() // leading white space is not part of the value
	s.capture(0)
	s.w = w
	s.Skip()
	s.flush()
	s.mark, s.w = -1, nil
	return s.err
}

// Resync abandons what was being read and moves to the next place where a
// value can be expected to start: a '{' in the first column of a line. It is
// how a reader of JSON Lines gets past a line that was cut short. It returns
// false where there is no such place.
func (s *Scanner) Resync() bool {
	if _, ok := s.err.(*ReadError); ok {
		return false
	}
	s.err = nil
	s.stack = s.stack[:0]
	s.first = false
	for {
		if s.pos == s.end && !s.fill() {
			return s.More() // false, and a reader's fault is told
		}
		if s.before() == '\n' && s.buf[s.pos] == '{' {
			return true
		}
		i := bytes.IndexByte(s.buf[s.pos:s.end], '\n')
		if i < 0 {
			s.pos = s.end
			continue
		}
		s.pos += i + 1
	}
}

// before returns the byte before the next one.
func (s *Scanner) before() byte {
	if s.pos > 0 {
		return s.buf[s.pos-1]
	}
	return s.prev
}

// mismatch consumes the next value and returns the error that it is not what
// was wanted.
func (s *Scanner) mismatch(want string) error {
	kind := s.Peek()
	at := s.Offset()
	const enough = 64
	s.capture(enough)
	text, whole := s.captured(s.Skip() == nil)
	if s.err != nil {
		return s.err
	}
	found := kind.String()
	if whole && kind != Array && kind != Object {
		found = shorten(text)
	}
	return &ValueError{Offset: at, Text: found, Want: want}
}

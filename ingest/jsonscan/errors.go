package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A SyntaxError says where the text stops being JSON.
type SyntaxError struct {
	Offset int64
	Msg    string
	Err    error // io.ErrUnexpectedEOF where the text ends too early, else nil

	limit bool // a limit was passed, and the text may well be JSON
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

// Unwrap returns e.Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// A ReadError is a fault of the underlying reader.
type ReadError struct {
	Offset int64
	Err    error
}

func (e *ReadError) Error() string { return fmt.Sprintf("byte %d: %v", e.Offset, e.Err) }

// Unwrap returns the reader's error.
func (e *ReadError) Unwrap() error { return e.Err }

// A ValueError says that a well-formed value is not of the kind asked for.
type ValueError struct {
	Offset int64
	Text   string // the value as it was written, shortened
	Want   string // what was expected, to follow the word "expected"
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("byte %d: found %s, expected %s", e.Offset, e.Text, e.Want)
}

// fail makes the scanner stop at the current byte, and returns the error that
// it stops with. msg says what was expected there.
func (s *Scanner) fail(msg string) error {
	switch {
	case s.err != nil:
	case s.pos < s.end:
		s.err = &SyntaxError{Offset: s.Offset(), Msg: fmt.Sprintf("%s, found %s", msg, describe(s.buf[s.pos]))}
	case s.readErr != nil:
		s.err = &ReadError{Offset: s.Offset(), Err: s.readErr}
	default:
		s.err = &SyntaxError{Offset: s.Offset(), Msg: msg + ", found the end", Err: io.ErrUnexpectedEOF}
	}
	return s.err
}

// failLimit makes the scanner stop because a limit was passed.
func (s *Scanner) failLimit(format string, args ...any) error {
	if s.err == nil {
		s.err = &SyntaxError{Offset: s.Offset(), Msg: fmt.Sprintf(format, args...), limit: true}
	}
	return s.err
}

// Cut reports whether the error that stopped the scanner is that of a text cut
// short rather than malformed, so that all before it is as it was written. A
// text is cut where
//
//   - it ends inside a value;
//   - the reader returns io.ErrUnexpectedEOF, as decompressors do at the end of a
//     file that was cut;
//   - a line breaks off inside a value and the next one begins another: a program
//     died while it wrote, and was started again on the same file of JSON Lines.
//
// A number that ends at the cut may have had more digits.
func (s *Scanner) Cut() bool {
	if s.err == nil {
		return false
	}
	if errors.Is(s.err, io.ErrUnexpectedEOF) {
		return true
	}
	syntax, ok := s.err.(*SyntaxError)
	if !ok || syntax.limit || s.pos == s.end {
		return false
	}
	if s.buf[s.pos] == '{' {
		return s.before() == '\n'
	}
	// Inside a string or a number the line's end itself is the fault.
	for s.end-s.pos < leastBuffer && s.fill() {
	}
	rest := bytes.TrimPrefix(s.buf[s.pos:s.end], []byte("\r"))
	return bytes.HasPrefix(rest, []byte("\n{"))
}

func describe(c byte) string {
	if c < ' ' || c >= 0x7f {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("'%c'", c)
}

// shorten quotes the start of a value for an error message.
func shorten(text []byte) string {
	const most = 40
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}

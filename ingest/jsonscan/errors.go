package jsonscan

import (
	"fmt"
	"io"
)

// A SyntaxError says where the text stops being JSON.
type SyntaxError struct {
	Offset int64
	Msg    string
	Err    error // io.ErrUnexpectedEOF where the text ends too early, else nil
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
		s.err = &SyntaxError{Offset: s.Offset(), Msg: fmt.Sprintf(format, args...)}
	}
	return s.err
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

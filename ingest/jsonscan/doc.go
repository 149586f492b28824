// Package jsonscan reads JSON at the speed of its numbers, in bounded memory.
//
// A benchmark log is one object of a hundred keys, one of which holds ten
// million numbers. No general parser suits it: those that build values need
// memory in proportion, those that yield tokens pay for a token what a number
// should cost, and all of them reject the bare NaN and Infinity that Python
// writes. A [Scanner] reads from an [io.Reader] through one fixed buffer; the
// caller pulls the values it wants, in the order in which they come, and skips
// the rest without building it:
//
//	for s.More() { // a stream of values: one file may hold several
//		s.Object()
//		for key, ok := s.Key(); ok; key, ok = s.Key() {
//			switch string(key) {
//			case "itls":
//				s.Array()
//				for s.Next() {
//					s.Array()
//					gaps, more, err = s.AppendNanos(gaps[:0], 4096)
//					…
//				}
//			default:
//				s.Skip()
//			}
//		}
//	}
//	if err := s.Err(); err != nil { … }
//
// # What is accepted
//
// Exactly what [encoding/json.Valid] accepts (RFC 8259; invalid UTF-8 and lone
// surrogates inside strings pass, and become U+FFFD when a string is decoded),
// and the tokens NaN, Infinity and -Infinity where a number may stand.
//
// # Errors
//
// Three kinds, all with the byte offset at which they were found:
//
//   - [*SyntaxError]: the text is no JSON, or a limit of [Options] was passed.
//     It sticks: every later call fails with it, until [Scanner.Resync]. Text
//     that ends too early wraps [io.ErrUnexpectedEOF]; [Scanner.Cut] tells more
//     kinds of text that was cut short from text that is wrong.
//   - [*ReadError]: the reader failed. It sticks.
//   - [*ValueError]: the value is JSON, but not what the caller asked for: a
//     string where a number should be, a NaN where a time should be. It does not
//     stick. The value has been consumed and scanning goes on behind it.
//
// # Numbers
//
// Times come as decimal seconds and leave as integer nanoseconds, rounded from
// the decimal text itself, not from a float64 near it: to nearest, ties to even.
package jsonscan

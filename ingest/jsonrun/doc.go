// Package jsonrun is what the readers of benchmark results in JSON share: the
// loop that turns bytes into records, the flattened members of an object, and
// the requests of a run held until it ends. It knows no format. A producer's
// package says what its format is by a [Format], and offers a [Reader]:
//
//	func NewReader(r io.Reader, name string, opts ...jsonrun.Option) *jsonrun.Reader {
//		return jsonrun.NewReader(r, name, &file{}, opts...)
//	}
//
// A format whose runs are objects, alone, one a line or in an array, need not
// say more than what an object is worth; see [Objects]. A format that lists
// requests adds each to a [Requests], which keeps them in 100 bytes each, and
// closes it with the run.
//
// # Faults
//
// Text that is no JSON, or ends too early, becomes a [*schemas.Reject] with its
// place, and the format is told, for only it knows what is left of the run:
// see [Format.Broken]. A fault of the underlying reader is [Reader.Err] and no
// record.
package jsonrun

package schemas

import "fmt"

// A Pos says where in an upload something was read.
type Pos struct {
	File    string // name of the upload, as the user knows it
	Offset  int64  // byte offset in the decompressed upload
	Run     int    // index of the run in the upload, from 0
	Request int    // index of the request in the run, -1 where it does not apply
}

func (p Pos) String() string {
	if p.Request < 0 {
		return fmt.Sprintf("%s: byte %d", p.File, p.Offset)
	}
	return fmt.Sprintf("%s: byte %d: request %d", p.File, p.Offset, p.Request)
}

// A Record is one thing that a producer's reader found in an upload: [*Gaps],
// [*Request], [*Run] or [*Reject]. The records of one run come in this order:
// gaps by request, then every request by index, then the run itself, which
// closes it. A run without a closing *Run did not end, and nothing of it counts.
type Record interface {
	Pos() Pos
}

// Gaps are consecutive chunk gaps of one request, in arrival order. A long
// request may come as several Gaps, FirstChunk counting on.
//
// The reader owns Nanos and Tokens and overwrites them on the next call of Scan.
type Gaps struct {
	At         Pos
	Request    int     // index in the run
	FirstChunk int     // chunk_idx of Nanos[0]: the gap that ends at chunk 1 has chunk_idx 1
	Nanos      []int64 // gap lengths, ns
	// Tokens is how many tokens the chunk at the end of each gap carried; nil
	// where the log does not say. As long as Nanos.
	Tokens []int32
}

// Pos reports where the gaps begin.
func (g *Gaps) Pos() Pos { return g.At }

// A Reject is something in an upload that could not be used: a malformed value,
// an array of the wrong length, a truncated object. It is a record and not an
// error, so that the rest of the upload goes on.
type Reject struct {
	At     Pos
	Reason string // what is wrong, in words that say what was expected
	Hint   string // what to do about it; may be empty
	// Fatal means that the run the reject belongs to cannot be used.
	Fatal bool
}

// Pos reports where the rejected text begins.
func (r *Reject) Pos() Pos { return r.At }

func (r *Reject) String() string { return r.At.String() + ": " + r.Reason }

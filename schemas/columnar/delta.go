package columnar

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// The shape of DELTA_BINARY_PACKED blocks: what every writer uses.
const (
	deltaBlock = 128
	miniBlocks = 4
	miniBlock  = deltaBlock / miniBlocks
)

// deltaEncoder writes integers as DELTA_BINARY_PACKED, as the Parquet format
// defines it: blocks of differences, less the least of the block, packed into as
// many bits as the greatest of its quarter needs.
//
// Note: Arrow's encoder does the same in six times the time, a value at a time
// through an interface, and writes pages out of the specification where 32-bit
// differences overflow. Ours computes in 64 bits; the values of an INT32 column
// must not be negative, so that differences less the least fit 32 bits.
type deltaEncoder struct {
	deltas [deltaBlock]int64
}

// A run is rows of a column, at least one, each by step more than that before it.
type run struct {
	first, step int64
	rows        int
}

func (r run) last() int64 { return r.first + r.step*int64(r.rows-1) }

// appendDelta appends the encoding of values to dst.
func appendDelta[T int32 | int64](e *deltaEncoder, dst []byte, values []T) []byte {
	if len(values) == 0 { // a page of NULLs has a header all the same: DuckDB reads it
		return appendDeltaHeader(dst, 0, 0)
	}
	prev := int64(values[0])
	dst = appendDeltaHeader(dst, len(values), prev)
	for values = values[1:]; len(values) > 0; {
		n := min(len(values), deltaBlock)
		least := int64(values[0]) - prev
		for i, v := range values[:n] {
			d := int64(v) - prev
			prev = int64(v)
			e.deltas[i] = d
			least = min(least, d)
		}
		dst = e.appendBlock(dst, n, least)
		values = values[n:]
	}
	return dst
}

func appendDeltaHeader(dst []byte, values int, first int64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, miniBlocks)
	dst = binary.AppendUvarint(dst, uint64(values))
	return binary.AppendVarint(dst, first)
}

// appendRuns appends the same for the values of one or more runs. A block that
// lies inside a run takes no time.
func appendRuns(e *deltaEncoder, dst []byte, runs []run) []byte {
	rows := 0
	for _, r := range runs {
		rows += r.rows
	}
	dst = appendDeltaHeader(dst, rows, runs[0].first)
	n := 0 // in the block that is being filled
	for i, r := range runs {
		if i > 0 {
			dst, n = e.appendSame(dst, n, r.first-runs[i-1].last(), 1)
		}
		dst, n = e.appendSame(dst, n, r.step, r.rows-1)
	}
	if n > 0 {
		dst = e.appendBlock(dst, n, slices.Min(e.deltas[:n]))
	}
	return dst
}

// appendSame takes in the same difference several times, behind n others that wait
// for their block to be full, and returns how many wait then.
func (e *deltaEncoder) appendSame(dst []byte, n int, d int64, times int) ([]byte, int) {
	for times > 0 {
		if n == 0 && times >= deltaBlock {
			dst = append(binary.AppendVarint(dst, d), make([]byte, miniBlocks)...)
			times -= deltaBlock
			continue
		}
		k := min(times, deltaBlock-n)
		e.fill(n, k, d)
		n, times = n+k, times-k
		if n == deltaBlock {
			dst, n = e.appendBlock(dst, n, slices.Min(e.deltas[:])), 0
		}
	}
	return dst, n
}

func (e *deltaEncoder) fill(at, n int, d int64) {
	for i := range e.deltas[at : at+n] {
		e.deltas[at+i] = d
	}
}

// appendBlock appends a block of n differences, of which least is the least.
// Quarters behind the last difference have a width of 0 and no bytes.
func (e *deltaEncoder) appendBlock(dst []byte, n int, least int64) []byte {
	dst = binary.AppendVarint(dst, least)
	widths := len(dst)
	dst = append(dst, make([]byte, miniBlocks)...)
	e.fill(n, deltaBlock-n, least)
	for m := 0; m*miniBlock < n; m++ {
		quarter := (*[miniBlock]int64)(e.deltas[m*miniBlock:])
		all := uint64(0)
		for i := range quarter {
			quarter[i] -= least
			all |= uint64(quarter[i])
		}
		width := bits.Len64(all)
		dst[widths+m] = byte(width)
		dst = appendPacked(dst, quarter, width)
	}
	return dst
}

// appendPacked appends the low bits of 32 values one behind the other, the
// lowest bit first: width whole words of 32 bits.
func appendPacked(dst []byte, values *[miniBlock]int64, width int) []byte {
	switch {
	case width == 0:
		return dst
	case width <= 32:
		return appendPackedPairs(dst, values, width)
	}
	var word uint64
	filled := 0
	for _, v := range values {
		word |= uint64(v) << filled
		filled += width
		if filled >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, word)
			filled -= 64
			word = uint64(v) >> (width - filled)
		}
	}
	return appendHalf(dst, word, filled)
}

// appendPackedPairs does the same two values at a time, where they fit a word.
func appendPackedPairs(dst []byte, values *[miniBlock]int64, width int) []byte {
	var word uint64
	filled := 0
	for i := 0; i < miniBlock; i += 2 {
		pair := uint64(values[i]) | uint64(values[i+1])<<(width&63)
		word |= pair << (filled & 63)
		filled += 2 * width
		if filled >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, word)
			filled -= 64
			word = pair >> (2*width - filled)
		}
	}
	return appendHalf(dst, word, filled)
}

// appendHalf appends the last word, of which half is filled, or nothing.
func appendHalf(dst []byte, word uint64, filled int) []byte {
	if filled == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(word))
}

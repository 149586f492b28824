package aiperf

import (
	"bytes"
	"math"
	"strconv"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// exponents are the units that times come in, as powers of ten of a second.
var exponents = map[string]int{"s": 0, "sec": 0, "seconds": 0, "ms": -3, "milliseconds": -3, "us": -6, "microseconds": -6, "ns": -9, "nanoseconds": -9}

// nanos returns the time that the text of a number stands for, in units of
// 10^exponent seconds. It is rounded from the decimal text, once: AIPerf divides
// integer nanoseconds by a million and prints what float64 makes of it, so that
// 464.66410099999996 ms is 464664101 ns again.
func nanos(text []byte, exponent int) (int64, bool) {
	if exponent == 0 {
		return jsonscan.ParseNanos(text)
	}
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(string(text[i+1:]))
		if err != nil || e > math.MaxInt16 || e < math.MinInt16 {
			return 0, false
		}
		text, exponent = text[:i], exponent+e
	}
	var room [48]byte
	scaled := append(room[:0], text...)
	scaled = append(scaled, 'e')
	return jsonscan.ParseNanos(strconv.AppendInt(scaled, int64(exponent), 10))
}

// appendNanos appends the times of a JSON array of numbers, written without
// white space. At a number that is none, or negative, it stops: index says
// where, and found what is there.
func appendNanos(dst []int64, array []byte, exponent int) (_ []int64, index int, found []byte) {
	list := bytes.TrimSuffix(bytes.TrimPrefix(array, []byte("[")), []byte("]"))
	for i := 0; len(list) > 0; i++ {
		number, rest, _ := bytes.Cut(list, []byte(","))
		v, ok := nanos(number, exponent)
		if !ok || v < 0 {
			return dst, i, number
		}
		dst = append(dst, v)
		list = rest
	}
	return dst, -1, nil
}

package schemas

import "math/bits"

// A Histogram counts non-negative integers in buckets that are exact to three
// significant decimal digits. It is plain integers, so it is bit-identical on
// every machine, merges by addition, and is readable by any SQL engine.
//
// Bucket b of a value v: v itself below 1000; above, with v = m * 10^e + rest
// and 100 <= m <= 999, b = 900*e + m. A bucket is at most 1 % wide, so that its
// middle is within 0.5 % of every value in it. A percentile taken from buckets is
// the middle of the bucket that holds its rank, so it is within 0.5 % as well: on
// real logs of vLLM, the worst of 2,800 percentiles of the ITL is 0.47 % off.
//
// While it is being filled it counts to five digits, which are never kept: of them
// are the quantiles that runs are compared by, within 0.005 % of those of the values.
type Histogram struct {
	pages []*[finePage]int64 // counts by fine bucket, finePage of them a page; nil: all zero
}

// finePage is how many fine buckets are counted together: a ninetieth of a decade,
// so that a run of few requests does not make room for many.
const finePage = 1 << 10

// fineBucket is that of v >= 0 to five digits: v itself below 100,000; above, with
// v = m * 10^e + rest and 10,000 <= m <= 99,999, 90,000*e + m.
func fineBucket(v int64) int {
	if v < fineLeast {
		return int(v)
	}
	e := (bits.Len64(uint64(v))-1)*1233>>12 - 4 // as in HistogramBucket
	m := v / pow10[e]
	if m >= 100_000 {
		e++
		m = v / pow10[e]
	}
	return 90_000*e + int(m)
}

// fineLeast is the least value that shares its fine bucket.
const fineLeast = 100_000

// A fineDecade are the values that have e in common. They are counted without
// dividing: with 2^shift the greatest power of two that is not above 10^e, reciprocal
// is 2^(64+shift) / 10^e, rounded up, so too great by less than one. That makes the
// quotient of v < 2^63 too great by less than 2^-(1+shift), which is less than 10^-e:
// too little to reach the next integer.
type fineDecade struct {
	least, span uint64 // the values: from least on, less than span above it
	base        int    // 90,000*e
	reciprocal  uint64
	shift       uint8
}

// fineDecades are those of e from 1 on; values without an e have none.
var fineDecades = func() (of [15]fineDecade) {
	for e := 1; e < len(of); e++ {
		p := uint64(pow10[e])
		shift := bits.Len64(p) - 1
		reciprocal, _ := bits.Div64(1<<shift, 0, p)
		least := 10_000 * p
		of[e] = fineDecade{least: least, span: min(9*least, 1<<63-least), base: 90_000 * e, reciprocal: reciprocal + 1, shift: uint8(shift)}
	}
	return of
}()

// fineBounds are the least and the greatest value of a fine bucket.
func fineBounds(b int) (lo, hi int64) {
	if b < 100_000 {
		return int64(b), int64(b)
	}
	e := (b - 10_000) / 90_000
	m := int64(b - 90_000*e)
	return m * pow10[e], (m+1)*pow10[e] - 1
}

// HistogramBucket returns the bucket of v >= 0.
func HistogramBucket(v int64) int32 {
	if v < 1000 {
		return int32(v)
	}
	// 2^10 > 1000: start from the digit count that the bit length guarantees.
	e := int32((bits.Len64(uint64(v))-1)*1233>>12) - 2
	m := v / pow10[e]
	if m >= 1000 { // the guarantee is one short for about a quarter of all values
		e++
		m = v / pow10[e]
	}
	return 900*e + int32(m)
}

// HistogramBounds returns the least and the greatest value of bucket b.
func HistogramBounds(b int32) (lo, hi int64) {
	if b < 1000 {
		return int64(b), int64(b)
	}
	e := (b - 100) / 900
	m := int64(b - 900*e)
	return m * pow10[e], (m+1)*pow10[e] - 1
}

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// Add counts v; a negative v counts as 0.
func (h *Histogram) Add(v int64) {
	b := fineBucket(max(v, 0))
	page := b / finePage
	if page >= len(h.pages) {
		h.pages = append(h.pages, make([]*[finePage]int64, page+1-len(h.pages))...)
	}
	if h.pages[page] == nil {
		h.pages[page] = new([finePage]int64)
	}
	h.pages[page][b%finePage]++
}

// addAll counts values, most of which are in the decade of those before them.
func (h *Histogram) addAll(values []int64) {
	var d fineDecade
	pages := h.pages
	for _, v := range values {
		if uint64(v)-d.least < d.span {
			m, _ := bits.Mul64(uint64(v), d.reciprocal)
			b := uint(d.base) + uint(m>>(d.shift&63))
			if page := b / finePage; page < uint(len(pages)) && pages[page] != nil {
				pages[page][b%finePage]++
				continue
			}
		}
		h.Add(v)
		pages = h.pages
		if v >= fineLeast {
			d = fineDecades[(fineBucket(v)-10_000)/90_000]
		}
	}
}

// fine hands over the non-empty fine buckets in ascending order, with their counts.
func (h *Histogram) fine(take func(b int, n int64)) {
	for p, page := range h.pages {
		if page == nil {
			continue
		}
		for i, n := range page {
			if n > 0 {
				take(p*finePage+i, n)
			}
		}
	}
}

// Buckets returns the non-empty buckets in ascending order and their counts.
func (h *Histogram) Buckets() (bucket []int32, count []int64) {
	h.fine(func(fine int, n int64) {
		lo, _ := fineBounds(fine)
		b := HistogramBucket(lo) // every fine bucket lies in one
		if last := len(bucket) - 1; last >= 0 && bucket[last] == b {
			count[last] += n
			return
		}
		bucket, count = append(bucket, b), append(count, n)
	})
	return bucket, count
}

// Fine returns the middles of the non-empty buckets of five digits, ascending, and
// how many values are in each and those before it.
func (h *Histogram) Fine() (middle []float64, upto []int64) {
	total := int64(0)
	h.fine(func(fine int, n int64) {
		lo, hi := fineBounds(fine)
		total += n
		middle, upto = append(middle, float64(lo)+float64(hi-lo)/2), append(upto, total)
	})
	return middle, upto
}

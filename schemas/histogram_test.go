package schemas

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// Many values are counted without dividing. What division says is the truth, and
// where it could differ is around the ends of buckets, of decades and of bit lengths.
func TestManyValuesFallWhereEachOfThemDoes(t *testing.T) {
	var values []int64
	around := func(v int64) {
		for d := int64(-2); d <= 2; d++ {
			values = append(values, v+d)
		}
	}
	around(math.MaxInt64 - 2)
	around(math.MinInt64 + 2) // counts as 0, also behind the greatest
	for i, p := range pow10 {
		around(p)
		around(1 << (3 * i))
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		v := rnd.Int64() >> rnd.IntN(63)
		lo, hi := fineBounds(fineBucket(v))
		around(lo)
		around(hi) // of the last bucket, beyond 64 bits and negative
	}
	for range 100_000 { // one after the other in one decade
		values = append(values, 10_000_000+rnd.Int64N(90_000_000))
	}
	var one, all Histogram
	for _, v := range values {
		if lo, hi := fineBounds(fineBucket(max(v, 0))); max(v, 0) < lo || v > hi && hi > 0 {
			t.Fatalf("%d is not in its bucket, [%d, %d]", v, lo, hi)
		}
		one.Add(v)
	}
	all.addAll(values)
	if !reflect.DeepEqual(one, all) {
		t.Error("values counted together are not where they are one by one")
	}
}

func BenchmarkCell(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	gaps := make([]int64, 1<<16)
	for i := range gaps {
		gaps[i] = int64(14e6 * math.Exp(0.12*rnd.NormFloat64()))
	}
	c := NewCell("run", "itl")
	for b.Loop() {
		c.AddAll(gaps)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(gaps)), "ns/value")
}

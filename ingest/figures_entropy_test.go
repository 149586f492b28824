//go:build unix

package ingest

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
)

// Why a token takes the bytes that it takes: what the gaps themselves hold, and what is
// around them.

// A tokenCost is what the tokens of some logs cost, in bytes, whole.
type tokenCost struct {
	gaps    int64
	around  int64   // blocks whose gaps are all zero: numbers of requests and chunks, run, footer
	entropy float64 // of the gaps, each told apart from the others of its run
}

// tokenCosts reads the logs in a folder once more.
func tokenCosts(t *testing.T, folder string) (c tokenCost) {
	t.Helper()
	uploads, _, err := Find([]string{folder}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, up := range uploads {
		head, err := readHead(up.Path)
		if err != nil {
			t.Fatal(err)
		}
		format, ok := detect(head)
		if !ok {
			continue
		}
		f, err := up.Plain()
		if err != nil {
			t.Fatal(err)
		}
		records := format.open(f, up.Name, Limits{}.reading())
		var run runGaps
		for records.Scan() {
			switch rec := records.Record().(type) {
			case *schemas.Gaps:
				run.add(t, rec)
			case *schemas.Run:
				c.add(t, &run)
				run = runGaps{}
			}
		}
		f.Close()
		if records.Err() != nil {
			t.Fatal(records.Err())
		}
	}
	return c
}

// runGaps are the gaps of a run, and its block without them.
type runGaps struct {
	gaps  []int64
	size  counter
	block *columnar.TokensWriter
}

func (r *runGaps) add(t *testing.T, g *schemas.Gaps) {
	t.Helper()
	if r.block == nil {
		var err error
		if r.block, err = columnar.NewTokensWriter(&r.size, schemas.NewCell("", "itl")); err != nil {
			t.Fatal(err)
		}
	}
	r.gaps = append(r.gaps, g.Nanos...)
	g.Nanos = make([]int64, len(g.Nanos))
	if err := r.block.Append(g); err != nil {
		t.Fatal(err)
	}
}

func (c *tokenCost) add(t *testing.T, r *runGaps) {
	t.Helper()
	if r.block == nil {
		return
	}
	if _, err := r.block.Close(schemas.NewRunID("x", 0)); err != nil {
		t.Fatal(err)
	}
	c.gaps += int64(len(r.gaps))
	c.around += int64(r.size)
	c.entropy += float64(len(r.gaps)) * entropy(r.gaps) / 8
}

// A counter counts what is written to it.
type counter int64

var _ io.Writer = (*counter)(nil)

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// entropy estimates how many bits each of the values holds, at a resolution of one, if
// they are drawn independently: from how far apart those are that are m ranks apart
// (Vasicek 1976), with the bias of a small sample taken off. No coding that tells values
// one by one takes less. It holds for values that hardly repeat, as gaps do in ns.
func entropy(values []int64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	m := max(1, int(math.Round(math.Sqrt(float64(n))/2)))
	if n <= m {
		return 0
	}
	sum := 0.0
	for i := range sorted[m:] {
		sum += math.Log(float64(max(1, sorted[i+m]-sorted[i])))
	}
	nats := sum/float64(n-m) - digamma(m) + digamma(n+1)
	return max(0, nats/math.Ln2)
}

// digamma is that of a whole number.
func digamma(n int) float64 {
	v := -0.57721566490153286
	for k := 1; k < n; k++ {
		v += 1 / float64(k)
	}
	return v
}

// TestEntropy: of distributions of which it is known, in samples as small as a run.
func TestEntropy(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name string
		draw func() float64
		want float64
	}{
		{"log-normal around 14 ms, sigma 12 %", func() float64 { return 14e6 * math.Exp(0.12*rnd.NormFloat64()) }, math.Log2(14e6 * 0.12 * math.Sqrt(2*math.Pi*math.E))},
		{"normal, sigma 1 ms", func() float64 { return 20e6 + 1e6*rnd.NormFloat64() }, math.Log2(1e6 * math.Sqrt(2*math.Pi*math.E))},
		{"uniform over 2^20", func() float64 { return rnd.Float64() * (1 << 20) }, 20},
	} {
		for _, n := range []int{1000, 2500, 20_000} {
			values := make([]int64, n)
			for i := range values {
				values[i] = int64(c.draw())
			}
			if got := entropy(values); math.Abs(got-c.want) > 0.15 {
				t.Errorf("%s, %d values: %.2f bits, want %.2f", c.name, n, got, c.want)
			}
		}
	}
}

// explainStored says what of the bytes of a token could be spared at most.
func explainStored(t *testing.T, folder string) {
	t.Helper()
	c := tokenCosts(t, folder)
	around, gaps := float64(c.around)/float64(c.gaps), c.entropy/float64(c.gaps)
	fmt.Printf("| of that as they came: all but the gaps (numbers of requests and chunks, run, footer) | %.2f | | |\n", around)
	fmt.Printf("| entropy of a gap among those of its run, to 1 ns | %.2f | | |\n", gaps)
	fmt.Printf("| least of any coding that tells gaps one by one, as they came | %.2f | | |\n", around+gaps)
}

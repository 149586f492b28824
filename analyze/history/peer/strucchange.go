package peer

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Break is one break of the mean, with its interval.
type Break struct {
	Index     int     // first of the right segment
	Low, High int     // its interval
	SupF      float64 // the largest F statistic of a break
	RSS0, RSS float64 // residual sums of squares without and with it
}

// Strucchange finds the one break of the mean with the least residual sum of
// squares that leaves at least the share trim of the values on each side, with
// the interval of Bai (1997), as R's strucchange does (breakpoints and confint,
// Zeileis et al. 2003): for a step δ and variances σ1² and σ2² on its sides, the
// break minus its estimate, times δ²/σ1², is distributed like the place of the
// maximum of a two-sided Brownian motion with drift.
func Strucchange(series []float64, trim, conf float64) (Break, error) {
	n := len(series)
	least := int(trim * float64(n))
	if least < 2 || 2*least > n {
		return Break{}, fmt.Errorf("peer: a share of %g of %d values leaves no place for a break", trim, n)
	}
	b := Break{RSS: math.Inf(1)}
	_, v := populationMoments(series)
	b.RSS0 = v * float64(n)
	for k := least; k <= n-least; k++ {
		_, v1 := populationMoments(series[:k])
		_, v2 := populationMoments(series[k:])
		if rss := v1*float64(k) + v2*float64(n-k); rss < b.RSS {
			b.Index, b.RSS = k, rss
		}
	}
	b.SupF = (b.RSS0 - b.RSS) / (b.RSS / float64(n-2))
	m1, v1 := populationMoments(series[:b.Index])
	m2, v2 := populationMoments(series[b.Index:])
	if v1 == 0 || v2 == 0 {
		return b, errors.New("peer: no interval: a side of the break does not vary")
	}
	unit := v1 / ((m2 - m1) * (m2 - m1))
	tail := (1 - conf) / 2
	b.Low = b.Index - int(math.Ceil(baiQuantile(1-tail, v2/v1)*unit))
	b.High = b.Index - int(math.Floor(baiQuantile(tail, v2/v1)*unit))
	return b, nil
}

// baiQuantile inverts baiCDF by bisection.
func baiQuantile(p, phi float64) float64 {
	lo, hi := -1.0, 1.0
	for baiCDF(lo, phi) > p {
		lo *= 2
	}
	for baiCDF(hi, phi) < p {
		hi *= 2
	}
	for range 200 {
		if mid := (lo + hi) / 2; baiCDF(mid, phi) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// baiCDF is the distribution of argmax{W1(-s) - |s|/2 for s <= 0, sqrt(phi) W2(s)
// - s/2 for s > 0}, where W1 and W2 are Brownian motions (Bai 1997, appendix B,
// for one mean: its xi is 1 and its phi the ratio of the variances).
func baiCDF(x, phi float64) float64 {
	if x < 0 {
		return baiTail(-x, phi)
	}
	// By symmetry: time and space scaled so that the right side has variance 1.
	return 1 - baiTail(x/phi, 1/phi)
}

// baiTail is P(argmax < -x), with variance 1 on the left and phi on the right.
func baiTail(x, phi float64) float64 {
	root := math.Sqrt(x)
	density := math.Sqrt(x/(2*math.Pi)) * math.Exp(-x/8)
	ratio := (phi + 2) / (phi + 1)
	return (x/2-2+ratio*(phi+2))*distuv.UnitNormal.CDF(-root/2) - density -
		phi*ratio*math.Exp(x*(1+1/phi)/(2*phi)+logNormalCDF(-(0.5+1/phi)*root))
}

// logNormalCDF is ln Φ(z), by the asymptotic series where Φ underflows.
func logNormalCDF(z float64) float64 {
	if z > -30 {
		return math.Log(distuv.UnitNormal.CDF(z))
	}
	return -z*z/2 - math.Log(-z) - math.Log(2*math.Pi)/2 + math.Log1p(-1/(z*z)+3/(z*z*z*z))
}

package simulate

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"
)

// digest turns a seed and a path of names into random bits. Every source of
// noise has its own path, so that drawing more from one, or adding a level or a
// version, leaves all the others as they were.
func digest(seed uint64, path ...string) [sha256.Size]byte {
	text := binary.LittleEndian.AppendUint64(nil, seed)
	for _, name := range path {
		text = binary.AppendUvarint(text, uint64(len(name)))
		text = append(text, name...)
	}
	return sha256.Sum256(text)
}

// stream returns the random numbers that belong to path.
func stream(seed uint64, path ...string) *rand.Rand {
	sum := digest(seed, path...)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// subseed returns a seed for the part of the simulation called path.
func subseed(seed uint64, path ...string) uint64 {
	sum := digest(seed, path...)
	return binary.LittleEndian.Uint64(sum[16:])
}

// logVariance is the variance of log x for a log-normal x whose coefficient of
// variation is cv.
func logVariance(cv float64) float64 { return math.Log1p(cv * cv) }

// logNormal draws a factor with mean 1 whose logarithm has the given variance.
// It draws nothing where there is no variance.
func logNormal(rng *rand.Rand, variance float64) float64 {
	if variance == 0 {
		return 1
	}
	// The conversion forbids a fused multiply-add, which rounds differently
	// from one architecture to the next.
	deviation := float64(math.Sqrt(variance) * rng.NormFloat64())
	return math.Exp(deviation - variance/2)
}

// scale multiplies a duration, to the nearest nanosecond.
func scale(d time.Duration, factor float64) time.Duration {
	if factor == 1 {
		return d
	}
	return time.Duration(math.Round(float64(d) * factor))
}

package curve

import (
	"math"
	"testing"
)

// wantNear fails if got is not within the relative tolerance of want (absolute
// where want is 0).
func wantNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	scale := math.Abs(want)
	if scale == 0 {
		scale = 1
	}
	if !(math.Abs(got-want) <= tolerance*scale) {
		t.Errorf("%s = %.15g, want %.15g", what, got, want)
	}
}

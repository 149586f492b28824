package compare

import (
	"math"
	"testing"
)

// wantNear fails if got is not within the relative tolerance of want (absolute
// below 1).
func wantNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g", what, got, want)
	}
}

package curve

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// knownText returns one file of the known answers, which lie beside the checkout
// or in it. They are required in CI; elsewhere a test without them is skipped.
func knownText(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, shared := range []string{filepath.Join(root, "..", "shared"), filepath.Join(root, "shared")} {
		text, err := os.ReadFile(filepath.Join(shared, "data", "known-answers", filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("known answers %s are missing: CI needs shared/data", name)
	}
	t.Skipf("known answers %s are missing: put shared/ beside the checkout to run this test", name)
	return ""
}

// known decodes a file of known answers.
func known(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(knownText(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

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

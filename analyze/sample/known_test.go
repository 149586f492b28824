package sample_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// known decodes one file of the known answers, which lie beside the checkout or
// in it. They are required in CI; elsewhere a test without them is skipped.
func known(t *testing.T, name string, into any) {
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
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("known answers %s are missing: CI needs shared/data", name)
	}
	t.Skipf("known answers %s are missing: put shared/ beside the checkout to run this test", name)
}

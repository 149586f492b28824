package schematest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the path of data that lies beside the checkout, in
// ../shared/data, because it is not ours to distribute: known answers of others,
// real logs. Where it is missing the test is skipped, and in CI (CI=true) it
// fails.
func Shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(moduleRoot(t), "..", "shared", "data", filepath.FromSlash(name))
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing beside the checkout: CI needs ../shared/data", name)
	}
	t.Skipf("%s is missing: put shared/ beside the checkout to run this test", name)
	return ""
}

// KnownText returns a file of the known answers.
func KnownText(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(Shared(t, "known-answers/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Known decodes a file of the known answers.
func Known(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(KnownText(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// moduleRoot is the folder of go.mod, from the folder of the package under test.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

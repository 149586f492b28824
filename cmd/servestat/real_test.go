package main

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/schemas/schematest"
)

// differs names the real results whose own summary we do not reproduce, and
// why. Everything else must agree to 1e-6, the file's rounding apart.
var differs = map[string]string{
	"LambdaLabsML/prompt_10/1xA100-80GB-SXM/Meta-Llama-3-8B-Instruct_tp1_len2048.json": "before v0.7.0 the tool's clock ran on",
}

// Every real result that we know is taken in, and where it carries per-token
// times, its own mean, median, standard deviation, percentiles and throughputs
// come out of them again.
func TestRealResultsReproduceTheirOwnSummaries(t *testing.T) {
	root := schematest.Shared(t, "real/vllm")
	files, compared := 0, 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".json" {
			return err
		}
		files++
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		t.Run(name, func(t *testing.T) { compared += checkAgreement(t, p, differs[filepath.ToSlash(name)]) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 26 || compared < 190 {
		t.Errorf("%d files gave %d numbers to compare: where are the others?", files, compared)
	}
}

func checkAgreement(t *testing.T, path, excuse string) (compared int) {
	db := ingestAll(t, path)
	data, err := analyze.Load(t.Context(), db, "")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := analyze.Agree(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	excused := false
	for _, a := range rows {
		compared += a.Compared
		switch {
		case a.Equal == a.Compared:
		case excuse != "" && strings.Contains(a.Why, excuse):
			excused = true
		default:
			t.Errorf("%s: off by %.3g: %s", a.Key, a.MaxDev, a.Why)
		}
	}
	if excuse != "" && !excused {
		t.Errorf("agrees after all: take it off the list")
	}
	return compared
}

package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// maxCompanion is how large a file beside a result may be to be read for it.
const maxCompanion = 64 << 20

// companions lists the files beside an upload that may know more about its runs.
func (f format) companionsOf(up Upload) []string {
	if up.Path == "" || f.complete == nil {
		return nil
	}
	var out []string
	for _, pattern := range f.companions {
		matches, err := filepath.Glob(filepath.Join(globLiteral(filepath.Dir(up.Path)), pattern))
		if err != nil {
			continue // a pattern is ours: it is well formed
		}
		for _, m := range matches {
			info, err := os.Stat(m)
			if err == nil && info.Mode().IsRegular() && info.Size() <= maxCompanion && m != up.Path && up.within.holds(m) && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// globLiteral makes a folder's name stand for itself in a pattern.
func globLiteral(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// completed fills in what companions know about a run. One that cannot be read is
// noted with the run, and costs it nothing.
func (f format) completed(run *schemas.Run, companions []string) {
	for _, path := range companions {
		file, err := os.Open(path)
		if err == nil {
			err = f.complete(run, filepath.Base(path), file)
			file.Close()
		}
		if err != nil {
			run.Notes = append(run.Notes, fmt.Sprintf("%s, which lies beside it, was not used: %v", filepath.Base(path), err))
		}
	}
}

// digestOf identifies what companions say, so that a change in one makes another
// upload of the same result.
func digestOf(companions []string) string {
	h := sha256.New()
	for _, path := range companions {
		fmt.Fprintf(h, "%q\n", filepath.Base(path))
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		_, _ = io.Copy(h, file) // what cannot be read has no part in it
		file.Close()
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// partOf says which upload a file met in a folder belongs to, where it is one
// tool's second account of the same run.
func partOf(path string) (upload string, ok bool) {
	dir, name := filepath.Split(path)
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case name == "profile_export_aiperf.json" && exists("profile_export.jsonl"):
		return "profile_export.jsonl", true
	case name == "profile_export_raw.jsonl" && exists("profile_export.jsonl"):
		return "profile_export.jsonl", true
	case name == "profile_export_aiperf.json" && exists("../../phase_manifest.json"):
		return "../../profile_export.jsonl", true
	}
	return "", false
}

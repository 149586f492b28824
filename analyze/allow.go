package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
)

// Allowances are the checks and factors that a user accepts by name (--allow):
// a comparison goes on in spite of them, and says so.
type allowances []string

func (a allowances) has(key string) bool { return slices.Contains(a, key) }

// checkKey is a check's name on the command line: T1, one-token-outputs.
func checkKey(check string) string {
	first, _, _ := strings.Cut(check, " ")
	if len(first) > 1 && first[0] == 'T' && first[1] >= '0' && first[1] <= '9' {
		return first
	}
	return strings.ReplaceAll(check, " ", "-")
}

// AllowKeys lists what --allow takes: every check, every factor that must agree,
// and engine_args.NAME.
func AllowKeys() []string {
	var out []string
	for _, d := range audit.Catalogue() {
		out = append(out, checkKey(d.Check))
	}
	for _, f := range factors {
		out = append(out, f.key)
	}
	return append(out, "input_length", "output_length", "clocks", "engine_args.NAME", "env.NAME", sameRuns, olderCandidate, missingGroup, incomplete, brokenOutput)
}

// CheckAllow says what is wrong with a name given to --allow.
func CheckAllow(key string) error {
	if strings.HasPrefix(key, "engine_args.") || strings.HasPrefix(key, "env.") || slices.Contains(AllowKeys(), key) {
		return nil
	}
	return fmt.Errorf("no check or factor %q; there are %s", key, strings.Join(AllowKeys(), ", "))
}

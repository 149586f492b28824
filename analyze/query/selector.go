package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// Selector turns column=value, several joined by commas, into a SQL condition
// over runs. A key that is no column names a label. Values are compared as text.
func Selector(s string) (string, error) {
	var terms []string
	for _, term := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(term, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			return "", fmt.Errorf("selector %q: want column=value, e.g. runtime_version=0.20.0; several are joined by commas", s)
		}
		if isColumn(key) {
			terms = append(terms, fmt.Sprintf("CAST(%s AS VARCHAR) = %s", key, quote(value)))
		} else {
			terms = append(terms, fmt.Sprintf("json_extract_string(labels, %s) = %s", quote(`$."`+strings.ReplaceAll(key, `"`, `\"`)+`"`), quote(value)))
		}
	}
	return strings.Join(terms, " AND "), nil
}

// Labels returns the keys of a selector that are no columns, and so name labels.
func Labels(selector string) []string {
	var keys []string
	for _, term := range strings.Split(selector, ",") {
		key, _, _ := strings.Cut(term, "=")
		if key = strings.TrimSpace(key); !isColumn(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func isColumn(name string) bool {
	return slices.ContainsFunc(schemas.RunsTable.Columns, func(c schemas.Column) bool { return c.Name == name })
}

// RunPrefix is the SQL condition for runs whose id begins with prefix.
func RunPrefix(prefix string) (string, error) {
	if len(prefix) < 4 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is no run id: want at least 4 of its hex digits", prefix)
	}
	return "starts_with(run_id, " + quote(prefix) + ")", nil
}

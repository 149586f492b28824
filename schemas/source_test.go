package schemas

import "testing"

// The dictionary says of every column where it comes from, and of no column that
// is not there.
func TestEveryColumnHasASource(t *testing.T) {
	for _, table := range Tables() {
		known := map[string]bool{"": true}
		for _, c := range table.Columns {
			known[c.Name] = true
			if table.Source(c.Name) == "" {
				t.Errorf("%s.%s has no source: add the table to sources", table.Name, c.Name)
			}
		}
		for name := range sources[table.Name] {
			if !known[name] {
				t.Errorf("%s.%s has a source and is no column", table.Name, name)
			}
		}
	}
}

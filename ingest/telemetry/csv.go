package telemetry

import (
	"strconv"
	"strings"
)

// splitCSV splits a line at its commas. Neither nvidia-smi nor those who save
// counters quote fields, but a name of a process may come in quotes.
func splitCSV(line string) []string {
	var fields []string
	for {
		line = strings.TrimLeft(line, " ")
		if rest, ok := strings.CutPrefix(line, `"`); ok {
			if text, behind, ok := strings.Cut(rest, `"`); ok && (strings.TrimLeft(behind, " ") == "" || strings.HasPrefix(strings.TrimLeft(behind, " "), ",")) {
				fields = append(fields, text)
				var more bool
				if _, line, more = strings.Cut(behind, ","); !more {
					return fields
				}
				continue
			}
		}
		field, rest, more := strings.Cut(line, ",")
		fields = append(fields, strings.TrimSpace(field))
		if !more {
			return fields
		}
		line = rest
	}
}

// columnName is what a column is called whose name is blank or not known.
func columnName(i int) string { return "column " + strconv.Itoa(i+1) }

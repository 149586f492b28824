package telemetry

import "strings"

// cutStamp cuts off a time in front of a line, which the source printed or those
// who saved it: one or two words, in brackets or not.
func cutStamp(line string) (moment, string) {
	if inner, ok := strings.CutPrefix(line, "["); ok {
		if text, rest, ok := strings.Cut(inner, "]"); ok {
			if m, ok := momentOf(text); ok {
				return m, strings.TrimLeft(rest, " :|")
			}
		}
		return moment{}, line
	}
	if line == "" || line[0] < '0' || line[0] > '9' {
		return moment{}, line
	}
	first, rest, _ := strings.Cut(line, " ")
	second, behind, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if m, ok := momentOf(first + " " + strings.TrimSuffix(second, ":")); ok {
		return m, strings.TrimLeft(behind, " |")
	}
	if m, ok := momentOf(strings.TrimSuffix(first, ":")); ok {
		return m, strings.TrimLeft(rest, " |")
	}
	return moment{}, line
}

package markdown

import (
	"bytes"
	"fmt"
	"strings"
)

// Cut shortens a page to at most max bytes, for places that take no more: a
// comment on a change, a job's summary. It cuts before a heading, so that what is
// left reads whole, and says at the end how many sections are missing; where not
// even the first section fits, between its blocks. A page that fits is returned as
// it is. An error says that max has no room for a heading and a sentence.
func Cut(page []byte, max int) ([]byte, error) {
	if len(page) <= max {
		return page, nil
	}
	places := cuts(page)
	for i := len(places) - 1; i >= 0; i-- {
		note := missingNote(places[i:])
		if places[i].at+len(note) <= max {
			return append(bytes.Clone(page[:places[i].at]), note...), nil
		}
	}
	return nil, fmt.Errorf("a page of %d bytes cannot be cut to %d: its first block alone is longer", len(page), max)
}

// A place is where a page may be cut.
type place struct {
	at      int
	section bool // a heading follows; else a block of the first section
}

// cuts lists where a page may be cut: before every heading but the first, and
// between the blocks before those, but not inside code or what is folded away.
// Anchors stay with their headings.
func cuts(page []byte) []place {
	var out []place
	at, anchor := 0, -1
	headings, fenced, folded := 0, false, 0
	afterBlank := false
	for _, line := range bytes.SplitAfter(page, []byte("\n")) {
		s := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(s, "```"):
			fenced = !fenced
		case fenced:
		case strings.HasPrefix(s, "<details>"):
			if folded == 0 && headings <= 1 && afterBlank {
				out = append(out, place{at, false})
			}
			folded++
		case strings.HasPrefix(s, "</details>"):
			folded--
		case folded > 0:
		case strings.HasPrefix(s, "<a id="):
			anchor = at
		case strings.HasPrefix(s, "#"):
			headings++
			from := at
			if anchor >= 0 {
				from = anchor
			}
			if headings > 1 {
				out = append(out, place{from, true})
			}
			anchor = -1
		case s != "" && afterBlank && headings == 1:
			out = append(out, place{at, false})
		}
		if s != "" && !strings.HasPrefix(s, "<a id=") {
			anchor = -1
		}
		afterBlank = s == ""
		at += len(line)
	}
	return out
}

// missingNote says what was cut off.
func missingNote(rest []place) string {
	sections := 0
	for _, p := range rest {
		if p.section {
			sections++
		}
	}
	if sections == 0 {
		return "\n---\n\n**Cut here**, to keep to a limit of size; the whole report has the rest.\n"
	}
	return fmt.Sprintf("\n---\n\n**Cut here**, to keep to a limit of size: %s missing; the whole report has the rest.\n", are(sections))
}

func are(n int) string {
	if n == 1 {
		return "1 section is"
	}
	return fmt.Sprintf("%d sections are", n)
}

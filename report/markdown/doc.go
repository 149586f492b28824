// Package markdown writes an analysis as a folder that reads on GitHub as it
// lies: README.md, its pictures, and the same result as report.json.
//
//	err := markdown.Write("reports/2026-W47", res)
//
// The page is made for somebody on call on a Monday morning. Its first screen
// says what regressed, by how much and how surely, and what could not be judged
// and what to do about that. Then come the comparisons, one section each, the
// curves, the truth checks, our numbers beside the tools' own, the data, the
// definitions, and the commands that ask the lake the same questions.
//
// Every kind of report is the same page; sections without content are left out.
// A big result is spread over further pages (comparisons-2.md, curves-2.md), the
// worst first, because GitHub does not render pages of a megabyte.
//
// Names and messages in a result come from uploads. They are escaped and cut:
// they can neither break a table nor put a link into the page. What a picture
// cannot show is said in its place, and the rest of the report is written.
//
// The same result gives the same bytes: there is no clock in here, and nothing
// depends on the order of a map. Each file is written under a temporary name and
// renamed, README.md last, so that an interrupted report has no half of a file
// and no page that refers to files that are not there.
package markdown

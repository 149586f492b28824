// Package html puts a report into one file that can be mailed: its Markdown as a
// page that reads on a phone and on a desk, light or dark as the reader's system
// is, with its pictures inside.
//
//	err := html.WriteFile(ctx, "report") // reads report/README.md, writes report/report.html
//
// The pages that README.md continues on (comparisons-2.md, curves-2.md) follow it
// in the same file, and links between them become links within it. Links to what
// is not in the file, report.json for one, become text. Links to the web stay.
//
// There is no script in the file and nothing that a reader's browser would fetch.
// Raw HTML in the Markdown is shown as text, except for the few marks that our own
// pages use: anchors, line breaks and folded sections. Names from uploads can
// therefore not become markup, even if escaping them were forgotten.
//
// The same folder gives the same bytes.
package html

package html

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/servestat/servestat/report/escape"
)

const (
	// File is the name of the page in a report's folder.
	File  = "report.html"
	first = "README.md"
)

// mostBytes is how large a page or picture of a report may be; ours are far below.
const mostBytes = 64 << 20

// WriteFile renders the report in a folder and writes it beside its README.md,
// whole or not at all.
func WriteFile(ctx context.Context, dir string) error {
	page, err := Render(ctx, dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, File)
	f, err := os.CreateTemp(dir, ".tmp-*-"+File)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing, once it is renamed
	if _, err = f.Write(page); err == nil {
		err = f.Chmod(0o644) // CreateTemp makes it private
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// Render returns the report in a folder as one page. What its Markdown refers to
// and is not there is an error that names it.
func Render(ctx context.Context, dir string) ([]byte, error) {
	files, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	return render(ctx, files.FS())
}

// A document is a page of the report, parsed.
type document struct {
	name   string // README.md
	source []byte
	root   ast.Node
}

func render(ctx context.Context, files fs.FS) ([]byte, error) {
	docs, err := parseAll(ctx, files)
	if err != nil {
		return nil, err
	}
	anchors := map[string]string{} // of a page in the file, by its name
	for _, d := range docs {
		anchors[d.name] = anchorOf(d.name)
	}
	var body bytes.Buffer
	for _, d := range docs {
		r := pageRenderer{ctx: ctx, files: files, source: d.source, anchors: anchors}
		fmt.Fprintf(&body, "<article id=\"%s\">\n", anchors[d.name])
		if err := r.engine().Render(&body, d.source, d.root); err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		body.WriteString("</article>\n")
	}
	var page bytes.Buffer
	err = layout.Execute(&page, map[string]any{"Title": title(docs[0]), "Style": template.CSS(style), "Body": template.HTML(body.String())})
	return page.Bytes(), err
}

// parseAll reads README.md and the pages that it leads to, in the order of their
// links.
func parseAll(ctx context.Context, files fs.FS) ([]document, error) {
	var docs []document
	known := map[string]bool{first: true}
	for queue := []string{first}; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		source, err := read(files, queue[0])
		if err != nil {
			return nil, err
		}
		d := document{queue[0], source, parser().Parser().Parse(text.NewReader(source))}
		keepPercents(d.root, source)
		docs = append(docs, d)
		for _, name := range d.pages() {
			if !known[name] {
				known[name] = true
				queue = append(queue, name)
			}
		}
	}
	return docs, nil
}

// keepPercents keeps each number of a table and its % on one line: columns are narrow,
// and "+7.6" over "% [+6.0, +9.4]" is hard to read.
func keepPercents(root ast.Node, source []byte) {
	var texts []*ast.Text
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering && n.Parent().Kind() == east.KindTableCell {
			texts = append(texts, t)
		}
		return ast.WalkContinue, nil
	})
	for _, t := range texts {
		for at := bytes.Index(t.Segment.Value(source), percent); at >= 0; at = bytes.Index(t.Segment.Value(source), percent) {
			space := t.Segment.Start + at
			before := ast.NewTextSegment(text.NewSegment(t.Segment.Start, space))
			t.Parent().InsertBefore(t.Parent(), t, before)
			t.Parent().InsertBefore(t.Parent(), t, ast.NewString([]byte("\u00a0")))
			t.Segment = t.Segment.WithStart(space + 1)
		}
	}
}

// percent is what follows a number.
var percent = []byte(" %")

func parser() goldmark.Markdown { return goldmark.New(goldmark.WithExtensions(extension.GFM)) }

// read reads a file of the report, if it is one that a report may hold.
func read(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > mostBytes {
		return nil, fmt.Errorf("%s: no file of at most %d MiB", name, mostBytes>>20)
	}
	return fs.ReadFile(files, name)
}

// pageName matches the names of pages beside README.md.
var pageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\.md$`)

// pages lists the pages in the same folder that a document links to.
func (d document) pages() []string {
	var out []string
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			if name, _, _ := strings.Cut(string(l.Destination), "#"); pageName.MatchString(name) {
				out = append(out, name)
			}
		}
		return ast.WalkContinue, nil
	})
	return out
}

// anchorOf is what a link to a page of the report points to in the file.
func anchorOf(page string) string {
	return "page-" + strings.ToLower(strings.NewReplacer(".md", "", ".", "-", "_", "-").Replace(page))
}

// title is the first heading of a page, as plain text.
func title(d document) string {
	name := "Report"
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		h, ok := n.(*ast.Heading)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		name = plain(h, d.source)
		return ast.WalkStop, nil
	})
	return escape.Line(name)
}

// plain is the text of a node, without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch t := n.(type) {
		case *ast.Text:
			b.Write(unescaped(t.Segment.Value(source)))
			if t.SoftLineBreak() || t.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(t.Value)
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

//go:embed style.css
var style string

// layout is the page around the report. Its policy lets a browser load nothing
// from anywhere and run nothing, whatever the report says.
var layout = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
<style>
{{.Style}}</style>
</head>
<body>
<main>
{{.Body}}</main>
</body>
</html>
`))

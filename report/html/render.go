package html

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"image/png"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// A pageRenderer turns the nodes of a page into HTML where goldmark's own way does
// not do: pictures, links, raw HTML and tables.
type pageRenderer struct {
	ctx     context.Context
	files   fs.FS
	source  []byte
	anchors map[string]string
}

// engine is goldmark with these ways before its own.
func (r *pageRenderer) engine() renderer.Renderer {
	return goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(r, 1))),
	).Renderer()
}

// RegisterFuncs implements goldmark's renderer.NodeRenderer.
func (r *pageRenderer) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindImage, r.image)
	reg.Register(ast.KindLink, r.link)
	reg.Register(ast.KindAutoLink, r.autoLink)
	reg.Register(ast.KindRawHTML, r.rawInline)
	reg.Register(ast.KindHTMLBlock, r.rawBlock)
	reg.Register(east.KindTable, r.table)
}

// image puts a picture of the report's folder into the page.
func (r *pageRenderer) image(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	if err := r.ctx.Err(); err != nil {
		return ast.WalkStop, err
	}
	name, alt := string(n.(*ast.Image).Destination), html.EscapeString(plain(n, source))
	if !isLocal(name) || !strings.HasSuffix(name, ".png") {
		fmt.Fprintf(w, `<em>%s (a picture that is not in the report)</em>`, alt)
		return ast.WalkSkipChildren, nil
	}
	data, err := read(r.files, name)
	if err != nil {
		return ast.WalkStop, err
	}
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return ast.WalkStop, fmt.Errorf("%s: %w", name, err)
	}
	// Pictures have two pixels a point.
	fmt.Fprintf(w, `<span class="picture" tabindex="0"><img alt="%s" width="%d" height="%d" src="data:image/png;base64,%s"></span>`,
		alt, config.Width/2, config.Height/2, base64.StdEncoding.EncodeToString(data))
	return ast.WalkSkipChildren, nil
}

// isLocal reports whether a link leads to a file of the same folder.
func isLocal(link string) bool {
	return fs.ValidPath(link) && !strings.ContainsAny(link, "/:\\?#")
}

// link keeps links to the web, turns those between pages of the report into links
// within the file, and those to files that are not in it into text.
func (r *pageRenderer) link(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	to, ok := r.target(string(n.(*ast.Link).Destination))
	switch {
	case !ok:
	case entering:
		fmt.Fprintf(w, `<a href="%s">`, html.EscapeString(to))
	default:
		_, _ = w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// target is where a link leads from within the file.
func (r *pageRenderer) target(link string) (string, bool) {
	page, fragment, _ := strings.Cut(link, "#")
	switch {
	case page == "" && fragment != "":
		return "#" + fragment, true
	case r.anchors[page] != "" && fragment != "":
		return "#" + fragment, true // anchors are named once over all pages of a report
	case r.anchors[page] != "":
		return "#" + r.anchors[page], true
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", false
	}
	return link, true
}

// autoLink writes what looks like a link as text: nobody meant it as one.
func (r *pageRenderer) autoLink(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.Write(util.EscapeHTML(n.(*ast.AutoLink).Label(source)))
	}
	return ast.WalkContinue, nil
}

// ours are the marks that pages of a report use, each alone.
var ours = regexp.MustCompile(`^(<a id="[a-z0-9-]{1,80}">|</a>|<br>|</?details>|</?summary>)$`)

// mark matches one mark of HTML.
var mark = regexp.MustCompile(`<[^<>]*>`)

// harmless returns raw HTML with all but our own marks as text.
func harmless(raw []byte) []byte {
	var out []byte
	last := 0
	for _, at := range mark.FindAllIndex(raw, -1) {
		out = append(out, util.EscapeHTML(raw[last:at[0]])...)
		if tag := raw[at[0]:at[1]]; ours.Match(tag) {
			out = append(out, tag...)
		} else {
			out = append(out, util.EscapeHTML(tag)...)
		}
		last = at[1]
	}
	return append(out, util.EscapeHTML(raw[last:])...)
}

func (r *pageRenderer) rawInline(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.Write(harmless(n.(*ast.RawHTML).Segments.Value(source)))
	}
	return ast.WalkSkipChildren, nil
}

func (r *pageRenderer) rawBlock(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	b := n.(*ast.HTMLBlock)
	if entering {
		_, _ = w.Write(harmless(b.Lines().Value(source)))
	} else if b.HasClosure() {
		_, _ = w.Write(harmless(b.ClosureLine.Value(source)))
	}
	return ast.WalkContinue, nil
}

// table lets a table that is wider than the page scroll by itself.
func (r *pageRenderer) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString("<div class=\"table\" tabindex=\"0\">\n<table>\n")
	} else {
		_, _ = w.WriteString("</table>\n</div>\n")
	}
	return ast.WalkContinue, nil
}

// unescaped is text without the backslashes and entities of Markdown.
func unescaped(s []byte) []byte {
	return util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(s)))
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// The rules of the terminal: stdout is data, stderr is talk. Every line of talk
// begins with the program's name, has no capital and no full stop. Nothing is
// printed on stderr when all went well and nothing needs saying, except what a
// person waiting for a long command wants to see.

// A terminal talks to the person.
type terminal struct {
	w                        io.Writer
	quiet, verbose, progress bool
}

func (t *terminal) line(kind, format string, args ...any) {
	fmt.Fprintf(t.w, "servestat: %s%s\n", kind, printable(fmt.Sprintf(format, args...)))
}

func (t *terminal) errorf(format string, args ...any) { t.line("error: ", format, args...) }
func (t *terminal) hintf(format string, args ...any)  { t.line("hint: ", format, args...) }

func (t *terminal) warnf(format string, args ...any) {
	if !t.quiet {
		t.line("warning: ", format, args...)
	}
}

func (t *terminal) infof(format string, args ...any) {
	if !t.quiet {
		t.line("", format, args...)
	}
}

func (t *terminal) detailf(format string, args ...any) {
	if t.verbose {
		t.line("", format, args...)
	}
}

// printable keeps text from uploads from commanding the terminal. Line breaks
// stay: DuckDB's messages point at the query on a line of their own.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// bar shows progress in bytes towards total, on a terminal only. Call the
// returned functions as bytes are done and at the end.
func (t *terminal) bar(what string, total int64) (add func(int64), done func()) {
	if !t.progress || total == 0 {
		return func(int64) {}, func() {}
	}
	b := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(t.w), progressbar.OptionSetDescription("servestat: "+what),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100e6), progressbar.OptionClearOnFinish())
	return func(n int64) { _ = b.Add64(n) }, func() { _ = b.Finish() }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns the number of columns of w, or 0 where it is no terminal.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// count says n things in words: "1 run", "2 runs".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// The rules of the terminal: stdout is data, stderr is talk. Every line of talk
// begins with the program's name, has no capital and no full stop. Nothing is
// printed on stderr when all went well and nothing needs saying, except what a
// person waiting for a long command wants to see.

// A terminal talks to the person.
type terminal struct {
	w               io.Writer
	quiet, verbose  bool
	progress, lines bool // say how far a command is, on a terminal or elsewhere

	mu sync.Mutex // a line at a time: how far a command is comes from where the work is done
}

func (t *terminal) line(kind, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
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

// lineEvery is how often a command that nobody watches says how far it is.
const lineEvery = 10 * time.Second

// A progress says how far a long command is, in bytes and in what it has found: by
// a bar on a terminal, elsewhere by a line now and then.
type progress struct {
	t     *terminal
	what  string
	total int64

	mu    sync.Mutex
	done  int64
	found string
	bar   *progressbar.ProgressBar // nil where there is none
	every time.Duration            // between lines; 0: none
	last  time.Time
}

// bar begins to show progress towards total bytes.
func (t *terminal) bar(what string, total int64) *progress {
	p := &progress{t: t, what: what, total: total, last: time.Now()}
	switch {
	case total == 0:
	case t.progress:
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(t.w), progressbar.OptionSetDescription("servestat: "+what),
			progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100e6), progressbar.OptionClearOnFinish())
	case t.lines:
		p.every = lineEvery
	}
	return p
}

// add says that so many more bytes are done.
func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if p.bar != nil {
		_ = p.bar.Add64(n)
	}
	if p.every > 0 && time.Since(p.last) >= p.every {
		p.last = time.Now()
		p.t.infof("%s: %d %%, %s of %s%s", p.what, 100*p.done/p.total, bytesText(uint64(p.done)), bytesText(uint64(p.total)), p.found)
	}
}

// say tells what was found so far: "2520 requests".
func (p *progress) say(found string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = ", " + found
	if p.bar != nil {
		p.bar.Describe("servestat: " + p.what + p.found)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func isTerminal(w any) bool {
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

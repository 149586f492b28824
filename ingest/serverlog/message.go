package serverlog

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxMessage bounds the bytes of an event's message, and of each of its facts.
const maxMessage = 4000

// A message collects the lines of an event. Of a long one it keeps the beginning
// and the end, for a traceback says what happened in its last line.
type message struct {
	head, tail []byte
	lines      int
	left       int // bytes left out between the two
	traceback  bool
	root       string // the first line that names an exception, of which the others came
	exception  string // the last
}

// headShare is how much of a long message is its beginning.
const headShare = 1200

func (m *message) add(text string) {
	if m.lines > 0 {
		m.write("\n")
	}
	m.lines++
	m.write(text)
	switch {
	case strings.Contains(text, traceback):
		m.traceback = true
	case m.traceback && isException(text):
		m.exception = shorten(text)
		m.root = cmp.Or(m.root, m.exception)
	}
}

// isException reports whether a line looks like the last of a traceback:
// ValueError: text, or torch.OutOfMemoryError: text.
func isException(text string) bool {
	name, _, _ := strings.Cut(text, ":")
	if name == "" || name[0] == ' ' || strings.ContainsAny(name, " ()") {
		return false
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	for _, end := range [...]string{"Error", "Exception", "Interrupt", "Exit", "Warning", "Timeout", "Failed", "Cancelled"} {
		if strings.HasSuffix(last, end) {
			return true
		}
	}
	return false
}

func (m *message) write(text string) {
	room := min(maxMessage-len(m.head), len(text))
	m.head = append(m.head, text[:room]...)
	m.tail = append(m.tail, text[room:]...)
	if keep := maxMessage; len(m.tail) > 2*keep {
		m.left += len(m.tail) - keep
		m.tail = append(m.tail[:0], m.tail[len(m.tail)-keep:]...)
	}
}

// String returns the message within its bounds.
func (m *message) String() string {
	all := string(m.head) + string(m.tail)
	if m.left == 0 {
		return strings.TrimRight(shorten(all), "\n ")
	}
	return join(all, len(all)+m.left)
}

// shorten keeps the beginning and the end of a long text.
func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return join(text, len(text))
}

// omission stands for what was left out of a message, in less than 40 bytes.
const (
	omission     = " … [%d bytes left out] … "
	omissionSize = 40
)

// join returns the beginning and the end of a text that had size bytes.
func join(text string, size int) string {
	head, tail := text[:headShare], text[len(text)-(maxMessage-headShare-omissionSize):]
	for !utf8.RuneStart(text[len(head)]) {
		head = head[:len(head)-1]
	}
	for tail != "" && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	return head + fmt.Sprintf(omission, size-len(head)-len(tail)) + strings.TrimRight(tail, "\n ")
}

// clean makes a line valid UTF-8 without NULs: a log may break off in the middle of
// a letter, and one that was truncated while it was written to begins with NULs.
func clean(text []byte) []byte {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	if bytes.IndexByte(text, 0) < 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte{0}, nil)
}

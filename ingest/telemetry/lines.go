package telemetry

import (
	"bufio"
	"bytes"
	"io"
)

// maxLine bounds the bytes of a line that are looked at.
const maxLine = 1 << 20

// headSize is how much of an upload tells its format.
const headSize = 64 << 10

// lines splits an upload at newlines.
type lines struct {
	r    *bufio.Reader
	at   int64 // offset of the next byte
	row  int64 // lines that were read
	text []byte
	cut  bool // the last line has no end
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(r, headSize)}
}

// next returns the next line without its end, its offset, and whether all of it
// was read. The line is valid until the next call.
func (l *lines) next() (text []byte, at int64, whole bool, err error) {
	at, whole = l.at, true
	l.text = l.text[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		l.at += int64(len(piece))
		if room := maxLine - len(l.text); len(piece) > room {
			piece, whole = piece[:room], false
		}
		l.text = append(l.text, piece...)
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil || err == io.EOF && len(l.text) > 0:
			l.row++
			l.cut = err != nil
			return bytes.TrimRight(l.text, "\r\n"), at, whole, nil
		default:
			return nil, l.at, whole, err
		}
	}
}

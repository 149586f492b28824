package jsonscan

import "io"

// space skips white space and returns the byte behind it, unread. It returns
// false at the end of the stream.
func (s *Scanner) space() (byte, bool) {
	if s.pos < s.end && s.buf[s.pos] > ' ' {
		return s.buf[s.pos], true
	}
	return s.spaceSlow()
}

func (s *Scanner) spaceSlow() (byte, bool) {
	s.flush() // white space is not captured
	for {
		for ; s.pos < s.end; s.pos++ {
			if c := s.buf[s.pos]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				s.remark()
				return c, true
			}
		}
		s.remark()
		if !s.fill() {
			return 0, false
		}
	}
}

// at returns the next byte, unread, and 0 at the end of the stream. A 0 in the
// text is never legal where at is used, so the two need not be told apart.
func (s *Scanner) at() byte {
	if s.pos == s.end && !s.fill() {
		return 0
	}
	return s.buf[s.pos]
}

// fill reads on, keeping what is unread. It reports whether there are now more
// bytes than before.
func (s *Scanner) fill() bool {
	s.flush()
	if s.chunks != nil {
		return s.fillFromChunks()
	}
	if s.pos > 0 {
		s.prev = s.buf[s.pos-1]
		n := copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.pos, s.end = 0, n
		s.remark()
	}
	const patience = 100 // empty reads in a row
	for range patience {
		if s.eof || s.end == len(s.buf) {
			return false
		}
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.readErr = err
			}
		}
		if n > 0 {
			return true
		}
	}
	s.eof, s.readErr = true, io.ErrNoProgress
	return false
}

// A Chunker is a reader that also lends what it reads: a Scanner looks at it where it
// lies, and copies only what is cut by the end of a chunk.
type Chunker interface {
	io.Reader
	// Chunk returns what comes next, which nobody may change, and keeps it until the
	// next call. With an error there is nothing.
	Chunk() ([]byte, error)
}

// A bridge is how a Scanner gets from one chunk to the next: buf is then its own
// memory, with the unread end of one and the beginning of the other.
type bridge struct {
	own  []byte
	to   []byte // the chunk whose beginning lies in own; nil where there is no bridge
	seam int    // where in own that is
}

// bridged is how much of a chunk goes into a bridge at least, which is more than what
// is looked at together.
const bridged = 4096

func (s *Scanner) fillFromChunks() bool {
	unread := s.end - s.pos
	for s.end-s.pos <= unread {
		if s.to == nil || s.end-s.seam == len(s.to) && s.pos < s.seam {
			if !s.nextChunk() {
				return false
			}
		} else if s.pos >= s.seam {
			s.cross()
		} else if !s.widen() {
			return false
		}
	}
	return true
}

// cross leaves the bridge behind.
func (s *Scanner) cross() {
	s.prev = s.own[s.seam-1]
	s.base += int64(s.seam)
	s.pos -= s.seam
	s.buf, s.end, s.to = s.to, len(s.to), nil
	s.remark()
}

// widen puts more of the next chunk into the bridge. It returns false where the
// bridge is full of what is unread.
func (s *Scanner) widen() bool {
	s.slide()
	more := s.to[s.end-s.seam:]
	n := copy(s.own[s.end:min(s.end+bridged, len(s.own))], more)
	s.end += n
	return n > 0
}

// slide moves what is unread to the front of the scanner's own memory.
func (s *Scanner) slide() {
	if s.pos > 0 {
		s.prev = s.buf[s.pos-1]
	}
	n := copy(s.own, s.buf[s.pos:s.end])
	s.base += int64(s.pos)
	s.seam -= s.pos
	s.buf, s.pos, s.end = s.own, 0, n
	s.remark()
}

// nextChunk goes on to the next chunk, over a bridge where there is something unread.
// It returns false at the end, and where there is more unread than memory for it.
func (s *Scanner) nextChunk() bool {
	if s.eof || s.end-s.pos >= len(s.own) {
		return false
	}
	s.slide()
	s.to = nil
	chunk, err := s.chunks.Chunk()
	if err != nil {
		s.eof = true
		if err != io.EOF {
			s.readErr = err
		}
		return false
	}
	if s.end == 0 {
		s.buf, s.end = chunk, len(chunk)
		return true
	}
	s.to, s.seam = chunk, s.end
	s.end += copy(s.own[s.end:min(s.end+bridged, len(s.own))], chunk)
	return true
}

// capture starts to keep the text from the next byte on, up to limit bytes.
func (s *Scanner) capture(limit int) {
	s.mark, s.limit, s.over = s.pos, limit, false
	s.scratch = s.scratch[:0]
}

// captured ends a capture and returns the text, which is valid until the next
// call of any method. It returns false where scanning failed or the text is
// longer than the limit.
func (s *Scanner) captured(scanned bool) ([]byte, bool) {
	if len(s.scratch) == 0 && !s.over && s.pos-s.mark <= s.limit {
		text := s.buf[s.mark:s.pos] // all of it still lies in the buffer
		s.mark = -1
		return text, scanned
	}
	s.flush()
	s.mark = -1
	return s.scratch, scanned && !s.over
}

// flush moves captured text out of the buffer.
func (s *Scanner) flush() {
	if s.mark < 0 {
		return
	}
	text := s.buf[s.mark:s.pos]
	s.mark = s.pos
	switch {
	case s.w != nil:
		s.w.Write(text)
	case s.over:
	case len(s.scratch)+len(text) > s.limit:
		s.over = true
	default:
		s.scratch = append(s.scratch, text...)
	}
}

// remark moves the mark of a flushed capture to the next byte.
func (s *Scanner) remark() {
	if s.mark >= 0 {
		s.mark = s.pos
	}
}

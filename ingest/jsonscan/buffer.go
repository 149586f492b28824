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

package serverlog

import (
	"iter"

	"github.com/servestat/servestat/schemas"
)

// A row is a line of a log with all that it says by itself: what stands before it
// does not matter. It is valid until the next one is read.
type row struct {
	text   []byte // without colours and broken letters
	at     int64
	number int64
	cut    bool // the rest was not read
	open   bool // it has no end
	err    error

	// Of a line of vLLM's logger:
	logged  bool
	line    line
	loud    bool     // a warning or worse
	chatter bool     // of no use
	figures periodic // kind is empty where it is no periodic line
	whole   string   // the message without secrets
	said    string   // and without how often Ray says that it came
	repeats string
	kind    string
	facts   map[string]string

	buffer []byte
}

// maxBuffer bounds what a row keeps for the next line, in bytes: a long one is rare.
const maxBuffer = 16 << 10

// read takes the next line of a log apart.
func (w *row) read(lines *lineReader) {
	if cap(w.buffer) > maxBuffer {
		w.buffer = nil
	}
	*w = row{buffer: w.buffer, figures: periodic{values: w.figures.values}, number: lines.row + 1}
	cut := lines.cut
	lines.line = w.buffer
	text, at, err := lines.next()
	w.buffer = lines.line
	w.at, w.err, w.cut, w.open = at, err, lines.cut > cut, lines.open
	if err != nil {
		return
	}
	w.text = clean(text)
	if w.line, w.logged = parseLine(w.text); w.logged {
		w.understand()
	}
}

// understand reads the message of a line of vLLM's logger.
func (w *row) understand() {
	message := w.line.message
	w.loud = w.line.level != "INFO" && w.line.level != "DEBUG"
	if w.chatter = !w.loud && isChatter(message); w.chatter {
		return
	}
	if !w.loud {
		if p, ok := parsePeriodic(message, w.figures.values); ok {
			w.figures = p
			return
		}
	}
	w.whole = redact(string(message))
	w.said, w.repeats = cutRepeats(w.whole)
	if w.loud && (w.said == "" || w.said[0] == ' ') {
		return // inside a traceback
	}
	w.kind, w.facts = state(w.said)
}

// All gives the records of the log as Scan does. Meanwhile another goroutine takes
// the lines behind them apart, some hundreds ahead at most; it has ended when the
// loop has.
func (r *Reader) All() iter.Seq[schemas.Record] {
	return func(yield func(schemas.Record) bool) {
		r.begin()
		a := newAhead(r.lines)
		defer a.stop()
		r.next = a.next
		for r.Scan() {
			if !yield(r.cur) {
				return
			}
		}
	}
}

// An ahead reads rows ahead.
type ahead struct {
	full, free chan []row
	quit       chan struct{}
	batch      []row
	at         int
}

// Rows are handed over in batches, of which there are so many.
const (
	batchRows  = 128
	batchBytes = 256 << 10
	batches    = 4
)

func newAhead(lines *lineReader) *ahead {
	a := &ahead{full: make(chan []row, batches), free: make(chan []row, batches), quit: make(chan struct{})}
	for range batches {
		a.free <- make([]row, 0, batchRows)
	}
	go a.read(lines)
	return a
}

// read fills batches up to the end of the log, or until nobody wants them.
func (a *ahead) read(lines *lineReader) {
	defer close(a.full)
	for {
		select {
		case <-a.quit:
			return
		case batch := <-a.free:
			batch, more := fill(batch, lines)
			a.full <- batch // holds all there are
			if !more {
				return
			}
		}
	}
}

// fill reads a batch, and returns false with the last.
func fill(batch []row, lines *lineReader) ([]row, bool) {
	size := 0
	for batch = batch[:0]; len(batch) < batchRows && size < batchBytes; {
		batch = batch[:len(batch)+1]
		w := &batch[len(batch)-1]
		w.read(lines)
		if w.err != nil {
			return batch, false
		}
		size += len(w.text)
	}
	return batch, true
}

// next returns the next row; the last one has an error.
func (a *ahead) next() *row {
	for a.at == len(a.batch) {
		if a.batch != nil {
			a.free <- a.batch
		}
		a.batch, a.at = <-a.full, 0
	}
	a.at++
	return &a.batch[a.at-1]
}

// stop ends the reading.
func (a *ahead) stop() {
	close(a.quit)
	for range a.full { // of what was read already
	}
}

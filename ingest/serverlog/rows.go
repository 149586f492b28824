package serverlog

import (
	"iter"
	"sync"

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
	w.take(lines)
	w.parse()
}

// take takes the next line of a log as it is.
func (w *row) take(lines *lineReader) {
	if cap(w.buffer) > maxBuffer {
		w.buffer = nil
	}
	*w = row{buffer: w.buffer, figures: periodic{values: w.figures.values}, number: lines.row + 1}
	cut := lines.cut
	lines.line = w.buffer
	text, at, err := lines.next()
	w.buffer = lines.line
	w.text, w.at, w.err, w.cut, w.open = text, at, err, lines.cut > cut, lines.open
}

// parse takes apart the line that was taken.
func (w *row) parse() {
	if w.err != nil {
		return
	}
	w.text = clean(w.text)
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

// All gives the records of the log as Scan does. Meanwhile other goroutines take
// the lines behind them apart, some hundreds ahead at most; they have ended when the
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

// An ahead reads rows ahead: one goroutine takes lines, others parse them, and they
// come out in the order of the log.
type ahead struct {
	free    chan *batch
	work    chan *batch // to be parsed
	ordered chan *batch // in the order of the log, parsed or not
	quit    chan struct{}
	ended   sync.WaitGroup
	batch   *batch
	at      int
}

// A batch is rows that are handed over together.
type batch struct {
	rows   []row
	parsed chan struct{} // has an element when all rows are parsed
}

// How large a batch is, how many there are and how many are parsed at once.
const (
	batchRows  = 128
	batchBytes = 256 << 10
	batches    = 6
	parsers    = 2
)

func newAhead(lines *lineReader) *ahead {
	a := &ahead{
		free: make(chan *batch, batches), work: make(chan *batch, batches), ordered: make(chan *batch, batches),
		quit: make(chan struct{}),
	}
	for range batches {
		a.free <- &batch{rows: make([]row, 0, batchRows), parsed: make(chan struct{}, 1)}
	}
	a.ended.Go(func() { a.read(lines) })
	for range parsers {
		a.ended.Go(a.parse)
	}
	return a
}

// read fills batches up to the end of the log, or until nobody wants them.
func (a *ahead) read(lines *lineReader) {
	defer close(a.ordered)
	defer close(a.work)
	for {
		select {
		case <-a.quit:
			return
		case b := <-a.free:
			more := b.fill(lines)
			a.work <- b // holds all there are, as the next does
			a.ordered <- b
			if !more {
				return
			}
		}
	}
}

// parse parses the batches that were read.
func (a *ahead) parse() {
	for b := range a.work {
		for i := range b.rows {
			b.rows[i].parse()
		}
		b.parsed <- struct{}{}
	}
}

// fill takes the lines of a batch, and returns false with the last.
func (b *batch) fill(lines *lineReader) bool {
	size := 0
	for b.rows = b.rows[:0]; len(b.rows) < batchRows && size < batchBytes; {
		b.rows = b.rows[:len(b.rows)+1]
		w := &b.rows[len(b.rows)-1]
		w.take(lines)
		if w.err != nil {
			return false
		}
		size += len(w.text)
	}
	return true
}

// next returns the next row; the last one has an error.
func (a *ahead) next() *row {
	for a.batch == nil || a.at == len(a.batch.rows) {
		if a.batch != nil {
			a.free <- a.batch
		}
		a.batch, a.at = <-a.ordered, 0
		<-a.batch.parsed
	}
	a.at++
	return &a.batch.rows[a.at-1]
}

// stop ends the reading.
func (a *ahead) stop() {
	close(a.quit)
	for range a.ordered { // of what was read already
	}
	a.ended.Wait()
}

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Where nobody watches a bar, a long command says how far it is by lines; when all
// is quick, it says nothing.
func TestProgressInLines(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{w: &out, lines: true}
	p := term.bar("ingest", 4<<20)
	p.add(1 << 20)
	if out.Len() > 0 {
		t.Errorf("said at once: %s", out.String())
	}
	p.say("7 requests")
	p.every = time.Nanosecond
	p.add(1 << 20)
	p.end()
	if got, want := out.String(), "servestat: ingest: 50 %, 2.0 MiB of 4.0 MiB, 7 requests\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	out.Reset()
	silent := (&terminal{w: &out}).bar("ingest", 10)
	silent.add(10)
	silent.end()
	if out.Len() > 0 {
		t.Errorf("said %q", out.String())
	}
}

// On a terminal the bar has bytes, what was found, and the time that is left.
func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := (&terminal{w: &out, progress: true}).bar("ingest", 4<<20)
	p.add(1 << 20)
	time.Sleep(150 * time.Millisecond) // the bar is drawn ten times a second
	p.say("7 requests")
	p.add(1 << 20)
	p.end()
	for _, want := range []string{"servestat: ingest, 7 requests", "25%", "MB/s", "[0s:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

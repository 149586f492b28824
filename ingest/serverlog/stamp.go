package serverlog

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// A clock gives the times of a log a year.
//
// vLLM prints none, but a log often holds one: a container runtime, journald or
// FlashInfer writes full dates into the same stream. Every stamp gets the year
// that puts it nearest to the last time known, so a log may run over New Year.
type clock struct {
	near time.Time // the last time known; zero where there is none
	// skew is how far vLLM's clock is ahead of the container runtime's, in whole
	// quarters of an hour: one prints UTC, the other local time.
	skew time.Duration
	met  bool // skew is known
	// The latest stamp and its time: lines come many a second.
	stamp string
	time  time.Time
}

// A front is the time that another program put in front of a line.
type front struct {
	time time.Time // in UTC, where the zone is known; else as it stands there
	zone bool
}

// instant returns the time in UTC, where the zone is known.
func (f front) instant() schemas.Opt[time.Time] { return schemas.Opt[time.Time]{V: f.time, OK: f.zone} }

// fullDate finds a time with a year, as Docker, Kubernetes, journald and Python's
// own logging write it.
var fullDate = regexp.MustCompile(`\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d)\b)?`)

// parseFront returns the first full date in text.
func parseFront(text []byte) (front, bool) {
	if !mayHoldDate(text) {
		return front{}, false
	}
	m := fullDate.FindSubmatch(text)
	if m == nil {
		return front{}, false
	}
	t, err := time.Parse(time.DateTime, string(m[1])+" "+string(m[2]))
	if err != nil {
		return front{}, false
	}
	if fraction := string(m[3]); fraction != "" {
		nanos, _ := strconv.Atoi(fraction + strings.Repeat("0", 9-len(fraction)))
		t = t.Add(time.Duration(nanos))
	}
	zone := string(m[4])
	if zone == "" {
		return front{time: t}, true
	}
	if zone != "Z" {
		digits := strings.ReplaceAll(zone[1:], ":", "")
		hours, _ := strconv.Atoi(digits[:2])
		minutes, _ := strconv.Atoi(digits[2:])
		east := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if zone[0] == '+' {
			east = -east
		}
		t = t.Add(east)
	}
	return front{t, true}, true
}

// mayHoldDate reports whether text has the form of a full date anywhere: most lines
// have none, and are spared the regular expression.
func mayHoldDate(text []byte) bool {
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], '-')
		if i < 0 {
			return false
		}
		from += i + 1
		if from > 4 && hasForm(text[from-5:], "0000-00-00") {
			return true
		}
	}
}

// resolve gives vLLM's stamp, MM-DD hh:mm:ss, its year.
func (c *clock) resolve(stamp []byte, f front, hasFront bool) schemas.Opt[time.Time] {
	if hasFront {
		c.near = f.time
	}
	if c.near.IsZero() {
		return schemas.Opt[time.Time]{}
	}
	if c.stamp == string(stamp) && c.time.Equal(c.near) {
		return schemas.Some(c.time)
	}
	t, ok := nearest(string(stamp), c.near)
	if !ok {
		return schemas.Opt[time.Time]{}
	}
	if hasFront {
		c.skew, c.met = t.Sub(f.time).Round(15*time.Minute), true
	}
	c.near, c.time, c.stamp = t, t, string(stamp)
	return schemas.Some(t)
}

// translate turns the time in front of a line that vLLM did not stamp into
// vLLM's own.
func (c *clock) translate(f front, ok bool) schemas.Opt[time.Time] {
	if !ok || !c.met {
		return schemas.Opt[time.Time]{}
	}
	return schemas.Some(f.time.Add(c.skew))
}

// nearest returns the stamp in the year that puts it nearest to near.
func nearest(stamp string, near time.Time) (best time.Time, ok bool) {
	if len(stamp) < len("01-02 15:04:05") {
		return best, false
	}
	figure := func(at int) int { return int(stamp[at]-'0')*10 + int(stamp[at+1]-'0') }
	month, day, hour, minute, second := figure(0), figure(3), figure(6), figure(9), figure(12)
	if hour > 23 || minute > 59 || second > 59 {
		return best, false
	}
	for year := near.Year() - 1; year <= near.Year()+1; year++ {
		t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
		if t.Month() != time.Month(month) || t.Day() != day { // 29 February of another year, or no date at all
			continue
		}
		if !ok || t.Sub(near).Abs() < best.Sub(near).Abs() {
			best, ok = t, true
		}
	}
	return best, ok
}

// sameTime bounds how far two clocks on one machine are apart.
const sameTime = 36 * time.Hour

// learn looks for a year at the beginning of a log: a full date of about the time
// of vLLM's first stamp. Another date may be part of a name or of a prompt.
func (c *clock) learn(head []byte) {
	stamp, ok := firstStamp(head)
	if !ok {
		return
	}
	for len(head) > 0 {
		at := fullDate.FindIndex(head)
		if at == nil {
			return
		}
		if f, ok := parseFront(head[at[0]:at[1]]); ok {
			if t, ok := nearest(stamp, f.time); ok && t.Sub(f.time).Abs() < sameTime {
				c.near = t
				return
			}
		}
		head = head[at[1]:]
	}
}

// firstStamp returns the first time in head that vLLM printed.
func firstStamp(head []byte) (string, bool) {
	for len(head) > 0 {
		text, rest := cutLine(head)
		if l, ok := parseLine(text); ok {
			return string(l.stamp), true
		}
		head = rest
	}
	return "", false
}

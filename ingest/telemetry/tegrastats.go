package telemetry

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// tegrastats reads what tegrastats of NVIDIA Jetson prints, one line a sample:
//
//	04-21-2026 15:50:52 RAM 105265/125772MB (lfb 34x4MB) CPU [8%@972,off] EMC_FREQ 0%@2750
//	  GR3D_FREQ @[314,314,314] VIC off APE 300 gpu@38.875C VDD_GPU 1962mW/1962mW VIN 19780mW/19780mW
//
// The time is local, and older builds print none. What is printed differs between
// boards and releases, so a line is read word by word:
//
//	KEY used/totalMB (lfb blocks x size) (cached size)
//	CPU [load@MHz,off,…]    cpu [load,load]@MHz
//	KEY load@MHz            KEY @[MHz,MHz,MHz], which says no load      KEY off
//	zone@temperature        zone@now/average
//	RAIL now/average/most   in mW, whether it says so or not
//
// Loads are shares of 1, MB are MiB. A load that is not printed is unknown, not
// zero. A temperature below zero says that the zone cannot be read. A rail may go
// below zero when it is idle, and is kept.
type tegrastats struct{}

// What a sample of tegrastats is of, where a key has several: label "stat".
const (
	statLoad      = "load"
	statFrequency = "frequency"
	statUsed      = "used"
	statTotal     = "total"
	statFree      = "largest_free_blocks"
	statCached    = "cached"
	statAverage   = "average"
	statMost      = "max"
)

// statLabels are the labels of the samples of each stat, which share them.
var statLabels = func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, stat := range []string{statLoad, statFrequency, statUsed, statTotal, statFree, statCached, statAverage, statMost} {
		all[stat] = map[string]string{"stat": stat}
	}
	return all
}()

var (
	tegraMemory = regexp.MustCompile(`^(\d+)/(\d+)([kMG])B(\(lfb)?$`)
	tegraBlocks = regexp.MustCompile(`^(?:(\d+)x)?(\d+)([kMG])B\)$`)
	tegraLoad   = regexp.MustCompile(`^(?:(\d+)%)?(?:@(\d+|\[[\d,]*\]))?$`)
	tegraCores  = regexp.MustCompile(`^\[([^\]]*)\](?:@(\d+))?$`)
	tegraZone   = regexp.MustCompile(`^([\w.-]+)@(-?[\d.]+)C(?:/(-?[\d.]+)C)?$`)
	tegraRail   = regexp.MustCompile(`^(-?\d+)(mW)?(?:/(-?\d+)(?:mW)?)?(?:/(-?\d+)(?:mW)?)?$`)
)

// A tegraLine is a line that is being read.
type tegraLine struct {
	r    *Reader
	when moment
	key  string // of the memory that what stands in parentheses belongs to
}

func (*tegrastats) line(r *Reader, text string) {
	when, rest := cutStamp(text)
	if !isTegrastats(rest) {
		r.reject("no line of tegrastats: %s", quoted(text))
		return
	}
	l := tegraLine{r: r, when: when}
	for words := strings.Fields(rest); len(words) > 0; {
		n := l.word(words)
		if n == 0 {
			r.reject("%s of tegrastats is not understood", quoted(strings.Join(words[:min(2, len(words))], " ")))
			n = 1
		}
		words = words[n:]
	}
}

// add hands on a sample. The first value of a key has no label.
func (l *tegraLine) add(name, device, stat, figure, unit string) {
	if name == "" {
		return
	}
	m := measures[unit]
	v, _ := m.value(figure)
	s := schemas.Sample{Time: l.when.time, Zone: l.when.zone, Source: "tegrastats", Name: name, Value: v, Unit: m.in()}
	if device != "" {
		s.Device = schemas.Some(device)
	}
	s.Labels = statLabels[stat]
	l.r.sample(s)
}

// word reads what the next words say and returns how many it took.
func (l *tegraLine) word(words []string) int {
	if m := zoneOf(words[0]); m != nil {
		l.zone(m[1], "", m[2])
		if m[3] != "" {
			l.zone(m[1], statAverage, m[3])
		}
		return 1
	}
	if len(words) < 2 {
		return 0
	}
	key, value := words[0], words[1]
	switch {
	case key == "(lfb" || key == "(cached":
		return l.inParentheses(key, value)
	case (key == "CPU" || key == "cpu") && value[0] == '[': // Xavier has a rail of that name
		return l.cores(key, value)
	case key == "MTS": // MTS fg 0% bg 0%
		return l.shares(words)
	case value == "off":
		l.add(key, "", statLoad, "", "%")
		return 2
	}
	if m := tegraMemory.FindStringSubmatch(value); m != nil {
		l.key = key
		l.add(key, "", statUsed, m[1], binary(m[3]))
		l.add(key, "", statTotal, m[2], binary(m[3]))
		if m[4] == "" {
			return 2
		}
		if len(words) > 2 {
			return 2 + l.inParentheses("(lfb", words[2])/2
		}
		return 2
	}
	if m := tegraLoad.FindStringSubmatch(value); m != nil && (strings.ContainsAny(value, "%@")) {
		l.add(key, "", statLoad, m[1], "%")
		l.frequencies(key, m[2])
		return 2
	}
	if m := tegraRail.FindStringSubmatch(value); m != nil {
		l.rail(key, m[1], m[2], m[3], m[4])
		return 2
	}
	return 0
}

// zoneOf cuts up zone@temperature; other words it returns nil for, soon.
func zoneOf(word string) []string {
	if !strings.HasSuffix(word, "C") || strings.IndexByte(word, '@') < 0 {
		return nil
	}
	return tegraZone.FindStringSubmatch(word)
}

// zone adds a temperature.
func (l *tegraLine) zone(name, stat, degrees string) {
	if strings.HasPrefix(degrees, "-") {
		degrees = ""
	}
	l.add(name, "", stat, degrees, "C")
}

// inParentheses adds what stands in parentheses behind a memory.
func (l *tegraLine) inParentheses(key, value string) int {
	m := tegraBlocks.FindStringSubmatch(value)
	if m == nil {
		return 0
	}
	size := m[2]
	if blocks, err := strconv.Atoi(m[1]); err == nil {
		each, err := strconv.Atoi(size)
		if err != nil {
			return 0
		}
		size = strconv.Itoa(blocks * each)
	}
	stat := statFree
	if key == "(cached" {
		stat = statCached
	}
	l.add(l.key, "", stat, size, binary(m[3]))
	return 2
}

// binary returns the unit that tegrastats calls kB, MB or GB.
func binary(prefix string) string {
	return map[string]string{"k": "KiB", "M": "MiB", "G": "GiB"}[prefix]
}

// cores adds the load and the clock of each core; nothing is known of one that is
// off.
func (l *tegraLine) cores(key, value string) int {
	m := tegraCores.FindStringSubmatch(value)
	if m == nil {
		return 0
	}
	for i, core := range strings.Split(m[1], ",") {
		device := "cpu " + strconv.Itoa(i)
		load, clock, hasClock := strings.Cut(core, "%@")
		switch {
		case core == "off":
			l.add(key, device, statLoad, "", "%")
			l.add(key, device, statFrequency, "", "MHz")
		default:
			l.add(key, device, statLoad, strings.TrimSuffix(load, "%"), "%")
			if hasClock {
				l.add(key, device, statFrequency, clock, "MHz")
			}
		}
	}
	if m[2] != "" {
		l.add(key, "", statFrequency, m[2], "MHz")
	}
	return 2
}

// shares adds words that come in pairs: fg 0% bg 0%.
func (l *tegraLine) shares(words []string) int {
	n := 1
	for n+1 < len(words) && strings.HasSuffix(words[n+1], "%") {
		l.add(words[0]+" "+words[n], "", statLoad, strings.TrimSuffix(words[n+1], "%"), "%")
		n += 2
	}
	return n
}

// frequencies adds the clock of an engine, or of each of its parts.
func (l *tegraLine) frequencies(key, clocks string) {
	inner, several := strings.CutPrefix(clocks, "[")
	if !several {
		if clocks != "" {
			l.add(key, "", statFrequency, clocks, "MHz")
		}
		return
	}
	for i, clock := range strings.Split(strings.TrimSuffix(inner, "]"), ",") {
		l.add(key, "part "+strconv.Itoa(i), statFrequency, clock, "MHz")
	}
}

// rail adds the power of a rail, or the clock of an engine that prints nothing
// else: APE 300.
func (l *tegraLine) rail(key, now, unit, average, most string) {
	if unit == "" && average == "" {
		l.add(key, "", statFrequency, now, "MHz")
		return
	}
	l.add(key, "", "", now, "mW")
	if average != "" {
		l.add(key, "", statAverage, average, "mW")
	}
	if most != "" {
		l.add(key, "", statMost, most, "mW")
	}
}

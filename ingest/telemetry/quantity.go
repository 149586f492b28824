package telemetry

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// absent are the words, in small letters and without brackets, with which sources
// say that they have no value.
var absent = map[string]bool{
	"": true, "-": true, "--": true, "n/a": true, "na": true, "nan": true, "not supported": true, "notsupported": true, "unknown error": true,
	"err!": true, "err": true, "insufficient permissions": true, "gpu is lost": true, "unknown": true, "none": true, "off": true,
	"not found": true, "deprecated": true, "requested functionality has been deprecated": true, "not available": true,
}

// isAbsent reports whether a source says with text that it has no value.
func isAbsent(text string) bool {
	if text != "" && '0' <= text[0] && text[0] <= '9' {
		return false
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	return absent[text]
}

// A measure turns figures of a unit into base units.
type measure struct {
	unit   string
	power  string  // of ten, as Python writes it: e-3
	factor float64 // beside it; 0 is 1
}

// measures are the units that sources print.
var measures = map[string]measure{
	"%":   {unit: "1", power: "e-2"},
	"W":   {unit: "W"},
	"mW":  {unit: "W", power: "e-3"},
	"J":   {unit: "J"},
	"mJ":  {unit: "J", power: "e-3"},
	"C":   {unit: "C"},
	"Hz":  {unit: "Hz"},
	"KHz": {unit: "Hz", power: "e3"},
	"MHz": {unit: "Hz", power: "e6"},
	"s":   {unit: "s"},
	"ms":  {unit: "s", power: "e-3"},
	"us":  {unit: "s", power: "e-6"},
	"B":   {unit: "B"},
	"KiB": {unit: "B", factor: 1 << 10},
	"MiB": {unit: "B", factor: 1 << 20},
	"GiB": {unit: "B", factor: 1 << 30},
	"B/s": {unit: "B/s"},
	// nvidia-smi dmon: PCIe throughput in MB/s, violations in per cent or whether.
	"MB/s": {unit: "B/s", power: "e6"},
	"V":    {unit: "V"},
	"mV":   {unit: "V", power: "e-3"},
	"A":    {unit: "A"},
	"mA":   {unit: "A", power: "e-3"},
}

// value returns a figure in base units; ok is false where the text is no figure.
// A source that says that it has no value gives a missing one.
func (m measure) value(text string) (v schemas.Opt[float64], ok bool) {
	if isAbsent(text) {
		return v, true
	}
	if strings.ContainsAny(text, "xXpP_") { // what Go takes for a number beyond what sources print
		return v, false
	}
	if m.power != "" && strings.ContainsAny(text, "eE") {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return v, false
		}
		text = strconv.FormatFloat(n, 'f', -1, 64)
	}
	// Moving the point in the text keeps 68.9 % at 0.689; dividing does not.
	n, err := strconv.ParseFloat(text+m.power, 64)
	if err != nil {
		return v, false
	}
	if m.factor != 0 {
		n *= m.factor
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return v, true
	}
	if n < 0 && neverNegative[m.unit] {
		return v, false
	}
	return schemas.Some(n), true
}

// neverNegative are the units of shares, sizes, rates and clocks. Temperatures may be
// below zero, and so may power where a battery is charged.
var neverNegative = map[string]bool{"1": true, "B": true, "B/s": true, "Hz": true, "s": true}

// of returns a figure, that is no text, in base units; missing where it is none.
func (m measure) of(n float64) schemas.Opt[float64] {
	if m != (measure{unit: m.unit}) {
		v, _ := m.value(strconv.FormatFloat(n, 'f', -1, 64))
		return v
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return schemas.Opt[float64]{}
	}
	return schemas.Some(n)
}

// in returns the unit of what value returns.
func (m measure) in() schemas.Opt[string] {
	if m.unit == "" {
		return schemas.Opt[string]{}
	}
	return schemas.Some(m.unit)
}

// dateForms are the forms of dates that sources and those who save them print,
// with how they begin: 0 stands for a digit.
var dateForms = []struct {
	begin, form string
	zone        bool
}{
	{"0000/", "2006/01/02 15:04:05", false},   // nvidia-smi
	{"00-00-", "01-02-2006 15:04:05", false},  // tegrastats
	{"00000000 ", "20060102 15:04:05", false}, // nvidia-smi dmon -o DT
	{"0000-00-00 ", time.DateTime, false},
	{"0000-00-00T", "2006-01-02T15:04:05", false},
	{"0000-00-00T", time.RFC3339, true},
	{"0000-00-00 ", "2006-01-02 15:04:05Z07:00", true},
	{"0000-00-00 ", "2006-01-02 15:04:05 Z0700", true},
	{"0000-00-00T", "2006-01-02T15:04:05Z0700", true},
	{"", time.UnixDate, false}, // the name of a zone is no zone, but for UTC
	{"", "Mon Jan _2 03:04:05 PM MST 2006", false},
}

// hasForm reports whether text begins with the given form, in which 0 stands for
// any digit.
func hasForm(text, form string) bool {
	if len(text) < len(form) {
		return false
	}
	for i := range len(form) {
		if digit := '0' <= text[i] && text[i] <= '9'; form[i] == '0' && !digit || form[i] != '0' && text[i] != form[i] {
			return false
		}
	}
	return true
}

// parseTime reads a date in any of those forms, or seconds, milliseconds or
// nanoseconds since 1970. zone says that the time is an instant.
func parseTime(text string) (t time.Time, zone, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) < 10 || len(text) > 40 {
		return t, false, false
	}
	if t, ok := parseEpoch(text); ok {
		return t, true, true
	}
	for _, f := range dateForms {
		if isDigit := '0' <= text[0] && text[0] <= '9'; !hasForm(text, f.begin) || f.begin == "" && isDigit {
			continue
		}
		t, err := time.Parse(f.form, text)
		if err != nil || t.Year() < 1970 || t.Year() > 2200 {
			continue
		}
		if name, _ := t.Zone(); strings.Contains(f.form, "MST") && (name == "UTC" || name == "GMT") {
			return t.UTC(), true, true
		}
		if !f.zone {
			return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC), false, true
		}
		return t.UTC(), true, true
	}
	return t, false, false
}

// parseEpoch reads a time since 1970 without a detour over floating point, which
// would round it to some hundred nanoseconds. How many digits stand in front of
// the point says in which unit it is.
func parseEpoch(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	digits := map[int]int{10: 9, 13: 6, 16: 3, 19: 0} // that are missing to nanoseconds
	missing, ok := digits[len(whole)]
	if !ok || len(fraction) > 18 {
		return time.Time{}, false
	}
	for len(fraction) < missing {
		fraction += "0"
	}
	nanos, err := strconv.ParseUint(whole+fraction[:missing], 10, 63)
	if err != nil || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	return time.Unix(0, int64(nanos)).UTC(), true
}

// A moment is the time that samples share.
type moment struct {
	time schemas.Opt[time.Time]
	zone bool
}

func momentOf(text string) (moment, bool) {
	t, zone, ok := parseTime(text)
	if !ok {
		return moment{}, false
	}
	return moment{schemas.Some(t), zone}, true
}

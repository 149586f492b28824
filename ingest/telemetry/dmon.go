package telemetry

import (
	"slices"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// dmon reads the tables of dcgmi dmon and of nvidia-smi dmon, which repeat their
// header every so often:
//
//	#Entity   GPUTL             POWER             TMPTR        FBUSD
//	ID                          W                 C
//	GPU 0     75                185.300           68           28456
//
//	#Date       Time        gpu    pwr  gtemp     sm    mem
//	#YYYYMMDD   HH:MM:SS    Idx      W      C      %      %
//	 20260718   15:57:44      0    288     39     95     74
//
// dcgmi prints no time; a time that a collector put in front of each line is
// read. Units are known by the names of columns, for dcgmi prints few. Of columns
// that are not known, nvidia-smi's second row says them.
//
// nvidia-smi pmon prints a row for each process, with columns of the same names:
//
//	# gpu         pid   type     sm    mem     fb    command
//	# Idx           #    C/G      %      %     MB    name
//	    0       4711     C     92     52  73877    VLLM::EngineCor
//	    1          -     -      -      -      -    -
//
// What a process uses is not what its GPU does: samples are called pmon.sm. A row
// of a GPU without a process says nothing.
type dmon struct {
	source   string
	columns  []string
	units    []string // that the second row says, as many as there are columns; or none
	process  bool     // of pmon
	timeless bool     // rows have no time, and that was said
}

// dmonUnits are the units of columns by their names: of dcgmi in capitals, of
// nvidia-smi in small letters.
var dmonUnits = map[string]string{
	"GPUTL": "%", "MCUTL": "%", "ENCUTL": "%", "DECUTL": "%", "POWER": "W", "TOTEC": "mJ", "TMPTR": "C", "MMTMP": "C",
	"SMCLK": "MHz", "MMCLK": "MHz", "FBTTL": "MiB", "FBUSD": "MiB", "FBFRE": "MiB", "PCITX": "B/s", "PCIRX": "B/s", "NVLTX": "B/s", "NVLRX": "B/s",
	"GRACT": "ratio", "SMACT": "ratio", "SMOCC": "ratio", "TENSO": "ratio", "DRAMA": "ratio", "FP64A": "ratio", "FP32A": "ratio", "FP16A": "ratio",
	"pwr": "W", "gtemp": "C", "mtemp": "C", "sm": "%", "mem": "%", "enc": "%", "dec": "%", "jpg": "%", "ofa": "%",
	"mclk": "MHz", "pclk": "MHz", "fb": "MiB", "bar1": "MiB", "ccpm": "MiB", "rxpci": "MB/s", "txpci": "MB/s", "pviol": "%",
}

func (d *dmon) line(r *Reader, text string) {
	when, rest := cutStamp(text)
	if when.time.OK && d.source == "nvidia-smi" && len(d.columns) > 0 && d.columns[0] == "Date" {
		when, rest = moment{}, text // the time is a column
	}
	words := strings.Fields(rest)
	switch {
	case len(words) == 0:
	case isDmon(rest):
		d.header(words)
	case d.columns == nil:
		r.reject("a row in front of the header: %s", quoted(text))
	case words[0] == "ID":
		// dcgmi's row of units, which leaves columns out.
	case words[0][0] == '#':
		if words = trimMark(words); len(words) == len(d.columns) {
			d.units = words
		}
	default:
		d.row(r, when, words, text)
	}
}

// trimMark leaves out the # in front of the first word.
func trimMark(words []string) []string {
	words[0] = strings.TrimPrefix(words[0], "#")
	if words[0] == "" {
		return words[1:]
	}
	return words
}

// header takes in the names of columns. It may come with other columns than the
// last, where a file was appended to.
func (d *dmon) header(words []string) {
	words = trimMark(words)
	d.source = "nvidia-smi"
	if words[0] == "Entity" {
		d.source = "dcgm"
	}
	d.columns = words[:min(len(words), maxColumns)]
	d.units, d.process = nil, slices.Contains(d.columns, "pid")
}

// row hands on the values of a row.
func (d *dmon) row(r *Reader, when moment, words []string, text string) {
	device, words := d.device(words)
	columns := d.columns
	if d.source == "dcgm" {
		columns = columns[1:]
	}
	words = joinAbsent(words)
	if n := len(columns); d.process && columns[n-1] == "command" && len(words) > n {
		words = append(words[:n-1:n-1], strings.Join(words[n-1:], " "))
	}
	if len(words) != len(columns) {
		r.reject("%d values where the header has %d columns: %s", len(words), len(columns), quoted(text))
		return
	}
	date := ""
	for i, name := range columns {
		switch name {
		case "Date":
			date = words[i]
		case "Time":
			when, _ = momentOf(date + " " + words[i])
		case "gpu", "GPU":
			device = schemas.Some("gpu " + words[i])
		}
	}
	if !when.time.OK && !d.timeless {
		d.timeless = true
		r.push(&schemas.Reject{At: r.at, Reason: noTime, Hint: "nvidia-smi dmon -o DT prints date and time; of dcgmi, put a time in front of each line"})
	}
	labels, ok := d.labels(columns, words)
	if !ok {
		return
	}
	for i, name := range columns {
		if dmonWords[name] || d.process && pmonLabels[name] {
			continue
		}
		d.value(r, schemas.Sample{Time: when.time, Zone: when.zone, Source: d.source, Name: name, Device: device, Labels: labels}, i, words[i])
	}
}

// dmonWords are columns that say when and of which GPU a row is, and pmonLabels
// those that say of which process.
var (
	dmonWords  = map[string]bool{"Date": true, "Time": true, "gpu": true, "GPU": true}
	pmonLabels = map[string]bool{"pid": true, "type": true, "command": true}
)

// labels returns what tells the processes of pmon apart; false where there is none.
func (d *dmon) labels(columns, words []string) (map[string]string, bool) {
	if !d.process {
		return nil, true
	}
	labels := map[string]string{}
	for i, name := range columns {
		if pmonLabels[name] && !isAbsent(words[i]) {
			labels[name] = words[i]
		}
	}
	return labels, labels["pid"] != ""
}

// device cuts off what dcgmi measured: GPU 0, GPU-I 1 (an instance), Switch 0.
func (d *dmon) device(words []string) (schemas.Opt[string], []string) {
	if d.source != "dcgm" || len(words) < 2 {
		return schemas.Opt[string]{}, words
	}
	return schemas.Some(strings.ToLower(words[0]) + " " + words[1]), words[2:]
}

// joinAbsent joins the words of "Not Supported" and the like.
func joinAbsent(words []string) []string {
	var joined []string
	for i := 0; i < len(words); i++ {
		if i+1 < len(words) && !isAbsent(words[i]) && isAbsent(words[i]+" "+words[i+1]) {
			joined = append(joined, words[i]+" "+words[i+1])
			i++
			continue
		}
		joined = append(joined, words[i])
	}
	return joined
}

// value hands on a sample of column i, with its figure.
func (d *dmon) value(r *Reader, s schemas.Sample, i int, figure string) {
	unit := dmonUnits[s.Name]
	if unit == "" && d.units != nil {
		unit = strings.TrimPrefix(d.units[i], "GPM:")
	}
	m := measures[unit]
	if unit == "ratio" {
		m.unit = "1"
	}
	v, ok := m.value(figure)
	if !ok {
		r.reject("%s of %s is no figure", quoted(figure), s.Name)
		return
	}
	if d.process {
		s.Name = "pmon." + s.Name
	}
	s.Value, s.Unit = v, m.in()
	r.sample(s)
}

package telemetry

import (
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
// read. Units are known by the names of columns, for dcgmi prints few.
type dmon struct {
	source  string
	columns []string
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
	case words[0] == "ID" || words[0][0] == '#':
		// The row of units, which leaves columns out.
	default:
		d.row(r, when, words, text)
	}
}

// header takes in the names of columns. It may come with other columns than the
// last, where a file was appended to.
func (d *dmon) header(words []string) {
	words[0] = strings.TrimPrefix(words[0], "#")
	if words[0] == "" {
		words = words[1:]
	}
	d.source = "nvidia-smi"
	if words[0] == "Entity" {
		d.source = "dcgm"
	}
	d.columns = words[:min(len(words), maxColumns)]
}

// row hands on the values of a row.
func (d *dmon) row(r *Reader, when moment, words []string, text string) {
	device, words := d.device(words)
	columns := d.columns
	if d.source == "dcgm" {
		columns = columns[1:]
	}
	words = joinAbsent(words)
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
	for i, name := range columns {
		if name == "Date" || name == "Time" || name == "gpu" || name == "GPU" {
			continue
		}
		d.value(r, when, device, name, words[i])
	}
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

func (d *dmon) value(r *Reader, when moment, device schemas.Opt[string], name, figure string) {
	m := measures[dmonUnits[name]]
	if dmonUnits[name] == "ratio" {
		m.unit = "1"
	}
	v, ok := m.value(figure)
	if !ok {
		r.reject("%s of %s is no figure", quoted(figure), name)
		return
	}
	r.sample(schemas.Sample{Time: when.time, Zone: when.zone, Source: d.source, Name: name, Device: device, Value: v, Unit: m.in()})
}

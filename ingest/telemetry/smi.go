package telemetry

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// smi reads what nvidia-smi --query-gpu=… --format=csv prints, as it is or with
// the blanks behind the commas removed:
//
//	timestamp, index, power.draw [W], utilization.gpu [%], memory.used [MiB]
//	2026/05/07 22:09:29.437, 0, 591.49 W, 52 %, 50 MiB
//
// With nounits the units are in the header alone. The time is local. N GPUs give N
// rows at a time, in any order, which the columns index, uuid, pci.bus_id and serial
// tell apart. The header comes again where a file was appended to, and says
// clocks.current.sm of what was asked for as clocks.sm. With noheader nobody knows
// what a column is: it is called "column 2", as one is whose name is blank.
type smi struct {
	columns  []smiColumn
	devices  []int                        // columns that name a GPU, the best first
	labels   map[string]map[string]string // shared by the samples of a device
	unnamed  bool                         // there is no header, and that was said
	timeless bool                         // rows have no time, and that was said
}

// An smiColumn is a column of a query.
type smiColumn struct {
	name    string
	unit    string
	kind    columnKind
	figures bool // one was read
}

// A columnKind is what a column is for.
type columnKind int

const (
	columnValue columnKind = iota
	columnTime
	columnIndex // tells GPUs apart
	columnLabel // tells GPUs or processes apart
	columnText  // says something that is no value
)

// smiKinds are the columns that are no values.
var smiKinds = map[string]columnKind{
	"timestamp": columnTime, "index": columnIndex,
	"uuid": columnLabel, "gpu_uuid": columnLabel, "pci.bus_id": columnLabel, "gpu_bus_id": columnLabel, "name": columnLabel, "gpu_name": columnLabel,
	"serial": columnLabel, "gpu_serial": columnLabel, "pid": columnLabel, "process_name": columnLabel, "mig.mode.current": columnText,
	"driver_version": columnText, "vbios_version": columnText, "compute_mode": columnText, "display_mode": columnText, "display_active": columnText,
	"driver_model.current": columnText, "count": columnText, "gom.current": columnText, "compute_cap": columnText, "pci.device_id": columnText,
	"driver_model.pending": columnText, "gom.pending": columnText, "addressing_mode": columnText, "power.management": columnText, "gpu_recovery_action": columnText,
	"inforom.img": columnText, "inforom.image": columnText, "inforom.oem": columnText, "inforom.ecc": columnText, "inforom.pwr": columnText, "inforom.power": columnText,
	"fabric.state": columnText, "fabric.status": columnText, "fabric.cliqueId": columnText, "fabric.clusterUuid": columnText,
}

// smiDevices are the columns that name a GPU, the best first.
var smiDevices = []string{"index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial", "gpu_serial"}

// maxColumns bounds the columns of a query; there are some 200.
const maxColumns = 1024

func (s *smi) line(r *Reader, text string) {
	fields := splitCSV(text)
	if isName(fields[0][:min(1, len(fields[0]))]) && isSMIHeader(fields) {
		s.header(r, fields)
		return
	}
	if s.columns == nil {
		s.guess(r, fields)
	}
	if len(fields) != len(s.columns) {
		r.reject("%d fields where the header has %d columns: %s", len(fields), len(s.columns), quoted(text))
		return
	}
	s.row(r, fields)
}

// header takes in the names of columns: power.draw [W].
func (s *smi) header(r *Reader, fields []string) {
	if len(fields) > maxColumns {
		r.reject("%d columns are more than nvidia-smi has", len(fields))
		fields = fields[:maxColumns]
	}
	s.columns, s.unnamed, s.labels = nil, false, map[string]map[string]string{}
	for i, field := range fields {
		name, unit, _ := strings.Cut(field, " [")
		if name == "" {
			name = columnName(i)
		}
		c := smiColumn{name: name, unit: strings.TrimSuffix(unit, "]"), kind: smiKinds[name]}
		if c.unit == "" && strings.HasPrefix(name, "temperature.") {
			c.unit = "C"
		}
		s.columns = append(s.columns, c)
	}
	s.findDevices()
}

// findDevices notes which columns name a GPU.
func (s *smi) findDevices() {
	s.devices = nil
	for _, name := range smiDevices {
		if i := slices.IndexFunc(s.columns, func(c smiColumn) bool { return c.name == name }); i >= 0 {
			s.devices = append(s.devices, i)
		}
	}
}

// guess makes columns for rows without a header.
func (s *smi) guess(r *Reader, fields []string) {
	if !s.unnamed {
		s.unnamed = true
		r.push(&schemas.Reject{At: r.at, Reason: "there is no header, so columns have numbers and no names", Hint: "leave noheader out of --format"})
	}
	s.labels = map[string]map[string]string{}
	for i, field := range fields[:min(len(fields), maxColumns)] {
		c := smiColumn{name: columnName(i)}
		switch {
		case smiStamp.MatchString(field):
			c.kind = columnTime
		case strings.HasPrefix(field, "GPU-"):
			c = smiColumn{name: "uuid", kind: columnLabel}
		case strings.HasPrefix(field, "NVIDIA ") || strings.HasPrefix(field, "Tesla "):
			c = smiColumn{name: "name", kind: columnLabel}
		}
		s.columns = append(s.columns, c)
	}
	s.findDevices()
}

// row hands on the values of a row.
func (s *smi) row(r *Reader, fields []string) {
	var when moment
	var identity strings.Builder
	timed := false
	for i, c := range s.columns {
		switch c.kind {
		case columnTime:
			timed = true
			var ok bool
			if when, ok = momentOf(fields[i]); !ok && !isAbsent(fields[i]) {
				r.reject("%s is no time", quoted(fields[i]))
			}
		case columnLabel:
			identity.WriteString(fields[i])
			identity.WriteByte(0)
		}
	}
	if !timed && !s.timeless {
		s.timeless = true
		r.push(&schemas.Reject{At: r.at, Reason: noTime, Hint: "add timestamp to --query-gpu"})
	}
	device, labels := s.device(fields), s.labelsOf(identity.String(), fields)
	for i := range s.columns {
		c := &s.columns[i]
		if c.kind != columnValue {
			continue
		}
		v, m, ok := c.value(fields[i])
		if !ok {
			s.noFigure(r, c, fields[i])
			continue
		}
		c.figures = c.figures || v.OK
		r.sample(schemas.Sample{Time: when.time, Zone: when.zone, Source: "nvidia-smi", Name: c.name, Device: device, Labels: labels, Value: v, Unit: m.in()})
	}
}

// noTime says that samples cannot be joined with anything.
const noTime = "the rows have no time, so they are of no run"

// noFigure says that a field is none. A column of words, of which there are more
// with every driver, says so once.
func (s *smi) noFigure(r *Reader, c *smiColumn, field string) {
	if c.unit != "" || c.figures {
		r.reject("%s of %s is no figure", quoted(field), c.name)
		return
	}
	c.kind = columnText
	r.reject("%s of %s is no figure: the column is taken for one of words", quoted(field), c.name)
}

// device is the GPU of a row: its index, or else what it says of itself that no
// other GPU does. A name is not enough.
func (s *smi) device(fields []string) schemas.Opt[string] {
	for _, i := range s.devices {
		if !isAbsent(fields[i]) {
			return schemas.Some("gpu " + strings.TrimSpace(fields[i]))
		}
	}
	return schemas.Opt[string]{}
}

// labelsOf returns what tells the GPU or process of a row apart. Rows of one
// share it, for there may be millions.
func (s *smi) labelsOf(identity string, fields []string) map[string]string {
	if identity == "" {
		return nil
	}
	if labels, ok := s.labels[identity]; ok {
		return labels
	}
	if len(s.labels) >= maxLabelSets {
		clear(s.labels)
	}
	labels := map[string]string{}
	for i, c := range s.columns {
		if c.kind == columnLabel && !isAbsent(fields[i]) {
			labels[c.name] = fields[i]
		}
	}
	s.labels[identity] = labels
	return labels
}

// maxLabelSets bounds the sets of labels that are remembered.
const maxLabelSets = 4096

// smiWords are values that are words.
var smiWords = map[string]string{
	"Active": "1", "Not Active": "0", "Enabled": "1", "Disabled": "0", "Yes": "1", "No": "0",
}

// smiState is the name of a performance state: P0 is the fastest.
var smiState = regexp.MustCompile(`^P(\d+)$`)

// value reads a field, whose own unit counts more than that of the header.
func (c *smiColumn) value(field string) (v schemas.Opt[float64], m measure, ok bool) {
	figure, unit := field, c.unit
	if number, own, found := strings.Cut(field, " "); found && !isAbsent(field) && smiWords[field] == "" {
		figure, unit = number, own
	}
	m, known := measures[unit]
	if !known {
		m.unit = unit
	}
	if word, ok := smiWords[field]; ok {
		figure = word
	} else if state := smiState.FindStringSubmatch(field); state != nil {
		figure = state[1]
	} else if bits, isHex := strings.CutPrefix(field, "0x"); isHex {
		n, err := strconv.ParseUint(bits, 16, 64)
		return schemas.Some(float64(n)), m, err == nil
	}
	v, ok = m.value(figure)
	return v, m, ok
}

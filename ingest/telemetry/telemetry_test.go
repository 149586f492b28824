package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/schematest"
)

// cases are the files of testdata, all synthetic: what each is there for, and
// which format its beginning shows. The records that a file gives are in the
// .golden file beside it.
var cases = []struct{ file, format, story string }{
	{"tegrastats/thor.txt", FormatTegrastats, "Thor: a load of the GPU that is absent and not zero, a zone that is gone, one that cannot be read, a rail below zero"},
	{"tegrastats/older.txt", FormatTegrastats, "Orin, R39 with three values a rail, Nano without mW, TX1 with old names, TX2 without averages"},
	{"tegrastats/collected.txt", FormatTegrastats, "times of a collector, and words that mean nothing: the rest of the line goes on"},
	{"nvidia-smi/stripped.csv", FormatSMI, "as powertrace-sim saves it: no blanks, units in the header alone, CRLF, two GPUs, everything a GPU may not know"},
	{"nvidia-smi/units.csv", FormatSMI, "values with units, words and bits; then a second query was appended, some rows of which are broken"},
	{"nvidia-smi/noheader.csv", FormatSMI, "a Thor without a header and a time: memory is not known, and not zero"},
	{"nvidia-smi/noheader-time.csv", FormatSMI, "no header: a figure without a unit is of no known unit"},
	{"nvidia-smi/unnamed.csv", FormatSMI, "a header with blank names: their columns are called by their number, found by fuzzing"},
	{"nvidia-smi/processes.csv", FormatSMI, "memory by process, with a comma in a name"},
	{"nvidia-smi/native.csv", FormatSMI, "the names that nvidia-smi prints of clocks.sm and its like; GPUs told apart by uuid alone; words, and a column of them that nobody knew"},
	{"nvidia-smi/timeless.csv", FormatSMI, "a query without timestamp is of no run, which is said once"},
	{"nvidia-smi/pmon.txt", FormatDmon, "processes: their sm and fb are not those of the GPU; a GPU without one; a name of two words"},
	{"nvidia-smi/dmon-gpm.txt", FormatDmon, "columns that are not known, whose units the second row says; times without a date are none"},
	{"nvidia-smi/dmon.txt", FormatDmon, "a table with date and time, then one of other columns without"},
	{"dcgm/dmon.txt", FormatDmon, "no time but what a collector put in front; energy in mJ; an instance of a GPU; a row that is cut short"},
	{"dcgm/exporter.txt", FormatPrometheus, "W, mJ, MiB, per cent and MHz, none of which the text says"},
	{"prometheus/vllm-scrapes.txt", FormatPrometheus, "five scrapes with five ways to say when; a histogram; milliseconds of old; escapes in labels"},
	{"prometheus/no-time.txt", FormatPrometheus, "nobody said when, and half of the lines are broken"},
	{"powertrace/unnamed.csv", FormatPowertrace, "a counter with a blank name is called by its number, found by fuzzing"},
	{"powertrace/engine.csv", FormatPowertrace, "counters over time: the second row has no value, one that is none, and one that is no figure"},
	{"aiperf/v0.13.0/server_metrics_export.jsonl", FormatAIPerf, "every scrape of a run of AIPerf itself, the first from before it: counters without _total, a histogram"},
	{"aiperf/gpu_telemetry_export.jsonl", FormatAIPerf, "two GPUs under the names of schema 1.5, and of the one before; a value that is null; MJ, GB and us"},
	{"aiperf/broken.jsonl", FormatAIPerf, "a line cut short, two objects in one, a line of something else, a figure that is a word; metrics without a name, found by fuzzing"},
	{"hostile/smi.csv", FormatSMI, "NULs, no UTF-8, figures without bounds, a day that is none, a row cut short"},
	{"hostile/tegrastats.txt", FormatTegrastats, "brackets with nothing in them, and numbers that are too large"},
}

// read returns all records of an upload.
func read(t testing.TB, r io.Reader) []schemas.Record {
	t.Helper()
	reader := NewReader(r, "telemetry.txt")
	var all []schemas.Record
	for reader.Scan() {
		all = append(all, reader.Record())
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// shorthand writes records so that they can be checked against the upload.
func shorthand(all []schemas.Record) string {
	var b strings.Builder
	line := int64(0)
	for _, rec := range all {
		switch rec := rec.(type) {
		case *schemas.Sample:
			if rec.Line != line {
				line = rec.Line
				fmt.Fprintf(&b, "%d %s %s\n", line, rec.Source, clockOf(rec))
			}
			writeSample(&b, rec)
		case *schemas.Reject:
			if rec.At.Offset >= 0 {
				fmt.Fprintf(&b, "reject at byte %d: %s\n", rec.At.Offset, rec.Reason)
			} else {
				fmt.Fprintf(&b, "reject: %s\n", rec.Reason)
			}
		}
	}
	return b.String()
}

func clockOf(s *schemas.Sample) string {
	switch {
	case !s.Time.OK:
		return "-"
	case s.Zone:
		return s.Time.V.Format(time.RFC3339Nano)
	}
	return s.Time.V.Format("2006-01-02T15:04:05.999999999")
}

func writeSample(b *strings.Builder, s *schemas.Sample) {
	b.WriteString("  ")
	if s.Device.OK {
		b.WriteString(s.Device.V + " ")
	}
	b.WriteString(s.Name)
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		fmt.Fprintf(b, "{%s=%q}", name, s.Labels[name])
	}
	if s.Value.OK {
		fmt.Fprintf(b, " = %v %s\n", s.Value.V, s.Unit.V)
	} else {
		fmt.Fprintf(b, " missing %s\n", s.Unit.V)
	}
}

// TestGolden reads every file of testdata and compares its records with the
// golden text beside it.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			text := readFile(t, filepath.Join("testdata", c.file))
			all := read(t, bytes.NewReader(text))
			checkRecords(t, all)
			schematest.Golden(t, filepath.Join("testdata", c.file+".golden"), []byte("# "+c.story+"\n"+shorthand(all)))
			if again := read(t, iotest.OneByteReader(bytes.NewReader(text))); !reflect.DeepEqual(again, all) {
				t.Errorf("byte by byte: %s", shorthand(again))
			}
			if format, ok := Detect(text); format != c.format || !ok {
				t.Errorf("Detect = %q, %v, want %q", format, ok, c.format)
			}
		})
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCasesAreComplete: no file lies in testdata that no case tells of.
func TestCasesAreComplete(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(file string) bool {
		return strings.HasSuffix(file, ".golden") || strings.HasSuffix(file, ".parquet") || strings.HasPrefix(filepath.Base(file), ".") || filepath.Base(filepath.Dir(file)) == "fuzz"
	})
	if len(files) != len(cases) {
		t.Errorf("%d cases for %q", len(cases), files)
	}
}

// checkRecords checks what holds for the records of any upload.
func checkRecords(t *testing.T, all []schemas.Record) {
	t.Helper()
	at := int64(-1) // as in a table
	for _, rec := range all {
		pos := rec.Pos()
		if pos.Offset < at || pos.File != "telemetry.txt" || pos.Request != -1 {
			t.Fatalf("%v behind byte %d", pos, at)
		}
		at = pos.Offset
		switch rec := rec.(type) {
		case *schemas.Sample:
			if rec.Name == "" || rec.Source == "" || rec.Line < 1 || math.IsNaN(rec.Value.V) || math.IsInf(rec.Value.V, 0) || !rec.Value.OK && rec.Value.V != 0 {
				t.Fatalf("sample %+v", rec)
			}
		case *schemas.Reject:
			if rec.Reason == "" {
				t.Fatalf("reject %+v", rec)
			}
		}
	}
}

// TestTruncated: an upload that ends anywhere gives what the whole upload gives
// up to the line before.
func TestTruncated(t *testing.T) {
	for _, c := range cases {
		text := readFile(t, filepath.Join("testdata", c.file))
		whole := read(t, bytes.NewReader(text))
		for n := range len(text) {
			got := read(t, bytes.NewReader(text[:n]))
			checkRecords(t, got)
			if _, ok := Detect(text[:n]); !ok {
				continue
			}
			last := int64(bytes.LastIndexByte(text[:n], '\n') + 1)
			for i, rec := range got {
				if rec.Pos().Offset < last && (i >= len(whole) || !reflect.DeepEqual(rec, whole[i])) {
					t.Fatalf("%s cut at byte %d: record %d is %+v", c.file, n, i, rec)
				}
			}
		}
	}
}

// TestHostile reads what no source writes.
func TestHostile(t *testing.T) {
	tests := []struct {
		name, text string
		records    int
		first      string // of what the first record says
	}{
		{"nothing", "", 0, ""},
		{"blank lines", "\r\n\n\n", 1, "no telemetry that is known"},
		{"UTF-16", "\xff\xfeR\x00A\x00", 1, "UTF-16"},
		{"BOM", "\ufefftimestamp, power.draw [W]\n2026/05/07 22:09:29, 1 W\n", 1, "power.draw = 1 W"},
		{"JSON", `{"power.draw": 1}`, 1, "no telemetry that is known"},
		{"a line of 10 MB", "power.draw [W], fan.speed [%]\n" + strings.Repeat("1", 10<<20) + "\n", 1, "a line of more than 1048576 bytes: it is left out"},
		{"many columns", "power.draw" + strings.Repeat(",power.draw", 10_000) + "\n", 1, "are more than nvidia-smi has"},
		{"many cores", "RAM 1/2MB CPU [" + strings.Repeat("1%@1,", 100_000) + "1%@1]\n", maxSamples, "RAM"},
		{"deep braces", "# HELP x y\nvllm:x" + strings.Repeat("{", 100_000) + "} 1\n", 1, "malformed"},
		{"times of before", "timestamp,kv_cache_usage_perc\n-1784415163,1\n0,1\n99999999999999999999,1\n", 3, "is no time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := read(t, strings.NewReader(test.text))
			checkRecords(t, all)
			if len(all) != test.records || len(all) > 0 && !strings.Contains(shorthand(all[:1]), test.first) {
				t.Errorf("%d records, want %d: %.300s", len(all), test.records, shorthand(all[:min(3, len(all))]))
			}
		})
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("no such device")
	r := NewReader(io.MultiReader(strings.NewReader("RAM 1/2MB VIN 1mW\nRAM 1"), iotest.ErrReader(broken)), "telemetry.txt")
	n := 0
	for ; r.Scan(); n++ {
	}
	if n != 3 || !errors.Is(r.Err(), broken) {
		t.Errorf("%d records, error %v", n, r.Err())
	}
}

func TestParseTime(t *testing.T) {
	tests := []struct {
		text, want string
		zone       bool
	}{
		{"1784415163.7366116", "2026-07-18T22:52:43.7366116Z", true},
		{"1784415163", "2026-07-18T22:52:43Z", true},
		{"1784415163250", "2026-07-18T22:52:43.25Z", true},
		{"1784415163123456789", "2026-07-18T22:52:43.123456789Z", true},
		{"2026/07/18 15:57:44.628", "2026-07-18T15:57:44.628Z", false},
		{"07-18-2026 15:57:44", "2026-07-18T15:57:44Z", false},
		{"2026-07-18T15:57:44.5+02:00", "2026-07-18T13:57:44.5Z", true},
		{"2026-07-18 15:57:44,123", "2026-07-18T15:57:44.123Z", false},
		{"Sat Jul 18 15:57:44 UTC 2026", "2026-07-18T15:57:44Z", true},
		{"Sat Jul 18 15:57:44 CEST 2026", "2026-07-18T15:57:44Z", false},
		{"2026-02-30 00:00:00", "", false},
		{"12345678901", "", false},
		{"1784415163.5x", "", false},
		{"0000000000.-1", "", false},
	}
	for _, test := range tests {
		got, zone, ok := parseTime(test.text)
		if ok != (test.want != "") || ok && (got.Format(time.RFC3339Nano) != test.want || zone != test.zone) {
			t.Errorf("%s: %v, %v, %v", test.text, got, zone, ok)
		}
	}
}

// TestSetOffset: a manifest of powertrace-sim knows the zone of nvidia-smi.
func TestSetOffset(t *testing.T) {
	east, err := ReadOffset(strings.NewReader(`{"clock": {"local_utc_offset_s": -25200.0, "x": 1}}`))
	if err != nil || east != schemas.Some(-7*time.Hour) {
		t.Fatalf("%v, %v", east, err)
	}
	r := NewReader(bytes.NewReader(readFile(t, "testdata/nvidia-smi/stripped.csv")), "power.csv")
	r.SetOffset(east.V)
	if !r.Scan() || clockOf(r.Record().(*schemas.Sample)) != "2026-07-18T22:57:44.628Z" {
		t.Errorf("%+v", r.Record())
	}
	for _, text := range []string{"{}", `{"clock": {"local_utc_offset_s": 1e9}}`} {
		if east, err := ReadOffset(strings.NewReader(text)); err != nil || east.OK {
			t.Errorf("%s: %v, %v", text, east, err)
		}
	}
	if _, err := ReadOffset(strings.NewReader("{")); err == nil {
		t.Error("half a manifest is read")
	}
}

// TestDetectNothing: what belongs to others, or to nobody.
func TestDetectNothing(t *testing.T) {
	for _, text := range []string{
		"", "[1, 2]", `{"a": 1}`, "timestamp,a,b\n1,2,3", "memory,power\n1,2\n", "Metric,avg,min\nTTFT (ms),1,2\n",
		"INFO 01-02 03:04:05 [a.py:1] RAM 3/4 used", "RAM 5/MB", "# a page\n\nof text\n", "a = 1\n", "# HELP\n", "x{1} 2\n",
	} {
		if format, ok := Detect([]byte(text)); ok {
			t.Errorf("Detect(%q) = %q", text, format)
		}
	}
}

// TestMemory: what a reader holds does not grow with the upload.
func TestMemory(t *testing.T) {
	var text strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&text, "vllm:x{engine=\"0\",request=\"%d\"} 1\n", i)
	}
	reader := NewReader(strings.NewReader(text.String()), "telemetry.txt")
	var peak uint64
	for n := 0; reader.Scan(); n++ {
		if n%50_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	if grown := peak - min(peak, uint64(text.Cap())); grown > 8<<20 {
		t.Errorf("%d bytes beside the upload's own", grown)
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range cases {
		f.Add(readFile(f, filepath.Join("testdata", c.file)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all := read(t, bytes.NewReader(text))
		checkRecords(t, all)
		if again := read(t, iotest.HalfReader(bytes.NewReader(text))); !reflect.DeepEqual(again, all) {
			t.Errorf("whole %s\nin pieces %s", shorthand(all), shorthand(again))
		}
	})
}

// BenchmarkReader reads each file of testdata again and again.
func BenchmarkReader(b *testing.B) {
	for _, file := range []string{"tegrastats/thor.txt", "nvidia-smi/stripped.csv", "prometheus/vllm-scrapes.txt", "powertrace/engine.csv"} {
		text := bytes.Repeat(readFile(b, filepath.Join("testdata", file)), 500)
		b.Run(strings.ReplaceAll(file, "/", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(bytes.NewReader(text), "telemetry.txt")
				for r.Scan() {
				}
			}
		})
	}
}

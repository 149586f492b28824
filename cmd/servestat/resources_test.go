package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas/simulate"
)

// steadyMachine is a sweep on a machine whose power is known: 8 requests in flight
// all the time.
func steadyMachine(missing float64) (simulate.Sweep, float64) {
	s := simulate.DefaultSweep()
	s.Versions, s.Concurrency, s.Runs, s.RequestsPerUser = []string{"0.20.0"}, []int{8}, 1, 120
	s.RunCV, s.GapJitter = 0, 0
	s.Machine = &simulate.Machine{Idle: 4, Busy: 40, Slope: 10, Rest: 9, Board: 12, Memory: 20, Total: 122.8, ClockMHz: 1386, Missing: missing}
	return s, s.Machine.Watts(8)
}

type resources struct {
	Runs []struct {
		NoEnergy string `json:"no_energy"`
		Energy   *struct {
			Scope    string
			Rails    []string
			Watts    float64
			Idle     float64 `json:"idle_watts"`
			Coverage float64
			Tokens   float64                         `json:"output_tokens"`
			PerOut   struct{ Value, Lo, Hi float64 } `json:"joules_per_output_token"`
		}
		Clocks *struct {
			Stuck    bool
			Reason   string
			MedianHz float64 `json:"median_hz"`
		} `json:"gpu_clocks"`
		NoClocks string `json:"no_gpu_clocks"`
		Limits   []struct {
			Reason string
			Share  float64
		} `json:"gpu_clock_limits"`
	}
	ToolCalls []struct {
		PerValid struct{ Value float64 } `json:"joules_per_valid_call"`
	} `json:"tool_calls"`
}

func resourcesOf(t *testing.T, args ...string) (r resources, code int, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	code = run(context.Background(), append([]string{"resources", "--format", "json"}, args...), strings.NewReader(""), &out, &talk)
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
	}
	return r, code, talk.String()
}

func write(t *testing.T, s simulate.Sweep) string {
	t.Helper()
	dir := t.TempDir()
	if err := s.Write(context.Background(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Simulated power goes through tegrastats' lines, the lake and the clocks of three
// programs, of which two count whole seconds, and comes out within 0.5 %, however
// many samples were lost.
func TestEnergyOfKnownPower(t *testing.T) {
	for _, missing := range []float64{0, 0.1, 0.3} {
		s, watts := steadyMachine(missing)
		r, code, stderr := resourcesOf(t, write(t, s))
		if code != 0 || len(r.Runs) != 1 || r.Runs[0].Energy == nil {
			t.Fatalf("%.0f %% missing: exit code %d, %+v\n%s", 100*missing, code, r, stderr)
		}
		e := r.Runs[0].Energy
		// 960 requests of 128 tokens at what 8 streams give: 8 tokens a step.
		step := (s.ITLBase + 8*s.ITLSlope).Seconds()
		perRequest := s.TTFTBase.Seconds() + float64(s.OutputLen)*step
		perToken := watts * perRequest * 120 / (960 * 128)
		if off := math.Abs(e.PerOut.Value/perToken - 1); off > 0.005 {
			t.Errorf("%.0f %% missing: %.5f J a token, want %.5f: %.2f %% off", 100*missing, e.PerOut.Value, perToken, 100*off)
		}
		if e.PerOut.Lo > perToken || e.PerOut.Hi < perToken {
			t.Errorf("%.0f %% missing: [%.5f, %.5f] does not hold %.5f", 100*missing, e.PerOut.Lo, e.PerOut.Hi, perToken)
		}
		if fmt.Sprint(e.Rails) != "[VDD_GPU VDD_CPU_SOC_MSS]" || math.Abs(e.Idle-13) > 0.01 || e.Tokens != 960*128 {
			t.Errorf("%.0f %% missing: %+v", 100*missing, e)
		}
		if want := 1 - missing; missing == 0 && e.Coverage < 0.99 || e.Coverage < want-0.05 {
			t.Errorf("%.0f %% missing: coverage %.3f", 100*missing, e.Coverage)
		}
	}
}

// A machine's clock that is two hours off, and says no zone: nothing is guessed.
// With the zone said, the same files are joined.
func TestTwoHoursWithoutAZone(t *testing.T) {
	s, _ := steadyMachine(0)
	dir := write(t, s)
	folder := filepath.Join(dir, "0.20.0")
	edit(t, filepath.Join(folder, "servestat.yaml"), func(text string) string { return strings.Replace(text, "  utc_offset: \"+00:00\"\n", "", 1) })
	edit(t, filepath.Join(folder, "tegrastats.log"), func(text string) string {
		var out strings.Builder
		for line := range strings.Lines(text) {
			at, err := time.Parse("01-02-2006 15:04:05", line[:19])
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(at.Add(2*time.Hour).Format("01-02-2006 15:04:05") + line[19:])
		}
		return out.String()
	})
	r, code, stderr := resourcesOf(t, dir)
	if code != exitInvalid || r.Runs[0].Energy != nil {
		t.Fatalf("exit code %d, %+v\n%s", code, r, stderr)
	}
	for _, words := range []string{"say no zone", "-2h0m0s off", "not guessed", "utc_offset"} {
		if !strings.Contains(r.Runs[0].NoEnergy, words) {
			t.Errorf("%q does not say %q", r.Runs[0].NoEnergy, words)
		}
	}
	// An hour of idling around the run makes the two overlap. Power that does not
	// follow the load still tells that they must not be joined.
	edit(t, filepath.Join(folder, "tegrastats.log"), func(text string) string {
		first, _, _ := strings.Cut(text, "\n")
		begin, _ := time.Parse("01-02-2006 15:04:05", first[:19])
		idle := strings.NewReplacer("VDD_GPU 4000mW/4000mW", "VDD_GPU 4000mW/4000mW").Replace(first[19:])
		var out strings.Builder
		for at := begin.Add(-3 * time.Hour); at.Before(begin); at = at.Add(time.Second) {
			out.WriteString(at.Format("01-02-2006 15:04:05") + idle + "\n")
		}
		return out.String() + text
	})
	r, _, _ = resourcesOf(t, dir)
	if r.Runs[0].Energy != nil || !strings.Contains(r.Runs[0].NoEnergy, "power does not follow the load as the clocks stand, and does if the telemetry's is -2h0m0s off") {
		t.Errorf("%+v", r.Runs[0])
	}
}

// A GPU at 0.35 of its clock is another GPU: 96 % busy at 799 of 2281 MHz, a GB10
// decoded 42.7 instead of 73.9 tokens a second.
func TestStuckClock(t *testing.T) {
	s, _ := steadyMachine(0)
	dir := write(t, s)
	edit(t, filepath.Join(dir, "0.20.0", "tegrastats.log"), func(text string) string { return strings.ReplaceAll(text, "1386", "799") })
	edit(t, filepath.Join(dir, "0.20.0", "servestat.yaml"), func(text string) string { return text + "  max_clock_mhz: \"2281\"\n" })
	r, code, _ := resourcesOf(t, dir)
	if code != exitInvalid || r.Runs[0].Clocks == nil || !r.Runs[0].Clocks.Stuck || !strings.Contains(r.Runs[0].Clocks.Reason, "clocks 0.35x") {
		t.Errorf("exit code %d, %+v", code, r.Runs)
	}
	var out, talk bytes.Buffer
	if code := run(context.Background(), []string{"audit", dir}, strings.NewReader(""), &out, &talk); code != exitInvalid || !strings.Contains(out.String(), "FAIL  GPU clocks") {
		t.Errorf("audit: exit code %d\n%s", code, out.String())
	}
}

// Two versions, of which the candidate ran at a lower clock all the time: nothing
// in its own telemetry shows it, and the comparison is refused.
func TestClocksThatDifferAreNotCompared(t *testing.T) {
	s := simulate.DefaultSweep()
	s.Concurrency, s.RequestsPerUser, s.Changes = []int{8}, 8, nil
	s.Machine = &simulate.Machine{Idle: 4, Busy: 40, Slope: 10, Rest: 9, Board: 12, Memory: 20, Total: 122.8, ClockMHz: 1386}
	dir := write(t, s)
	b, c := filepath.Join(dir, "0.19.0"), filepath.Join(dir, "0.20.0")
	compared := func() (int, string) {
		var out, talk bytes.Buffer
		code := run(context.Background(), []string{"compare", b, c}, strings.NewReader(""), &out, &talk)
		return code, out.String() + talk.String()
	}
	if code, text := compared(); code == exitInvalid {
		t.Errorf("the same clocks: %s", text)
	}
	edit(t, filepath.Join(c, "tegrastats.log"), func(text string) string { return strings.ReplaceAll(text, "1386", "1098") })
	if code, text := compared(); code != exitInvalid || !strings.Contains(text, "the GPU's clock under load") || !strings.Contains(text, "1386 MHz in the baseline, 1098 MHz in the candidate") {
		t.Errorf("exit code %d: %s", code, text)
	}
}

func edit(t *testing.T, path string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(string(text))
	if after == string(text) {
		t.Fatalf("%s: nothing to change", path)
	}
	if err := os.WriteFile(path, []byte(after), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Telemetry is uploaded after the results that it is of, by another job. Kept findings
// and verdicts follow from it all the same: what was analysed before it came is done
// again, once, and takes the place of what it said then.
func TestKeptResultsSeeTelemetry(t *testing.T) {
	s := simulate.DefaultSweep()
	s.Concurrency, s.RequestsPerUser, s.Changes = []int{8}, 8, nil
	s.Machine = &simulate.Machine{Idle: 4, Busy: 40, Slope: 10, Rest: 9, Board: 12, Memory: 20, Total: 122.8, ClockMHz: 1386}
	dir, lake := write(t, s), filepath.Join(t.TempDir(), "lake")
	telemetry := filepath.Join(dir, "0.20.0", "tegrastats.log")
	edit(t, telemetry, func(text string) string { return strings.ReplaceAll(text, "1386", "799") })
	edit(t, filepath.Join(dir, "0.20.0", "servestat.yaml"), func(text string) string { return text + "  max_clock_mhz: \"2281\"\n" })
	later := filepath.Join(t.TempDir(), "later.log")
	if err := os.Rename(telemetry, later); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, talk bytes.Buffer
		if code := run(context.Background(), append(args, "--lake", lake), strings.NewReader(""), &out, &talk); code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", args, code, talk.String())
		}
		return out.String(), talk.String()
	}
	failed := func() string {
		t.Helper()
		out, _ := do("sql", "--format", "csv", "SELECT verdict, count(*) FROM findings WHERE check_name = 'GPU clocks' AND runtime_version = '0.20.0' GROUP BY ALL ORDER BY ALL")
		return strings.Join(strings.Fields(out)[1:], " ")
	}
	verdicts := func() string {
		t.Helper()
		out, _ := do("sql", "--format", "csv", "SELECT DISTINCT verdict FROM verdicts ORDER BY ALL")
		return strings.Join(strings.Fields(out)[1:], " ")
	}
	do("ingest", dir)
	do("analyze")
	if got := failed(); strings.Contains(got, "FAIL") {
		t.Errorf("before the telemetry came: %q", got)
	}
	before := verdicts()
	if err := os.Rename(later, telemetry); err != nil {
		t.Fatal(err)
	}
	do("ingest", dir)
	if _, talk := do("sql", "SELECT count(*) FROM findings"); !strings.Contains(talk, "not of the runs as they are now") {
		t.Errorf("nothing says that the findings are old: %s", talk)
	}
	do("analyze")
	if got, want := failed(), fmt.Sprintf("FAIL,%d", s.Runs); got != want {
		t.Errorf("with the telemetry: %q, want %q", got, want)
	}
	if after := verdicts(); before == after || after != "not comparable" {
		t.Errorf("verdicts %q, and with a throttled candidate %q", before, after)
	}
	if out, _ := do("analyze"); out != "analyze: 4 units, 4 reused\n" {
		t.Errorf("once more: %s", out)
	}
}

// tegraLine is what tegrastats says of a moment: the time, and the watts of the GPU.
var tegraLine = regexp.MustCompile(`(?m)^(\S+ \S+) .*VDD_GPU (\d+)mW`)

// asNvidiaSMI puts what nvidia-smi would have printed in the place of a sweep's
// tegrastats: a row for each of two GPUs that take the power of the one, the second
// some milliseconds behind the first. A row is made of the header's columns.
func asNvidiaSMI(t *testing.T, folder, header string) {
	t.Helper()
	old := filepath.Join(folder, "tegrastats.log")
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString(header + "\n")
	for _, m := range tegraLine.FindAllStringSubmatch(string(text), -1) {
		at, err := time.Parse("01-02-2006 15:04:05", m[1])
		watts, _ := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		for gpu := range 2 {
			row := strings.NewReplacer(
				"timestamp", at.Add(time.Duration(4*gpu)*time.Millisecond).Format("2006/01/02 15:04:05.000"),
				"uuid", fmt.Sprintf("GPU-00000000-0000-0000-0000-00000000000%d", gpu), "name", "NVIDIA H100 80GB HBM3",
				"power.draw [W]", fmt.Sprintf("%.2f W", watts/1000), "clocks.current.sm [MHz]", fmt.Sprintf("%d MHz", 1980-180*gpu),
				"utilization.gpu [%]", "100 %", "memory.used [MiB]", fmt.Sprintf("%d MiB", 1000*(gpu+1)),
				"clocks_event_reasons.active", []string{"0x0000000000000004", "0x0000000000000040"}[gpu],
			)
			out.WriteString(row.Replace(header) + "\n")
		}
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "gpu.csv"), []byte(out.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// nvidia-smi prints clocks.current.sm of what it was asked for as clocks.sm, and the
// clock of a GPU was looked for by the latter. Two GPUs that only their uuid tells
// apart were one, at the mean of their power. What held the clocks down was not read.
func TestNvidiaSMI(t *testing.T) {
	s, _ := steadyMachine(0)
	dir := write(t, s)
	folder := filepath.Join(dir, "0.20.0")
	tegra, _, _ := resourcesOf(t, dir)
	asNvidiaSMI(t, folder, "timestamp, name, uuid, power.draw [W], clocks.current.sm [MHz], utilization.gpu [%], memory.used [MiB], clocks_event_reasons.active")
	r, code, stderr := resourcesOf(t, dir)
	if code != 0 || r.Runs[0].Energy == nil || r.Runs[0].Clocks == nil {
		t.Fatalf("exit code %d, %+v\n%s", code, r, stderr)
	}
	got := r.Runs[0]
	// Thor's compute domains are its GPU and 9 W of the rest.
	if want := 2 * (tegra.Runs[0].Energy.Watts - 9); math.Abs(got.Energy.Watts/want-1) > 0.005 {
		t.Errorf("two GPUs take %.2f W, want %.2f", got.Energy.Watts, want)
	}
	if got.Clocks.MedianHz != 1800e6 {
		t.Errorf("the slower GPU's clock: %+v", got.Clocks)
	}
	if want := "[{heat (hardware slowdown) 1} {the power cap 1}]"; fmt.Sprint(got.Limits) != want {
		t.Errorf("held down by %v, want %s", got.Limits, want)
	}
	var out, talk bytes.Buffer
	do := func(args ...string) string {
		t.Helper()
		out.Reset()
		code := run(context.Background(), args, strings.NewReader(""), &out, &talk)
		return fmt.Sprint(code, "\n", out.String())
	}
	if text := do("resources", dir); !strings.Contains(text, "Held down by heat (hardware slowdown) in 1 of 1 run, in the worst in 100 % of the samples.") {
		t.Errorf("resources: %s", text)
	}
	if text := do("audit", dir); !strings.Contains(text, "WARN  GPU clocks") || !strings.Contains(text, "held down by heat (hardware slowdown) in 100 %, the power cap in 100 % of the samples") {
		t.Errorf("audit: %s", text)
	}
}

// A T4 or an L4 decodes at half of its highest clock for its power cap, and nothing is
// wrong with it. The cap of one GPU does not excuse another.
func TestPowerCapIsNoStuckClock(t *testing.T) {
	for _, test := range []struct {
		reason  string // of the slower GPU; the other is at its cap
		stuck   bool
		verdict string
	}{
		{"0x0000000000000004", false, "WARN"},
		{"0x0000000000000040", true, "FAIL"},
		{"0x0000000000000002", true, "FAIL"},
	} {
		s, _ := steadyMachine(0)
		dir := write(t, s)
		folder := filepath.Join(dir, "0.20.0")
		asNvidiaSMI(t, folder, "timestamp, name, uuid, power.draw [W], clocks.current.sm [MHz], utilization.gpu [%], clocks_event_reasons.active")
		edit(t, filepath.Join(folder, "gpu.csv"), func(text string) string { return strings.ReplaceAll(text, "0x0000000000000040", test.reason) + "\n" })
		edit(t, filepath.Join(folder, "servestat.yaml"), func(text string) string { return text + "  max_clock_mhz: \"3600\"\n" })
		r, code, stderr := resourcesOf(t, dir)
		if len(r.Runs) != 1 || r.Runs[0].Clocks == nil || r.Runs[0].Clocks.MedianHz != 1800e6 || r.Runs[0].Clocks.Stuck != test.stuck || (code != 0) != test.stuck {
			t.Errorf("%s: exit code %d, %+v\n%s", test.reason, code, r, stderr)
		}
		var out, talk bytes.Buffer
		run(context.Background(), []string{"audit", dir}, strings.NewReader(""), &out, &talk)
		if !strings.Contains(out.String(), test.verdict+"  GPU clocks") {
			t.Errorf("%s: want %s of\n%s", test.reason, test.verdict, out.String())
		}
	}
}

// A query over two GPUs without index or uuid is rows of nobody knows which: the
// mean of the two would pass for the power of both.
func TestGPUsThatNothingTellsApart(t *testing.T) {
	s, _ := steadyMachine(0)
	dir := write(t, s)
	asNvidiaSMI(t, filepath.Join(dir, "0.20.0"), "timestamp, power.draw [W], clocks.current.sm [MHz], utilization.gpu [%]")
	r, code, _ := resourcesOf(t, dir)
	if code != exitInvalid || len(r.Runs) != 1 || r.Runs[0].Energy != nil || r.Runs[0].Clocks != nil {
		t.Fatalf("exit code %d, %+v", code, r)
	}
	for _, why := range []string{r.Runs[0].NoEnergy, r.Runs[0].NoClocks} {
		if !strings.Contains(why, "add index or uuid to --query-gpu") {
			t.Errorf("%q", why)
		}
	}
}

// rectangle puts nvidia-smi's readings of one GPU in the place of a sweep's tegrastats:
// as many watts as said while the one run goes on and 90 W around it, five rows a
// second, each the mean of so long before it. It returns the joules of the run.
func rectangle(t *testing.T, folder, column string, watts float64, mean time.Duration) float64 {
	t.Helper()
	results, err := filepath.Glob(filepath.Join(folder, "*", "run1.json"))
	if err != nil || len(results) != 1 {
		t.Fatalf("%q, %v", results, err)
	}
	text, err := os.ReadFile(results[0])
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Date     string
		Duration float64
	}
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse("20060102-150405", result.Date) // cut to whole seconds
	if err != nil {
		t.Fatal(err)
	}
	const idle = 90
	end = end.Add(370 * time.Millisecond)
	begin := end.Add(-time.Duration(result.Duration * float64(time.Second)))
	spent := func(at time.Time) float64 { // since long before the run
		return idle*at.Sub(begin).Seconds() + (watts-idle)*min(max(at.Sub(begin).Seconds(), 0), result.Duration)
	}
	out := "timestamp, index, " + column + " [W]\n"
	for at := begin.Add(-30 * time.Second); at.Before(end.Add(30 * time.Second)); at = at.Add(203 * time.Millisecond) {
		reading := (spent(at) - spent(at.Add(-mean))) / mean.Seconds()
		out += fmt.Sprintf("%s, 0, %.2f W\n", at.Format("2006/01/02 15:04:05.000"), reading)
	}
	if err := os.Remove(filepath.Join(folder, "tegrastats.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "gpu.csv"), []byte(out), 0o666); err != nil {
		t.Fatal(err)
	}
	return watts * result.Duration
}

// On an H100, power.draw is the mean of the second before (so NVIDIA says), which the
// trapezoid sees late and smeared: it misses 6 % of a run of 2.6 s and 1.5 % of one of
// ten. The interval holds the truth, and that the run was too short for such readings
// is said. power.draw.instant misses nothing, and of a long run nothing is said.
func TestPowerThatIsTheMeanOfASecond(t *testing.T) {
	const exact = 1e-3 // where nothing but the ends changes, an end of the interval is the truth itself
	for _, test := range []struct {
		column   string
		mean     time.Duration
		requests int     // of each user
		off      float64 // at most
		told     bool
	}{
		{"power.draw", time.Second, 1, 0.07, true},
		{"power.draw", time.Second, 4, 0.02, true},
		{"power.draw.average", time.Second, 4, 0.02, true},
		{"power.draw.instant", 25 * time.Millisecond, 4, 0.01, false},
		{"power.draw", time.Second, 40, 0.005, false},
	} {
		s, _ := steadyMachine(0)
		s.RequestsPerUser = test.requests
		dir := write(t, s)
		joules := rectangle(t, filepath.Join(dir, "0.20.0"), test.column, 500, test.mean)
		r, code, stderr := resourcesOf(t, dir)
		if code != 0 || len(r.Runs) != 1 || r.Runs[0].Energy == nil {
			t.Fatalf("%s: exit code %d, %+v\n%s", test.column, code, r, stderr)
		}
		got, want := r.Runs[0].Energy.PerOut, joules/r.Runs[0].Energy.Tokens
		t.Logf("%s, %d requests a user: %+.2f %% [%+.2f %%, %+.2f %%]", test.column, test.requests, 100*(got.Value/want-1), 100*(got.Lo/want-1), 100*(got.Hi/want-1))
		if math.Abs(got.Value/want-1) > test.off || got.Lo > want*(1+exact) || got.Hi < want*(1-exact) {
			t.Errorf("%s: %.5f [%.5f, %.5f] J a token, want %.5f", test.column, got.Value, got.Lo, got.Hi, want)
		}
		var out, talk bytes.Buffer
		run(context.Background(), []string{"resources", dir}, strings.NewReader(""), &out, &talk)
		if told := strings.Contains(out.String(), "the trapezoid misses up to"); told != test.told {
			t.Errorf("%s, %d requests a user: told %v\n%s", test.column, test.requests, told, out.String())
		}
	}
}

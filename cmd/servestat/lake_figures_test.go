//go:build linux

package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The figures of the lake and of servestat sql, which `make bench` prints: exact
// percentiles over a hundred million tokens beside what its peers do with the same
// files, how soon the command is there, and a lake of ten thousand runs.
//
// Every statement runs in a process of its own, as a person starts it. A machine that
// others work on slows everything down, and not evenly: all are measured in turns, the
// best of several rounds counts, and the processor's time is told beside the clock's.
var (
	lakeFigures  = flag.Bool("figures", false, "measure and print the figures of the lake and of servestat sql")
	figureTokens = flag.Int("figures-tokens", 100_000_000, "tokens that -figures simulates")
	figureRuns   = flag.Int("figures-runs", 10_000, "runs of the second lake that -figures simulates")
	figureRounds = flag.Int("figures-rounds", 3, "rounds of -figures, of which the best counts")
	figured      = flag.String("figures-servestat", "servestat", "the servestat command to measure")
)

// The questions that are asked of a hundred million tokens, as servestat takes them.
const (
	byQuantileCont = "SELECT runtime_version, max_concurrency, quantile_cont(gap_ns, [0.5, 0.99]) AS ns FROM tokens JOIN runs USING (run_id) GROUP BY ALL"
	byExact        = "SELECT key.version, key.c, p, us FROM exact_percentiles([0.5, 0.99], {version: runtime_version, c: max_concurrency}) ORDER BY ALL"
	byCells        = "SELECT key.version, key.c, p50_ms, p99_ms FROM distribution('itl', {version: runtime_version, c: max_concurrency}) ORDER BY ALL"
)

// A figure is something that is measured, and the best that it took.
type figure struct {
	name  string
	start func() *exec.Cmd
	// inside is set where the process says by itself how long it took, without the start of Python and its imports.
	inside bool

	wall, cpu time.Duration
	peak      int64 // resident bytes, the worst of all rounds
	out       string
	failed    string
}

// measure is one round.
func (f *figure) measure() {
	cmd := f.start()
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		lines := strings.Split(strings.TrimSpace(talk.String()), "\n")
		f.failed = fmt.Sprintf("%v: %.120s", err, lines[len(lines)-1])
		return
	}
	f.out = out.String()
	if f.inside {
		first, _, _ := strings.Cut(f.out, "\n")
		seconds, err := strconv.ParseFloat(first, 64)
		if err != nil {
			f.failed = fmt.Sprintf("it says %q", first)
			return
		}
		wall = time.Duration(seconds * float64(time.Second))
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if f.wall == 0 {
		f.wall, f.cpu = wall, cpu
	}
	f.wall, f.cpu = min(f.wall, wall), min(f.cpu, cpu)
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.peak = max(f.peak, use.Maxrss<<10)
	}
}

// weigh is one more round where the system's figure of the peak may be that of this
// process, which started the other: then it is watched, and not timed.
func (f *figure) weigh() {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil || f.peak > own.Maxrss<<10 {
		return
	}
	cmd := f.start()
	done, peak := make(chan struct{}), make(chan int64)
	if err := cmd.Start(); err != nil {
		f.failed = err.Error()
		return
	}
	go func() { peak <- peakMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	if f.peak = <-peak << 20; err != nil {
		f.failed = err.Error()
	}
}

func (f *figure) String() string {
	if f.failed != "" {
		return fmt.Sprintf("| %s | %s | | |", f.name, f.failed)
	}
	return fmt.Sprintf("| %s | %.3f | %.2f | %d |", f.name, f.wall.Seconds(), f.cpu.Seconds(), f.peak>>20)
}

// asked is a statement, asked of a lake.
func asked(name, dir string, args ...string) *figure {
	return &figure{name: name, start: func() *exec.Cmd {
		return exec.Command(*figured, append([]string{"sql", "--lake", dir, "--format", "csv"}, args...)...)
	}}
}

// peersOf are the tools at hand over the same files, where notebooks/bench/setup.sh made room for them.
func peersOf(dir string) []*figure {
	var all []*figure
	for _, p := range []struct{ name, venv, tool string }{
		{"Python, DuckDB 1.4.3, `quantile_cont`", ".venv-embedded", "duckdb"},
		{"Python, DuckDB 2.0, `quantile_cont`", ".venv", "duckdb"},
		{"pandas 3.1 with pyarrow, `quantile`", ".venv", "pandas"},
		{"polars 2.1, streaming, `quantile`", ".venv", "polars"},
	} {
		python := filepath.Join("../../notebooks/bench", p.venv, "bin/python")
		if _, err := os.Stat(python); err != nil {
			fmt.Printf("%s is not measured: run notebooks/bench/setup.sh\n", p.name)
			continue
		}
		all = append(all, &figure{name: p.name, inside: true, start: func() *exec.Cmd {
			return exec.Command(python, "../../notebooks/bench/quantiles.py", p.tool, dir)
		}})
	}
	return all
}

func inTurns(rounds int, figures ...*figure) {
	for range rounds {
		for _, f := range figures {
			if f.failed == "" {
				f.measure()
			}
		}
	}
	for _, f := range figures {
		if f.failed == "" {
			f.weigh()
		}
	}
}

func printFigures(figures ...*figure) {
	fmt.Println("\n| what | s | CPU s | peak MiB |\n|---|---|---|---|")
	for _, f := range figures {
		fmt.Println(f)
	}
	fmt.Println()
}

func TestFiguresOfTheLake(t *testing.T) {
	if !*lakeFigures {
		t.Skip("make bench")
	}
	t.Run("percentiles", figuresOfPercentiles)
	t.Run("start", figuresOfStart)
	t.Run("runs", figuresOfManyRuns)
}

// In place of the command line, TestWriteFleet finds here what to write, and where.
const fleetVariable, fleetFolder = "SERVESTAT_FLEET", "SERVESTAT_FLEET_LAKE"

// lakeOf simulates a fleet's lake in a process of its own: the system counts what this
// one had in memory as the peak of those that it starts later.
func lakeOf(t *testing.T, f fleet) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lake")
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteFleet$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), fleetFolder+"="+dir, fmt.Sprintf("%s=%d %d %d %d %d %d %t", fleetVariable, f.models, f.hardware, f.levels, f.starts, f.requests, f.outputLen, f.apart))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestWriteFleet is the process that lakeOf starts.
func TestWriteFleet(t *testing.T) {
	dir := os.Getenv(fleetFolder)
	if dir == "" {
		t.Skip("a process of TestFiguresOfTheLake")
	}
	var f fleet
	if _, err := fmt.Sscan(os.Getenv(fleetVariable), &f.models, &f.hardware, &f.levels, &f.starts, &f.requests, &f.outputLen, &f.apart); err != nil {
		t.Fatal(err)
	}
	f.write(t, dir)
}

// figuresOfPercentiles asks for p50 and p99 of ITL by version and concurrency, of the
// tokens and of the cells.
func figuresOfPercentiles(t *testing.T) {
	const starts, levels, outputLen = 5, 6, 981
	f := fleet{models: 1, hardware: 1, levels: levels, starts: starts, outputLen: outputLen}
	f.requests = max(1, *figureTokens/(2*starts*levels*(outputLen-1)))
	dir := lakeOf(t, f)

	base := asked("servestat's DuckDB 1.4.3, `quantile_cont`", dir, byQuantileCont)
	exact := asked("`exact_percentiles`, from tokens", dir, byExact)
	cells := asked("`distribution`, from cells", dir, byCells)
	nothing := asked("`select 1`: what the process costs", dir, "select 1")
	peers := peersOf(dir)
	all := append([]*figure{base, exact, cells, nothing}, peers...)
	inTurns(*figureRounds, all...)
	fmt.Printf("\n%s. p50 and p99 of ITL by version and concurrency, %.3g tokens in %d blocks, best of %d rounds in turns.\n", machine(), float64(f.tokens()), f.runs(), *figureRounds)
	printFigures(all...)
	for _, own := range []*figure{base, exact, cells, nothing} {
		if own.failed != "" {
			t.Fatal(own.name, own.failed)
		}
	}
	sameAnswers(t, base.out, exact.out)

	times, byCPU := base.wall.Seconds()/exact.wall.Seconds(), base.cpu.Seconds()/exact.cpu.Seconds()
	bar(t, fmt.Sprintf("p50 and p99 of ITL over %.0e tokens, against `quantile_cont` in the same engine", float64(f.tokens())), fmt.Sprintf("%.1fx (%.1fx by CPU time)", times, byCPU), ">= 3x", times >= 3)
	bar(t, "peak memory of it", fmt.Sprintf("%d MiB (`quantile_cont`: %d MiB)", exact.peak>>20, base.peak>>20), "<= 256 MiB", exact.peak <= 256<<20)
	for _, p := range peers {
		if p.failed == "" {
			fmt.Printf("bar: | the same against %s | %.1fx (%.1fx by CPU time) | shown | |\n", p.name, p.wall.Seconds()/exact.wall.Seconds(), p.cpu.Seconds()/exact.cpu.Seconds())
		}
	}
	bar(t, "the same from cells, beyond the start of the process", fmt.Sprintf("%d ms (%d ms of CPU time)", (cells.wall-nothing.wall).Milliseconds(), (cells.cpu-nothing.cpu).Milliseconds()), "<= 100 ms", cells.wall-nothing.wall <= 100*time.Millisecond)
}

// sameAnswers holds the percentiles of two ways against each other: 0.19.0,1,"[a,b]" in
// nanoseconds, and 0.19.0,1,0.5,a in microseconds.
func sameAnswers(t *testing.T, quantileCont, exact string) {
	t.Helper()
	want := map[string]float64{}
	for _, row := range csvRows(t, quantileCont) {
		for i, v := range strings.Split(strings.Trim(row[2], "[]"), ",") {
			ns, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			want[row[0]+" c="+row[1]+" "+[]string{"0.5", "0.99"}[i]] = ns / 1e3
		}
	}
	rows := csvRows(t, exact)
	if len(rows) != len(want) || len(rows) == 0 {
		t.Fatalf("%d percentiles of one way, %d of the other", len(want), len(rows))
	}
	for _, row := range rows {
		us, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		subject := row[0] + " c=" + row[1] + " " + row[2]
		if w, ok := want[subject]; !ok || math.Abs(us-w) > 1 {
			t.Errorf("%s is %v us, and %v by quantile_cont (there: %t)", subject, us, w, ok)
		}
	}
}

func csvRows(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%v\n%.300s", err, text)
	}
	return rows[1:]
}

// figuresOfStart is how soon the command is there: warm, and where the system has
// forgotten its file.
func figuresOfStart(t *testing.T) {
	const starts = 15
	dir := filepath.Join(t.TempDir(), "lake")
	// Not in this process: its memory would count as that of those that it starts.
	if out, err := exec.Command(*figured, "ingest", "--quiet", "--lake", dir, "testdata/demo/logs/0.19.0/c2").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	one := asked("`servestat sql \"select 1\"`", dir, "select 1")
	help := &figure{name: "`servestat --help`", start: func() *exec.Cmd { return exec.Command(*figured, "--help") }}
	inTurns(starts, one, help)
	cold := asked("`servestat sql \"select 1\"`, its file not in memory", dir, "select 1")
	for range starts {
		forget(t, *figured)
		cold.measure()
	}
	cold.weigh()
	printFigures(one, help, cold)
	for _, f := range []*figure{one, help, cold} {
		if f.failed != "" {
			t.Fatal(f.name, f.failed)
		}
	}
	shown := func(f *figure) string {
		return fmt.Sprintf("%d ms (%d ms of CPU time), %d MiB", f.wall.Milliseconds(), f.cpu.Milliseconds(), f.peak>>20)
	}
	within := func(f *figure, most time.Duration) bool { return f.wall <= most && f.peak <= 100<<20 }
	bar(t, one.name+fmt.Sprintf(", fastest of %d", starts), shown(one), "<= 150 ms, <= 100 MiB", within(one, 150*time.Millisecond))
	bar(t, "the same, its file not in memory", shown(cold), "<= 150 ms, <= 100 MiB", within(cold, 150*time.Millisecond))
	bar(t, help.name, shown(help), "<= 50 ms, <= 100 MiB", within(help, 50*time.Millisecond))
}

// forget asks the system to drop a command's file from memory. What other processes
// run of it stays.
func forget(t *testing.T, command string) {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// figuresOfManyRuns opens a lake of ten thousand runs, as ingest leaves it, four
// blocks a run, and after lake compact.
func figuresOfManyRuns(t *testing.T) {
	const models, hardware, levels = 10, 5, 10
	f := fleet{models: models, hardware: hardware, levels: levels, requests: 25, outputLen: 201, apart: true}
	f.starts = max(1, *figureRuns/(2*models*hardware*levels))
	dir := lakeOf(t, f)
	oneRun := firstRun(t, dir)
	for _, state := range []string{"as ingested", "compacted"} {
		if state == "compacted" {
			began := time.Now()
			out, err := exec.Command(*figured, "lake", "compact", "--no-progress", "--lake", dir).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			fmt.Printf("\nlake compact took %.1f s: %s", time.Since(began).Seconds(), out)
			if out, err := exec.Command(*figured, "lake", "gc", "--quiet", "--grace", "0s", "--lake", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		one := asked("`select 1`", dir, "select 1")
		count := asked("`select count(*) from runs`", dir, "select count(*) from runs")
		filter := asked("`select sum(gap_ns) from tokens where run_id = …`", dir, oneRun)
		inTurns(*figureRounds, one, count, filter)
		fmt.Printf("\n%s. A lake of %d runs, %s, best of %d rounds.\n", machine(), f.runs(), state, *figureRounds)
		printFigures(one, count, filter)
		for _, figure := range []*figure{one, count, filter} {
			if figure.failed != "" {
				t.Fatal(figure.name, figure.failed)
			}
		}
		shown := fmt.Sprintf("%.2f s (%.2f CPU s), with all rows of runs %.2f s (%.2f)", one.wall.Seconds(), one.cpu.Seconds(), count.wall.Seconds(), count.cpu.Seconds())
		bar(t, fmt.Sprintf("opening a lake of %d runs, %s", f.runs(), state), shown, "<= 1 s", one.wall <= time.Second)
		read, size := bytesOf(t, dir, oneRun)
		bar(t, "one run's tokens of it: bytes read", fmt.Sprintf("%.3f %% of %.1f MB of blocks", 100*float64(read)/float64(size), float64(size)/1e6), "<= 1 %", read*100 <= size)
	}
}

// firstRun is a statement about one run of a lake.
func firstRun(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(*figured, "sql", "--lake", dir, "--format", "csv", "select min(run_id) from runs").Output()
	if err != nil {
		t.Fatal(err)
	}
	return "select sum(gap_ns) from tokens where run_id = '" + csvRows(t, string(out))[0][0] + "'"
}

// bytesOf is how many bytes a statement reads, and how many all blocks of the lake have.
func bytesOf(t *testing.T, dir, statement string) (read, size int64) {
	t.Helper()
	out, err := exec.Command(*figured, "sql", "--lake", dir, "--format", "csv", "--max-rows", "-1", "--explain-files", statement).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range csvRows(t, string(out)) {
		n, err := strconv.ParseInt(row[4], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	err = filepath.WalkDir(filepath.Join(dir, "blocks"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return read, cmp.Or(size, 1)
}

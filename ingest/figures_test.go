//go:build unix

package ingest

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/servestat/servestat/ingest/upkeep"
	"github.com/servestat/servestat/ingest/vllm"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/schematest"
	"github.com/servestat/servestat/schemas/simulate"
)

// The figures of ingest: how fast, in how much memory and in how few bytes. They
// are measured by `make bench` and `make bench-large`, ours and the peers' side by
// side: in turns, on the same file, each in a process of its own.
//
// A machine that others work on slows everything down, and not evenly, so that
// every measurement is the best of several rounds, and the processor's time is
// told beside the clock's.

var (
	figures      = flag.Bool("figures", false, "measure and print the figures of ingest")
	figuresLarge = flag.Bool("figures-large", false, "measure and print how ingest takes a file of 5 GB")
	rounds       = flag.Int("figures-rounds", 5, "rounds of -figures, of which the best counts")
	command      = flag.String("figures-servestat", "", "the servestat command, whose memory is measured")
	python       = flag.String("figures-python", "", "a python3 with what notebooks/bench/requirements.txt asks for")
)

// The limits that performance.md measured on an idle machine of this kind.
const (
	scannerLimit = 1745e6 // bytes a second, the scanner alone on one core
	spikeLimit   = 616e6  // bytes a second, JSON to Parquet and nothing else on two
)

const gapsPerRequest = 500

// writeResult writes a detailed result as vLLM does: every gap the difference of
// two perf_counter values, with all its digits, around 14 ms; and as much text.
func writeResult(w io.Writer, requests int, seed uint64) (gaps int64, err error) {
	b := bufio.NewWriterSize(w, 1<<20)
	rnd := rand.New(rand.NewPCG(seed, 1))
	column := func(key string, value func(i int)) {
		fmt.Fprintf(b, ", %q: [", key)
		for i := range requests {
			if i > 0 {
				b.WriteString(", ")
			}
			value(i)
		}
		b.WriteByte(']')
	}
	number := func(v float64) { b.Write(strconv.AppendFloat(b.AvailableBuffer(), v, 'f', -1, 64)) }
	count := func(i int) int { return gapsPerRequest*3/5 + int((uint64(i)*7919+seed)%(gapsPerRequest*4/5)) }
	fmt.Fprintf(b, `{"date": "20260126-101500", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "acme/seven", "tokenizer_id": "acme/seven", "num_prompts": %d, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 64, "duration": 2187.5, "completed": %d`, requests, requests)
	column("input_lens", func(int) { b.WriteString("512") })
	column("output_lens", func(i int) { b.WriteString(strconv.Itoa(count(i) + 1)) })
	column("ttfts", func(int) { number(0.1 + 0.1*rnd.Float64()) })
	now := 123456.789 // the clock of a machine that is up for a day
	column("itls", func(i int) {
		b.WriteByte('[')
		for j := range count(i) {
			if j > 0 {
				b.WriteString(", ")
			}
			next := now + 0.014*math.Exp(0.12*rnd.NormFloat64())
			number(next - now)
			now = next
		}
		gaps += int64(count(i))
		b.WriteByte(']')
	})
	column("start_times", func(i int) { number(123456.789 + 0.1*float64(i)) })
	words := strings.Fields(`so it goes on and the model says nothing that is new, not here, today. \n \u00e9t\u00e9 again`)
	column("generated_texts", func(i int) {
		b.WriteByte('"')
		for range count(i) {
			b.WriteString(words[rnd.IntN(len(words))])
			b.WriteByte(' ')
		}
		b.WriteByte('"')
	})
	column("errors", func(int) { b.WriteString(`""`) })
	b.WriteByte('}')
	return gaps, b.Flush()
}

// A resultFile is a file that was written to be measured on.
type resultFile struct {
	path string
	size int64
	gaps int64
}

func newResult(t testing.TB, dir, name string, requests int, seed uint64) resultFile {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gaps, err := writeResult(f, requests, seed)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return resultFile{f.Name(), info.Size(), gaps}
}

// A cost is what a measurement took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // resident bytes
	failed    string
}

// less keeps the better of two rounds: the clock and the processor each have
// their best, memory its worst.
func (c cost) better(o cost) cost {
	if c.wall == 0 || c.failed != "" {
		return o
	}
	if o.failed != "" {
		return c
	}
	return cost{wall: min(c.wall, o.wall), cpu: min(c.cpu, o.cpu), peak: max(c.peak, o.peak)}
}

// In place of the command line, the worker finds here what to do.
const taskVariable = "SERVESTAT_FIGURE"

// measure runs a task of TestFigureWorker in a process of its own.
func measure(t *testing.T, cores int, task string, args ...string) cost {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFigureWorker$", "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores), taskVariable+"="+strings.Join(append([]string{task}, args...), "\n"))
	// What it writes is removed at the end, as what the peers write: file systems are
	// slow to make files where others were just removed.
	cmd.Dir = t.TempDir()
	return timed(t, cmd, "took ")
}

// timed runs a command that prints its seconds behind mark, at the start of a line.
func timed(t *testing.T, cmd *exec.Cmd, mark string) cost {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	use, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c := cost{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: use.Maxrss << 10}
	if runtime.GOOS == "darwin" {
		c.peak = use.Maxrss
	}
	if err != nil {
		c.failed = lastLine(stderr.String()+string(out), err)
		return c
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, mark); ok {
			if seconds, err := strconv.ParseFloat(strings.Fields(rest)[0], 64); err == nil {
				c.wall = time.Duration(seconds * float64(time.Second))
				return c
			}
		}
	}
	t.Fatalf("%v: no time in\n%s", cmd.Args, out)
	return c
}

func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return fmt.Sprintf("%v: %.120s", err, lines[len(lines)-1])
}

// TestFigureWorker is the process that measure starts.
func TestFigureWorker(t *testing.T) {
	task := strings.Split(os.Getenv(taskVariable), "\n")
	run := map[string]func(*testing.T, []string){
		"ingest": func(t *testing.T, paths []string) { ingestOnce(t, paths, false) },
		"lose":   func(t *testing.T, paths []string) { ingestOnce(t, paths, true) },
		"decode": decodeOnce, "read": readOnce,
	}[task[0]]
	if run == nil {
		t.Skip("a process of TestFigures")
	}
	started := time.Now()
	run(t, task[1:])
	fmt.Printf("\ntook %.4f s\n", time.Since(started).Seconds())
}

// ingestOnce takes files into a new lake, published and synced.
func ingestOnce(t *testing.T, paths []string, lose bool) {
	l, err := lake.Create("lake")
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.lose = lose
	uploads, _, err := Find(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = in.IngestAll(t.Context(), uploads, nil, func(rep *Report) error {
		if len(rep.Runs) != 1 || len(rep.Rejects) > 0 {
			return errors.New(rep.Summary())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// decodeOnce lets the standard library decode the numbers, and does nothing with
// them. The texts it may skip.
func decodeOnce(t *testing.T, paths []string) {
	text, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var run struct {
		TTFTs      []float64   `json:"ttfts"`
		ITLs       [][]float64 `json:"itls"`
		Starts     []float64   `json:"start_times"`
		InputLens  []int64     `json:"input_lens"`
		OutputLens []int64     `json:"output_lens"`
	}
	if err := json.Unmarshal(text, &run); err != nil {
		t.Fatal(err)
	}
}

// readOnce reads the records, and writes none.
func readOnce(t *testing.T, paths []string) {
	f, err := os.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := vllm.NewReader(f, "result.json")
	for r.Scan() {
		if reject, ok := r.Record().(*schemas.Reject); ok {
			t.Fatal(reject)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
}

// servestatCost runs the command itself, whose memory is that of its users. What it
// says by its exit code, such as that a server is not fit, is no fault.
func servestatCost(t *testing.T, args ...string) cost {
	t.Helper()
	if *command == "" {
		t.Fatal("-figures-servestat names no command: use make bench")
	}
	abs, err := filepath.Abs(*command)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), abs, append(args, "--no-progress")...)
	cmd.Dir = t.TempDir()
	started := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(started)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		t.Fatalf("%v\n%s", err, out)
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: use.Maxrss << 10}
}

// peers runs notebooks/bench/peers.py, where it can run.
type peers struct {
	python, version string
}

const peersScript = "../notebooks/bench/peers.py"

func findPeers(t *testing.T) *peers {
	t.Helper()
	for _, python := range []string{*python, "../notebooks/bench/.venv/bin/python", "python3"} {
		if out, err := exec.CommandContext(t.Context(), cmp.Or(python, "python3"), peersScript, "check").Output(); err == nil {
			return &peers{cmp.Or(python, "python3"), strings.TrimSpace(string(out))}
		}
	}
	return nil
}

// findEmbedded finds a Python with the DuckDB that analyze/query has inside.
func findEmbedded(t *testing.T) *peers {
	t.Helper()
	const python = "../notebooks/bench/.venv-embedded/bin/python"
	out, err := exec.CommandContext(t.Context(), python, "-c", "import duckdb; print('DuckDB ' + duckdb.__version__)").Output()
	if err != nil {
		return nil
	}
	return &peers{python, strings.TrimSpace(string(out))}
}

func (p *peers) measure(t *testing.T, what string, f resultFile) cost {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	return timed(t, exec.CommandContext(ctx, p.python, peersScript, what, f.path, t.TempDir()), "")
}

// A row is a line of the first table.
type row struct {
	name  string
	run   func() cost
	best  cost
	bytes int64
	gaps  int64
}

func (r *row) rate() float64 { return float64(r.bytes) / r.best.wall.Seconds() }

func (r *row) String() string {
	if r.best.failed != "" {
		return fmt.Sprintf("| %s | %s |  |  |  |  |", r.name, r.best.failed)
	}
	return fmt.Sprintf("| %s | %.2f | %.0f | %.1f | %.2f | %d |", r.name, r.best.wall.Seconds(), r.rate()/1e6,
		float64(r.gaps)/r.best.wall.Seconds()/1e6, r.best.cpu.Seconds(), r.best.peak>>20)
}

func printRows(rows ...*row) {
	fmt.Println("\n| what | s | MB/s | million tokens/s | CPU s | peak MiB |\n|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Println(r)
	}
}

// bar prints a line of the second table.
func bar(what, figure, required string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**not met**"
	}
	fmt.Printf("| %s | %s | %s | %s |\n", what, figure, required, verdict)
}

func machine() string {
	load := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(text))[0]
	}
	return fmt.Sprintf("%d cores, %s/%s, %s, load average %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("make bench")
	}
	dir := t.TempDir()
	big := newResult(t, dir, "result.json", 18_400, 1)
	var eight []string
	var eightSize, eightGaps int64
	for i := range 8 {
		f := newResult(t, dir, fmt.Sprintf("part%d.json", i), 2_300, uint64(2+i))
		eight, eightSize, eightGaps = append(eight, f.path), eightSize+f.size, eightGaps+f.gaps
	}
	on := func(name string, run func() cost) *row {
		return &row{name: name, run: run, bytes: big.size, gaps: big.gaps}
	}
	lose := on("servestat: JSON to published Parquet, two cores", func() cost { return measure(t, 2, "lose", big.path) })
	keep := on("the same, and the upload kept, compressed", func() cost { return measure(t, 2, "ingest", big.path) })
	read := on("servestat's reader alone, one core", func() cost { return measure(t, 1, "read", big.path) })
	decode := on("`encoding/json` into structs, decode only, one core", func() cost { return measure(t, 1, "decode", big.path) })
	one := &row{name: "eight files, one core", run: func() cost { return measure(t, 1, "ingest", eight...) }, bytes: eightSize, gaps: eightGaps}
	two := &row{name: "eight files, two cores", run: func() cost { return measure(t, 2, "ingest", eight...) }, bytes: eightSize, gaps: eightGaps}
	rows := []*row{lose, keep, read, decode, one, two}
	p := findPeers(t)
	var viaPython, viaDuckDB, viaEmbedded *row
	if p != nil {
		viaPython = on("Python `json.load` + pyarrow", func() cost { return p.measure(t, "json", big) })
		viaDuckDB = on("DuckDB `read_json` + `COPY`, two threads", func() cost { return p.measure(t, "duckdb", big) })
		rows = append(rows, viaPython, viaDuckDB)
		if e := findEmbedded(t); e != nil {
			viaEmbedded = on("the same with "+e.version+", which servestat has inside", func() cost { return e.measure(t, "duckdb", big) })
			rows = append(rows, viaEmbedded)
		}
	}
	for range *rounds {
		for _, r := range rows {
			r.best = r.best.better(r.run())
		}
	}
	fmt.Printf("\n%s. A detailed result of %.0f MB, %.2f million tokens; best of %d rounds in turns.\n", machine(), float64(big.size)/1e6, float64(big.gaps)/1e6, *rounds)
	printRows(rows...)
	fmt.Println("\nThe peers write requests and tokens, and no cells.")
	fmt.Println("\n| bar | figure | required | |\n|---|---|---|---|")
	faster := func(what string, peer *row, required float64) {
		if peer == nil {
			fmt.Printf("| %s | not measured: run notebooks/bench/setup.sh | >= %.0fx | |\n", what, required)
			return
		}
		if peer.best.failed != "" {
			fmt.Printf("| %s | it fails: %s | >= %.0fx | |\n", what, peer.best.failed, required)
			return
		}
		x := peer.best.wall.Seconds() / lose.best.wall.Seconds()
		bar(what, fmt.Sprintf("%.1fx (%.1fx by CPU time)", x, peer.best.cpu.Seconds()/lose.best.cpu.Seconds()), fmt.Sprintf(">= %.0fx", required), x >= required)
	}
	faster("faster than `encoding/json` decoding alone", decode, 4)
	faster("faster than Python `json.load` + pyarrow", viaPython, 5)
	faster("faster than DuckDB `read_json` + `COPY`, the version inside servestat", viaEmbedded, 5)
	faster("the same, the newest version", viaDuckDB, 5)
	extra := 100 * (keep.best.wall.Seconds()/lose.best.wall.Seconds() - 1)
	extraCPU := 100 * (keep.best.cpu.Seconds()/lose.best.cpu.Seconds() - 1)
	bar("keeping the compressed upload as well costs", fmt.Sprintf("%.0f %% (%.0f %% of CPU time)", extra, extraCPU), "<= 35 %", extra <= 35)
	speedup := one.best.wall.Seconds() / two.best.wall.Seconds()
	bar("eight files on two cores against one", fmt.Sprintf("%.2fx", speedup), ">= 1.7x", speedup >= 1.7)
	peak := servestatCost(t, "ingest", big.path).peak >> 20
	bar(fmt.Sprintf("peak memory of `servestat ingest`, %.0f MB", float64(big.size)/1e6), fmt.Sprintf("%d MiB", peak), "<= 256 MiB", peak <= 256)
	storedSizes(t)
	fmt.Printf("\nOf the limits measured on an idle machine of this kind: %.0f %% of a bare JSON-to-Parquet spike (616 MB/s on two cores), %.0f %% of\nthe scanner alone (1.7 GB/s a core), which servestat's whole reader reaches to %.0f %%.\n",
		100*lose.rate()/spikeLimit, 100*lose.rate()/(2*scannerLimit), 100*read.rate()/scannerLimit)
	if p != nil {
		fmt.Println(p.version)
	}
}

// storedSizes tells what tokens take in whole blocks.
func storedSizes(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	s := simulate.DefaultSweep()
	s.Versions, s.Changes, s.Concurrency, s.Runs = []string{"0.20.0"}, nil, []int{64}, 1
	s.RequestsPerUser, s.OutputLen = 157, 1000
	if err := s.Write(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	noise := t.TempDir()
	newResult(t, noise, "noise.json", 20_000, 99)
	for _, c := range []struct{ what, folder string }{
		{"bytes a token, whole blocks of tokens: 10^7 simulated", dir},
		{"the same: 10^7 gaps of full noise (14 ms, sigma 12 %)", noise},
	} {
		l, gaps := lakeOf(t, c.folder)
		stored(t, l, c.what, gaps)
	}
	storedAndCompacted(t, "the same: the bundled logs of real vLLM servers", "../cmd/servestat/testdata/demo/vllm")
	t.Run("real", func(t *testing.T) { // which may be missing
		storedAndCompacted(t, "the same: published logs of real servers", schematest.Shared(t, "real"))
	})
}

// storedAndCompacted tells what the tokens of a folder of logs take, as they came
// and merged.
func storedAndCompacted(t *testing.T, what, folder string) {
	t.Helper()
	l, gaps := lakeOf(t, folder)
	stored(t, l, what, gaps)
	compactor, err := upkeep.Plan(t.Context(), l, upkeep.Options{})
	if err == nil {
		err = compactor.Run(t.Context(), func(*upkeep.Merge, *lake.Compaction) {})
	}
	if err == nil {
		_, err = l.Collect(t.Context(), time.Now().Add(time.Hour), 0, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	stored(t, l, what+", after `servestat lake compact`", gaps)
	explainStored(t, folder)
}

func stored(t *testing.T, l *lake.Lake, what string, gaps int64) {
	t.Helper()
	size, files := tokenBlocks(t, l)
	each := float64(size) / float64(gaps)
	bar(what, fmt.Sprintf("%.2f (%d blocks, %d gaps each)", each, files, gaps/int64(files)), "<= 3.2", each <= 3.2)
}

func lakeOf(t *testing.T, folder string) (l *lake.Lake, gaps int64) {
	t.Helper()
	l = newTestLake(t)
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	uploads, _, err := Find([]string{folder}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = in.IngestAll(t.Context(), uploads, nil, func(rep *Report) error {
		for _, r := range rep.Runs {
			gaps += r.Gaps
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, gaps
}

func tokenBlocks(t *testing.T, l *lake.Lake) (size int64, files int) {
	t.Helper()
	err := filepath.WalkDir(l.Path("blocks/v1/tokens"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size, files = size+info.Size(), files+1
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size, files
}

// TestFiguresLarge takes in one object of 5 GB, which fits no parser that builds
// it. The peers may try within 8 GiB.
func TestFiguresLarge(t *testing.T) {
	if !*figuresLarge {
		t.Skip("make bench-large")
	}
	f := newResult(t, t.TempDir(), "large.json", 376_000, 1)
	ours := &row{name: "`servestat ingest`, the upload kept", best: servestatCost(t, "ingest", f.path), bytes: f.size, gaps: f.gaps}
	rows := []*row{ours}
	p := findPeers(t)
	if p != nil {
		for name, what := range map[string]string{"duckdb": "DuckDB `read_json` + `COPY`", "pandas": "pandas `read_json` + pyarrow"} {
			rows = append(rows, &row{name: what + ", within 8 GiB", best: p.measure(t, name, f), bytes: f.size, gaps: f.gaps})
		}
		slices.SortFunc(rows[1:], func(a, b *row) int { return strings.Compare(a.name, b.name) })
	}
	fmt.Printf("\n%s. One JSON object of %.2f GB, %.0f million tokens.\n", machine(), float64(f.size)/1e9, float64(f.gaps)/1e6)
	printRows(rows...)
	if p == nil {
		fmt.Println("\nThe peers are not measured: run notebooks/bench/setup.sh.")
	}
	fmt.Println("\n| bar | figure | required | |\n|---|---|---|---|")
	peak := ours.best.peak >> 20
	bar(fmt.Sprintf("peak memory of `servestat ingest`, %.1f GB in one object", float64(f.size)/1e9), fmt.Sprintf("%d MiB", peak), "<= 256 MiB", peak <= 256)
}

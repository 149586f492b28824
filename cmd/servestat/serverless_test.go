package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/curve"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// The bars of running without a machine of one's own. make serverless-check prints
// them; the tests run a short form.
var serverless = os.Getenv("SERVESTAT_SERVERLESS") != ""

// lengths is how much of something there is: in make serverless-check, and otherwise.
func lengths(full, short int) int {
	if serverless {
		return full
	}
	return short
}

// bar prints a bar and its figure, as a line of a table.
func bar(t *testing.T, what, figure, required string, met bool) {
	t.Helper()
	verdict := "met"
	if !met {
		verdict = "not met"
		t.Errorf("%s: %s, required %s", what, figure, required)
	}
	fmt.Printf("bar: | %s | %s | %s | %s |\n", what, figure, required, verdict)
}

// A place is a lake, in a directory or in a bucket, and the folder that its files
// are in.
type place struct{ kind, lake, folder string }

func places(t *testing.T) []place {
	t.Helper()
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	dir := filepath.Join(t.TempDir(), "lake")
	return []place{{"a directory", dir, dir}, {"versitygw", server.URI("lake"), filepath.Join(server.Root, "lake")}}
}

// Some stores let several of the writers that race for one name believe that they
// won it.
func TestServerlessPublishingRaces(t *testing.T) {
	rounds := lengths(500, 25)
	for _, p := range places(t) {
		sessions := beginMany(t, p, 16)
		wrong := 0
		for round := range rounds {
			name := fmt.Sprintf("manifests/v1/race-%d.json", round)
			won := make([]bool, len(sessions))
			var wg sync.WaitGroup
			for w, s := range sessions {
				wg.Go(func() {
					var err error
					if won[w], err = s.Put(name, fmt.Appendf(nil, "writer %d", w)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if !oneWon(won, filepath.Join(p.folder, name)) {
				wrong++
			}
		}
		bar(t, "publishing races of 16 writers on "+p.kind, fmt.Sprintf("%d wrong of %d rounds", wrong, rounds), "0 wrong", wrong == 0)
	}
}

func beginMany(t *testing.T, p place, n int) []*lake.Session {
	t.Helper()
	config := viperOf(t, p.lake)
	config.Set("cache", t.TempDir())
	config.Set("cache-size", "1GB")
	l, err := (&app{ctx: t.Context(), config: config}).createLake()
	if err != nil {
		t.Fatal(err)
	}
	var sessions []*lake.Session
	for range n {
		s, err := l.Begin()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		sessions = append(sessions, s)
	}
	return sessions
}

// oneWon reports whether one writer won, and the file is what it wrote.
func oneWon(won []bool, file string) bool {
	winner, n := -1, 0
	for w, yes := range won {
		if yes {
			winner, n = w, n+1
		}
	}
	text, err := os.ReadFile(file)
	return err == nil && n == 1 && string(text) == fmt.Sprintf("writer %d", winner)
}

// An upload is delivered again and again, by processes that are killed at any moment:
// the lake has it once.
func TestServerlessDeliveries(t *testing.T) {
	deliveries, processes := lengths(100, 24), lengths(16, 4)
	upload := "testdata/demo/logs/0.19.0/c8/run1.json.gz"
	clean := filepath.Join(t.TempDir(), "clean")
	servestat(t, "ingest", "--lake", clean, upload)
	for _, p := range places(t) {
		args := []string{"ingest", "--lake", p.lake, upload}
		begin := time.Now()
		servestatProcess(t, 0, []string{"ingest", "--lake", filepath.Join(t.TempDir(), "timed"), upload})
		took := time.Since(begin) * time.Duration(max(1, processes/runtime.NumCPU())) // they share the cores
		rng := rand.New(rand.NewPCG(1, 1))
		var mu sync.Mutex
		killed, left := 0, deliveries-1
		var wg sync.WaitGroup
		for range processes {
			wg.Go(func() {
				for {
					mu.Lock()
					left--
					done, after := left < 0, time.Duration(rng.Int64N(int64(2*took)))
					mu.Unlock()
					if done {
						return
					}
					if servestatProcess(t, after, args) {
						mu.Lock()
						killed++
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		servestatProcess(t, 0, args) // what was killed is delivered again
		diff := diffTrees(clean, p.folder)
		if p.folder != p.lake {
			diff = withoutLeases(diff)
		}
		figure := fmt.Sprintf("%s, %d manifest, %d killed", count(countFiles(t, p.folder, "blocks/v1/runs/*/*.parquet"), "block of runs"), countFiles(t, p.folder, "manifests/v1/*.json"), killed)
		if diff != "" {
			figure += "; not the lake of one delivery: " + strings.ReplaceAll(strings.TrimSpace(diff), "\n", ", ")
		}
		bar(t, fmt.Sprintf("one upload delivered %d times by %d processes on %s", deliveries, processes, p.kind), figure, "the lake of one delivery, byte for byte", diff == "")
		if killed == 0 {
			t.Error("no kill came in time: the test shows nothing")
		}
	}
}

// withoutLeases leaves out of a difference what processes that were killed said of
// themselves: it is removed when it does not count any more.
func withoutLeases(diff string) string {
	var rest []string
	for line := range strings.Lines(diff) {
		if !strings.Contains(line, ": leases/") {
			rest = append(rest, line)
		}
	}
	return strings.Join(rest, "")
}

func countFiles(t *testing.T, folder, pattern string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// Events are lost, come late, twice and in any order: a reconcile makes good. They are
// of all that lies in the inbox, side-cars, server logs and telemetry too.
func TestServerlessReconcile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	source := smallInbox(t)
	if serverless {
		source = "testdata/demo/logs"
	}
	if err := uploadTree(server, source, "inbox"); err != nil {
		t.Fatal(err)
	}
	events := namesBelow(filepath.Join(server.Root, "inbox"))
	inbox := server.URI("inbox")
	servestat(t, "reconcile", "--lake", server.URI("whole"), inbox)
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	lost := max(len(events)/5, 1)
	late := max(len(events)/10, 1)
	kept := append(events[lost:len(events):len(events)], events[lost:lost+late]...) // some come twice
	s := serveLake(t, server.URI("lossy"), "--bucket", inbox, "--quiet-after", "1h")
	deliver := func(keys []string) {
		for _, key := range keys {
			s.want(200, "POST", "/v1/events", []byte(s3Event(buckettest.Name, "inbox/"+key)))
		}
	}
	deliver(kept[:len(kept)-2*late])
	servestat(t, "reconcile", "--lake", server.URI("lossy"), inbox)
	deliver(kept[len(kept)-2*late:]) // and some after it was made good
	s.stop()
	diff := diffTrees(filepath.Join(server.Root, "whole"), filepath.Join(server.Root, "lossy"))
	bar(t, fmt.Sprintf("%d of %d events lost, the rest shuffled, some late, some twice, then reconcile", lost, len(events)),
		fmt.Sprintf("%d bytes of difference", len(diff)), "the lake without loss, byte for byte", diff == "")
	if diff != "" {
		t.Error(diff)
	}
}

// smallInbox is an inbox with a bit of everything: results, the side-car above them, and
// the server's log that it names, which has telemetry in it.
func smallInbox(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copyPart(t, "testdata/demo/logs/0.20.0", filepath.Join(dir, "0.20.0"), "c2")
	return dir
}

// namesBelow lists the files in a folder and below, in order.
func namesBelow(root string) []string {
	var names []string
	for name := range readTree(root) {
		if !strings.HasSuffix(name, "/") {
			names = append(names, filepath.ToSlash(name))
		}
	}
	slices.Sort(names)
	return names
}

// Uploads come in any order: results before the side-car that says what they measured,
// and before the log that it names, which until then is missing. They are taken in as
// far as that goes, and read again when the rest is there. What was read too early stays
// in the lake, for it is a lake that forgets nothing, and counts for nothing.
func TestServerlessArrivals(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	source := smallInbox(t)
	names := namesBelow(source)
	ask := func(lake, table string) string {
		return servestat(t, "sql", "--lake", server.URI(lake), "--format", "csv", "select * from "+table+" order by all")
	}
	kind := func(name string) string { return path.Ext(name) } // .gz, .log, .yaml
	for _, order := range []string{".gz .log .yaml", ".log .gz .yaml", ".yaml .gz .log"} {
		t.Run(order, func(t *testing.T) {
			at := strings.NewReplacer(" ", "", ".", "-").Replace(order)
			inbox, lake := "inbox"+at, "lake"+at
			s := serveLake(t, server.URI(lake), "--bucket", server.URI(inbox), "--quiet-after", "1h")
			slices.SortStableFunc(names, func(a, b string) int { return strings.Index(order, kind(a)) - strings.Index(order, kind(b)) })
			for i, name := range names {
				if err := uploadTree(server, filepath.Join(source, name), inbox+"/"+name); err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					continue // this event is lost
				}
				r := s.want(200, "POST", "/v1/events", []byte(s3Event(buckettest.Name, inbox+"/"+name)))
				if late := i == len(names)-1 && kind(name) == ".yaml"; late && !strings.Contains(r.body, `"reread":6`) {
					t.Errorf("a side-car that comes last has nothing read again: %s", r.body)
				}
			}
			s.stop()
			servestat(t, "reconcile", "--lake", server.URI(lake), server.URI(inbox))
			servestat(t, "reconcile", "--lake", server.URI("at-once"+at), server.URI(inbox))
			for _, table := range []string{"runs", "requests", "log_events", "samples"} {
				if got, want := ask(lake, table), ask("at-once"+at, table); got != want {
					t.Errorf("%s, one by one:\n%.3000s\nall at once:\n%.3000s", table, got, want)
				}
			}
		})
	}
}

// Workers share a bucket and know nothing of each other.
func TestServerlessWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Skip("taskset keeps workers to their cores, on Linux: ", err)
	}
	server := buckettest.Start(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	logs := filepath.Join(t.TempDir(), "logs")
	servestat(t, "simulate", "--out", logs, "--versions", "0.20.0", "--change", "", "--concurrency", "16", "--runs", fmt.Sprint(lengths(96, 4)), "--requests-per-user", fmt.Sprint(lengths(40, 4)), "--output-len", "256")
	if err := uploadTree(server, logs, "inbox"); err != nil {
		t.Fatal(err)
	}
	levels, repeats := []int{1, 2, 4, 8}, lengths(3, 1)
	if !serverless {
		levels = levels[:2]
	}
	bytes := float64(0)
	for _, data := range readTree(logs) {
		bytes += float64(len(data))
	}
	best := map[int]effort{} // of repeats: others work on the machine, too
	var points []curve.Point
	for r := range repeats {
		for _, n := range levels {
			lake := fmt.Sprintf("lake-%d-%d", n, r)
			did := work(t, server, lake, n)
			points = append(points, curve.Point{X: float64(n), Y: bytes / did.wall.Seconds()})
			best[n] = did.orBetter(best[n])
			if diff := diffTrees(filepath.Join(server.Root, "lake-1-0"), filepath.Join(server.Root, lake)); diff != "" {
				t.Errorf("the lake of %d workers is not that of one:\n%s", n, diff)
			}
		}
	}
	var shown []string
	for _, n := range levels {
		shown = append(shown, fmt.Sprintf("%d: %.1f", n, bytes/best[n].wall.Seconds()/1e6))
	}
	if !serverless {
		return
	}
	one, two := best[1], best[2]
	fmt.Printf("bar: | workers on one bucket: MB/s, %d files, %s | %s | published with its knee: %s | |\n", countFiles(t, logs, "*/*/*.json"), machine(), strings.Join(shown, "; "), kneeOf(points))
	// The cores may be others', too. What two workers cost beyond what one does is
	// theirs alone: 2 cores / 1.8.
	cost := two.cpu.Seconds() / one.cpu.Seconds()
	bar(t, "the same work by two workers against one: processor time, the S3 server's included",
		fmt.Sprintf("%.2fx (%.1f s, of which the server's %.1f s; one: %.1f s)", cost, two.cpu.Seconds(), two.server.Seconds(), one.cpu.Seconds()), "<= 1.11x", cost <= 2/1.8)
	faster := one.wall.Seconds() / two.wall.Seconds()
	if foreign := max(one.foreign, two.foreign); foreign > 0.05 {
		fmt.Printf("bar: | two workers on two cores against one on one, the S3 server on the same | %.2fx (%s; others took %.0f %% of it) | >= 1.8x on 2 idle cores | not judged |\n", faster, machine(), 100*foreign)
		return
	}
	bar(t, "two workers on two cores against one on one, the S3 server on the same", fmt.Sprintf("%.2fx (%s)", faster, machine()), ">= 1.8x on 2 idle cores", faster >= 1.8)
}

// An effort is what it took workers to take in an inbox.
type effort struct {
	wall    time.Duration
	cpu     time.Duration // of workers and server
	server  time.Duration // of which the S3 server's
	foreign float64       // share of the machine's cores that others had
}

// orBetter takes of two efforts the lesser of each.
func (e effort) orBetter(o effort) effort {
	if o.wall == 0 {
		return e
	}
	better := effort{wall: min(e.wall, o.wall), cpu: e.cpu, server: e.server, foreign: min(e.foreign, o.foreign)}
	if o.cpu < e.cpu {
		better.cpu, better.server = o.cpu, o.server
	}
	return better
}

// work lets n processes take in the inbox, and tells what it takes them all. Each
// brings a core along, as far as there are so many, and has one of them to itself
// but for the S3 server, which runs on all that were brought: one worker shares its
// core with the server, and two workers share two. A worker reads two files at a time,
// so that its core has work while the store has not answered yet.
func work(t *testing.T, server *buckettest.Server, lake string, n int) effort {
	t.Helper()
	cores := min(n, runtime.NumCPU())
	server.Confine(t, cores)
	begin, busy, served := time.Now(), busyCores(), server.CPU()
	workers := make([]*exec.Cmd, n)
	var wg sync.WaitGroup
	for i := range n {
		workers[i] = exec.Command("taskset", "--cpu-list", fmt.Sprint(i%cores), "servestat", "ingest", "--jobs", "2", "--shard", fmt.Sprintf("%d/%d", i, n), "--cache", filepath.Join(t.TempDir(), fmt.Sprint(i)), "--lake", server.URI(lake), server.URI("inbox"))
		workers[i].Env = append(os.Environ(), "GOMAXPROCS=1")
		wg.Go(func() {
			if out, err := workers[i].CombinedOutput(); err != nil {
				t.Errorf("worker %d of %d: %v\n%s", i, n, err, out)
			}
		})
	}
	wg.Wait()
	e := effort{wall: time.Since(begin), server: server.CPU() - served}
	e.cpu = e.server
	for _, w := range workers {
		e.cpu += w.ProcessState.UserTime() + w.ProcessState.SystemTime()
	}
	all := float64(runtime.NumCPU()) * e.wall.Seconds()
	e.foreign = max(0, (busyCores()-busy-e.cpu).Seconds()/all)
	return e
}

// busyCores is the time that the machine's cores have been at work, for whomever; 0
// where the system does not say it.
func busyCores() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	ticks := 0
	for i, field := range strings.Fields(first)[1:] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0
		}
		if i != 3 && i != 4 && i < 8 { // idle, waiting for disks; guests are counted above
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// kneeOf is where more workers stop to help, by the model of servestat curve.
func kneeOf(points []curve.Point) string {
	choice, err := curve.Choose(points, curve.Throughput, curve.ChooseOptions{})
	if err != nil {
		return err.Error()
	}
	if onset, err := choice.Onset(); err == nil {
		return fmt.Sprintf("%s, saturated from %.1f workers on", choice.Model, onset.Value)
	}
	if limit, err := choice.Limit(); err == nil {
		return fmt.Sprintf("%s, at most %.1f MB/s", choice.Model, limit.Value/1e6)
	}
	return choice.Model + ", no knee within 8 workers"
}

func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d cores, load %s", runtime.NumCPU(), one)
}

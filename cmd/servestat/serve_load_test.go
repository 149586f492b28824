package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/schemas/lake"
)

// asStated reports whether the bars are to be measured as they are stated: make
// serverless-check sets SERVESTAT_SERVERLESS. A plain run of the tests is a short
// form of the same.
func asStated() bool { return os.Getenv("SERVESTAT_SERVERLESS") != "" }

// A largeResult is a detailed result of which there may be many that differ.
type largeResult struct{ head, tail string }

// newLargeResult makes one of about so many bytes.
func newLargeResult(size int) largeResult {
	const tokens = 400
	requests := max(1, size/(tokens*10))
	rng := rand.New(rand.NewPCG(1, 1))
	var lens, ttfts, itls, starts []string
	for i := range requests {
		var gaps []string
		for range tokens - 1 {
			gaps = append(gaps, fmt.Sprintf("%.6f", 0.010+0.005*rng.Float64()))
		}
		lens, ttfts, starts = append(lens, fmt.Sprint(tokens)), append(ttfts, fmt.Sprintf("%.4f", 0.1+0.1*rng.Float64())), append(starts, fmt.Sprintf("%.3f", 0.5*float64(i)))
		itls = append(itls, "["+strings.Join(gaps, ", ")+"]")
	}
	list := func(s []string) string { return "[" + strings.Join(s, ", ") + "]" }
	return largeResult{
		head: `{"date": "20260701-120000", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "m", "tokenizer_id": "m", "delivery": `,
		tail: fmt.Sprintf(`, "num_prompts": %d, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 16, "duration": %d, "completed": %d, "failed": 0,
"total_input_tokens": %d, "total_output_tokens": %d, "input_lens": %s, "output_lens": %[6]s, "ttfts": %s, "itls": %s, "start_times": %s}`,
			requests, requests+10, requests, requests*tokens, requests*tokens, list(lens), list(ttfts), list(itls), list(starts)),
	}
}

func (l largeResult) of(n int) io.Reader {
	return io.MultiReader(strings.NewReader(l.head), strings.NewReader(fmt.Sprint(100_000_000+n)), strings.NewReader(l.tail))
}

func (l largeResult) size() int64 { return int64(len(l.head) + 9 + len(l.tail)) }

// A crowd sends results, each another one, and keeps count of what was said.
type crowd struct {
	s      *served
	result largeResult
	until  context.Context

	next     atomic.Int64
	mu       sync.Mutex
	accepted map[string]bool // by name: answered with 2xx
	statuses map[int]int
	faults   []error // what no document allows
	worst    time.Duration
}

// send sends one result, by way of body, which may be slow or end early, and says
// how it was answered.
func (c *crowd) send(body func(io.Reader) io.Reader) (status int, err error) {
	n := int(c.next.Add(1))
	name := fmt.Sprintf("n%09d.json", n)
	req, err := http.NewRequest("POST", c.s.url+"/v1/uploads?name="+name, body(c.result.of(n)))
	if err != nil {
		return 0, err
	}
	req.ContentLength = c.result.size()
	begin := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[res.StatusCode]++
	c.worst = max(c.worst, time.Since(begin))
	if err := documented(req, res, text); err != nil {
		c.faults = append(c.faults, err)
	}
	if res.StatusCode/100 == 2 {
		c.accepted[name] = true
	}
	return res.StatusCode, nil
}

// steady sends one after the other, and comes again where it is told to.
func (c *crowd) steady() {
	for c.until.Err() == nil {
		status, err := c.send(func(r io.Reader) io.Reader { return r })
		switch {
		case err != nil && c.until.Err() == nil:
			c.fault(err)
		case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
			time.Sleep(time.Second)
		case status != http.StatusCreated && status != 0:
			c.fault(fmt.Errorf("status %d", status))
		}
	}
}

func (c *crowd) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, err)
}

// slow sends a piece now and then. It may be taken in or found too slow.
func (c *crowd) slow() {
	for c.until.Err() == nil {
		_, _ = c.send(func(r io.Reader) io.Reader { return &slowReader{r: r, until: c.until} })
	}
}

// cut hangs up in the middle.
func (c *crowd) cut() {
	for c.until.Err() == nil {
		_, _ = c.send(func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, rand.Int64N(c.result.size())), brokenReader{})
		})
		time.Sleep(time.Second) // or who hangs up would take all the bandwidth
	}
}

type slowReader struct {
	r     io.Reader
	until context.Context
}

func (s *slowReader) Read(p []byte) (int, error) {
	select {
	case <-s.until.Done():
		return 0, s.until.Err()
	case <-time.After(200 * time.Millisecond):
		return s.r.Read(p[:min(len(p), 16<<10)])
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("cut") }

// Under load, senders that are too slow and senders that hang up among it, the server
// answers with what the document allows and keeps to its memory; killed in the middle
// and started again, it has everything that it said it had, and once.
func TestServerlessServeUnderLoad(t *testing.T) {
	clients, size, lasting := 40, 200_000, 4*time.Second
	if asStated() {
		clients, size, lasting = 200, 5_000_000, time.Minute
	}
	dir := filepath.Join(t.TempDir(), "lake")
	s := serveLake(t, dir, "--audit-log", filepath.Join(t.TempDir(), "audit"), "--idle-timeout", "10s")
	until, stop := context.WithTimeout(t.Context(), lasting)
	defer stop()
	c := &crowd{s: s, result: newLargeResult(size), until: until, accepted: map[string]bool{}, statuses: map[int]int{}}
	done, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- peakMemory(s.cmd.Process.Pid, done) }()
	var all sync.WaitGroup
	for i := range clients {
		switch i % 20 {
		case 0:
			all.Go(c.slow)
		case 1:
			all.Go(c.cut)
		default:
			all.Go(c.steady)
		}
	}
	<-until.Done()
	close(done)
	mebibytes := <-peak
	s.kill() // in the middle of what is on its way
	all.Wait()

	calibrate.Bar(t, fmt.Sprintf("serve under load, %d uploads of %.1f MB at a time for %v: answers that are not documented", clients, float64(c.result.size())/1e6, lasting), float64(len(c.faults)), calibrate.AtMost(0))
	for _, err := range c.faults[:min(len(c.faults), 5)] {
		t.Error(err)
	}
	calibrate.Bar(t, "the same: memory of the server, MiB (--memory is 512)", float64(mebibytes), calibrate.AtMost(512))
	calibrate.Figure("the same: uploads taken in a second", float64(len(c.accepted))/lasting.Seconds())
	calibrate.Figure("the same: longest answer, s", c.worst.Seconds())
	t.Logf("%d taken in; answers %v", len(c.accepted), c.statuses)
	if len(c.accepted) == 0 {
		t.Error("nothing was taken in: the test shows nothing")
	}

	again := serveLake(t, dir, "--audit-log", filepath.Join(t.TempDir(), "audit"))
	again.want(200, "GET", "/readyz", nil)
	again.stop()
	lost, double := compareLake(t, dir, c.accepted)
	calibrate.Bar(t, "the same, killed with -9 and started again: uploads that were answered and are not there", float64(lost), calibrate.AtMost(0))
	calibrate.Bar(t, "the same: uploads that are there twice", float64(double), calibrate.AtMost(0))
	if code, out := answers(t, "lake", "check", "--lake", dir); code != exitOK {
		t.Errorf("lake check: %s", out)
	}
}

// compareLake counts the uploads that a lake should have and has not, and those that
// it has twice.
func compareLake(t *testing.T, dir string, accepted map[string]bool) (lost, double int) {
	t.Helper()
	l, err := lake.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, m := range ms {
		times[m.SourceName]++
	}
	for _, name := range slices.Sorted(maps.Keys(accepted)) {
		if times[name] == 0 {
			lost++
		}
	}
	for _, n := range times {
		if n > 1 {
			double++
		}
	}
	return lost, double
}

// Killed again and again and started again, and everything sent until it is answered:
// the lake is, byte for byte, the one of a server that nobody killed.
func TestServeKilledAtRandomPoints(t *testing.T) {
	result := newLargeResult(100_000)
	const uploads = 24
	all := func(s *served, from int) (sent int) {
		for n := from; n < uploads; n++ {
			data, err := io.ReadAll(result.of(n))
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.try("PUT", fmt.Sprintf("/v1/uploads/n%02d.json", n), data)
			if err != nil || r.status/100 != 2 {
				return n
			}
		}
		return uploads
	}
	whole := serveLake(t, filepath.Join(t.TempDir(), "whole"), "--quiet-after", "1h")
	begin := time.Now()
	if n := all(whole, 0); n != uploads {
		t.Fatalf("%d of %d", n, uploads)
	}
	took := time.Since(begin)
	whole.stop()

	killed := filepath.Join(t.TempDir(), "killed")
	rng := rand.New(rand.NewPCG(1, 1))
	for from, kills := 0, 0; from < uploads; kills++ {
		s := serveLake(t, killed, "--quiet-after", "1h")
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took/2))), func() { _ = s.cmd.Process.Kill() })
		from = all(s, from)
		if timer.Stop() {
			s.stop()
		} else {
			<-s.err
		}
		if from == uploads && kills == 0 {
			t.Error("no kill came in time: the test shows nothing")
		}
	}
	last := serveLake(t, killed, "--quiet-after", "1h")
	last.want(200, "PUT", "/v1/uploads/n00.json", readAll(t, result.of(0)))
	last.stop()
	wantSame(t, whole.lake, killed)
}

func readAll(t *testing.T, r io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Told to stop, the server takes no more on and finishes what it has; what is not
// done in time it gives up whole.
func TestServeStops(t *testing.T) {
	for _, c := range []struct {
		drain  string
		status string
		runs   string
	}{{"30s", "HTTP/1.1 201 ", "n\n1\n"}, {"200ms", "", "n\n0\n"}} {
		s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--drain", c.drain)
		s.want(200, "GET", "/readyz", nil)
		text := hostileResult("")
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/uploads?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(text), text[:100])
		eventually(t, "it is on its way", func() bool { return s.gauge("servestat_uploads_in_flight") == "1" })
		go func() {
			time.Sleep(time.Second) // after it was told to stop
			fmt.Fprint(conn, text[100:])
		}()
		s.stop()
		answer, _ := io.ReadAll(conn)
		if c.status != "" && !strings.HasPrefix(string(answer), c.status) || c.status == "" && len(answer) > 0 {
			t.Errorf("--drain %s: %.200q", c.drain, answer)
		}
		if _, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
			t.Error("it listens still")
		}
		if _, out := answers(t, "sql", "--lake", s.lake, "--format", "csv", "select count(*) as n from runs"); out != c.runs {
			t.Errorf("--drain %s: %q", c.drain, out)
		}
		if code, out := answers(t, "lake", "check", "--lake", s.lake); code != exitOK {
			t.Errorf("%s", out)
		}
		if _, err := os.Stat(filepath.Join(s.lake, "tmp")); err == nil {
			t.Error("something is left in tmp")
		}
	}
}

// A batch has one session, and sessions end: servestat lake gc has its turn while
// uploads go on coming.
func TestServeLetsGCIn(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--quiet-after", "1h")
	until, stop := context.WithCancel(t.Context())
	c := &crowd{s: s, result: newLargeResult(50_000), until: until, accepted: map[string]bool{}, statuses: map[int]int{}}
	var all sync.WaitGroup
	for range 4 {
		all.Go(c.steady)
	}
	eventually(t, "uploads come", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.accepted) > 4 })
	begin := time.Now()
	if out := servestat(t, "lake", "gc", "--lake", s.lake, "--grace", "0s"); !strings.Contains(out, "removed") {
		t.Errorf("%s", out)
	}
	t.Logf("gc waited %v", time.Since(begin))
	stop()
	all.Wait()
	s.stop()
	if lost, _ := compareLake(t, s.lake, c.accepted); lost > 0 || len(c.faults) > 0 {
		t.Errorf("%d lost; %v", lost, c.faults)
	}
}

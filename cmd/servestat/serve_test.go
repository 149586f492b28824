package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/servestat/servestat/ingest/archive/archivetest"
	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// served is a servestat serve that runs.
type served struct {
	t    *testing.T
	url  string
	lake string
	cmd  *exec.Cmd
	talk *talkOf
	err  chan error
}

// talkOf collects what a process says, and tells when it says where it listens.
type talkOf struct {
	mu    sync.Mutex
	text  bytes.Buffer
	at    chan string
	found bool
}

var listening = regexp.MustCompile(`servestat: serving .* on (https?://\S+)\n`)

func (t *talkOf) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p)
	if m := listening.FindSubmatch(t.text.Bytes()); m != nil && !t.found {
		t.found = true
		t.at <- string(m[1])
	}
	return len(p), nil
}

func (t *talkOf) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// serveLake starts a server over a lake, and stops it at the end of the test.
func serveLake(t *testing.T, lake string, args ...string) *served {
	t.Helper()
	s := &served{t: t, lake: lake, talk: &talkOf{at: make(chan string, 1)}, err: make(chan error, 1)}
	s.cmd = exec.Command("servestat", append([]string{"serve", "-v", "--lake", lake, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Stderr = s.talk
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.err <- s.cmd.Wait() }()
	t.Cleanup(func() { s.cmd.Process.Kill() })
	select {
	case s.url = <-s.talk.at:
	case err := <-s.err:
		t.Fatalf("serve ended: %v\n%s", err, s.talk)
	case <-time.After(time.Minute):
		t.Fatalf("serve does not say where it listens:\n%s", s.talk)
	}
	return s
}

// stop tells the server to stop, and wants it to.
func (s *served) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.err:
		if err != nil {
			s.t.Errorf("stopped with %v\n%s", err, s.talk)
		}
	case <-time.After(time.Minute):
		s.t.Fatalf("does not stop:\n%s", s.talk)
	}
}

// kill ends the server as a power cut would.
func (s *served) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.err
}

// A reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// in reads the answer as JSON.
func (r reply) in(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("%d %.500s: %v", r.status, r.body, err)
	}
}

// do asks, with headers as "Name: value", and holds the answer against the OpenAPI
// document. It may be called from several goroutines.
func (s *served) do(method, path string, body []byte, headers ...string) reply {
	s.t.Helper()
	r, err := s.try(method, path, body, headers...)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	return r
}

func (s *served) try(method, path string, body []byte, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{res.StatusCode, res.Header, string(text)}, documented(req, res, text)
}

// want asks and wants a status.
func (s *served) want(status int, method, path string, body []byte, headers ...string) reply {
	s.t.Helper()
	r := s.do(method, path, body, headers...)
	if r.status != status {
		s.t.Errorf("%s %s: %d, want %d: %.500s", method, path, r.status, status, r.body)
	}
	return r
}

var openAPI = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("serve/openapi.yaml")
	if err != nil {
		return nil, err
	}
	for _, media := range []string{"text/html", "text/csv", "text/markdown", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "application/x-ndjson"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	return legacy.NewRouter(doc)
})

// documented says where an answer is another than the OpenAPI document allows. What
// is not in the document must not be there.
func documented(req *http.Request, res *http.Response, body []byte) error {
	router, err := openAPI()
	if err != nil {
		return err
	}
	at := req.Clone(context.Background())
	at.URL.Host, at.URL.Scheme, at.Host = "", "", ""
	if rest, ok := strings.CutPrefix(at.URL.Path, "/v1/uploads/"); ok && rest != "" {
		at.URL.Path, at.URL.RawPath = "/v1/uploads/name", "" // of several steps, which templates do not know
	}
	route, params, err := router.FindRoute(at)
	if err != nil {
		if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
			return nil
		}
		return fmt.Errorf("%d, and the document has no %s %s: %w", res.StatusCode, req.Method, req.URL.Path, err)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: at, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		return fmt.Errorf("another answer than documented: %w", err)
	}
	return nil
}

// auditOf reads an audit log, of which each line is JSON.
func auditOf(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, e)
	}
	return out
}

// eventually waits for something that happens beside requests.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// bundledArchive is the bundled logs in one zip, called logs.
func bundledArchive(t *testing.T) []byte {
	t.Helper()
	members, err := archivetest.Folder("testdata/demo/logs")
	if err != nil {
		t.Fatal(err)
	}
	return archivetest.Zip(members...)
}

// What is uploaded ends in the same bytes as what is ingested and analysed by
// commands; and then runs, reports and SQL are there. Every answer is what the
// OpenAPI document says.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.jsonl")
	s := serveLake(t, filepath.Join(dir, "lake"), "--audit-log", log, "--quiet-after", "100ms")
	if r := s.want(200, "GET", "/healthz", nil); r.body != "ok\n" {
		t.Errorf("%q", r.body)
	}
	s.want(200, "GET", "/readyz", nil)
	if r := s.want(200, "GET", "/v1/reports/", nil); !strings.Contains(r.body, "Nothing came in yet") {
		t.Errorf("%s", r.body)
	}
	archive := bundledArchive(t)
	var up struct {
		Outcome string
		Files   []struct {
			SourceName string `json:"source_name"`
			Known      bool
			Runs       []struct {
				RunID string `json:"run_id"`
			}
		}
	}
	s.want(201, "POST", "/v1/uploads?name=logs", archive).in(t, &up)
	if up.Outcome != "ingested" || len(up.Files) != 62 || !strings.HasPrefix(up.Files[0].SourceName, "logs/0.19.0/") {
		t.Errorf("%d files, %+v", len(up.Files), up.Files[0])
	}
	s.want(200, "PUT", "/v1/uploads/logs", archive).in(t, &up) // as curl -T does
	if up.Outcome != "known" || len(up.Files) != 62 || !up.Files[0].Known {
		t.Errorf("again: %s, %d files", up.Outcome, len(up.Files))
	}
	eventually(t, "analysis", func() bool { return strings.Contains(s.talk.String(), "4 units") })

	var runs struct{ Rows []map[string]any }
	s.want(200, "GET", "/v1/runs?limit=3&runtime_version=0.20.0", nil).in(t, &runs)
	if len(runs.Rows) != 3 || runs.Rows[0]["runtime_version"] != "0.20.0" {
		t.Errorf("%v", runs.Rows)
	}
	s.want(400, "GET", "/v1/runs?limit=1000000", nil)

	ask := `{"sql": "select count(*) as n from runs where runtime_version = $v", "params": {"v": "0.20.0"}, "format": "csv"}`
	if r := s.want(200, "POST", "/v1/sql", []byte(ask), "Content-Type: application/json"); r.body != "n\n30\n" || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%q %s", r.body, r.header)
	}
	for accept, begins := range map[string]string{"application/vnd.apache.parquet": "PAR1", "application/vnd.apache.arrow.stream": "\xff\xff\xff\xff", "application/x-ndjson": `{"n":60}`, "text/markdown": "|", "*/*": `{"schema":"servestat.sql/1"`} {
		if r := s.want(200, "POST", "/v1/sql", []byte("select count(*) as n from runs"), "Content-Type: application/sql", "Accept: "+accept); !strings.HasPrefix(r.body, begins) {
			t.Errorf("%s: %q", accept, r.body)
		}
	}
	if r := s.want(400, "POST", "/v1/sql", []byte("select nonsense from runs"), "Content-Type: text/plain"); !strings.Contains(r.body, "nonsense") || strings.Contains(r.body, dir) {
		t.Errorf("%s", r.body)
	}
	s.want(415, "POST", "/v1/sql", []byte("select 1"), "Content-Type: application/x-www-form-urlencoded")

	index := s.want(200, "GET", "/v1/reports/", nil)
	for _, want := range []string{"60 runs in the lake", "4 units, ", "/v1/reports/weekly/2026-W47", "And 10 older ones"} {
		if !strings.Contains(index.body, want) {
			t.Errorf("the index has no %q:\n%s", want, index.body)
		}
	}
	page := s.want(200, "GET", "/v1/reports/weekly/2026-W47", nil)
	if !strings.Contains(page.body, "Regressed") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s %.300s", page.header, page.body)
	}
	begin := time.Now()
	if again := s.want(200, "GET", "/v1/reports/weekly/2026-W47", nil); again.body != page.body || time.Since(begin) > time.Second {
		t.Errorf("the second time it took %v", time.Since(begin))
	}
	s.want(200, "GET", "/v1/reports/run/"+fmt.Sprint(runs.Rows[0]["run_id"])[:12], nil)
	s.want(404, "GET", "/v1/reports/nonsense", nil)
	s.want(422, "GET", "/v1/reports/weekly/2026-W99", nil)
	s.want(404, "GET", "/nowhere", nil)
	if r := s.want(200, "GET", "/metrics", nil); !strings.Contains(r.body, `servestat_uploads_total{outcome="ingested"} 1`) || !strings.Contains(r.body, `servestat_analysis_units_total{outcome="computed"} 4`) {
		t.Errorf("%s", r.body)
	}
	s.want(200, "GET", "/v1/openapi.yaml", nil)
	s.stop()

	commands := filepath.Join(dir, "commands")
	zip := filepath.Join(dir, "logs")
	writeFileOf(t, zip, archive)
	servestat(t, "ingest", "--lake", commands, zip)
	servestat(t, "analyze", "--lake", commands)
	wantSame(t, commands, s.lake)

	entries := auditOf(t, log)
	if e := entries[1]; e["action"] != "POST /v1/uploads" || e["status"] != 201.0 || e["outcome"] != "ingested" || e["who"] != "local" || e["name"] != "logs" || e["sha256"] == nil {
		t.Errorf("%v", e)
	}
}

// A run that comes in later has its own series, comparison and history analysed, and
// what it does not touch is reused.
func TestServeAnalysesWhatIsNew(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--quiet-after", "100ms")
	up := func(version, c string) {
		t.Helper()
		name := version + "/" + c + "/run1.json.gz"
		data, err := os.ReadFile("testdata/demo/logs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s.want(201, "PUT", "/v1/uploads/"+name+"?label=hardware=H100&label=runtime_version="+version, data)
	}
	up("0.19.0", "c1")
	up("0.20.0", "c1")
	eventually(t, "the first analysis", func() bool { return strings.Contains(s.talk.String(), "analyze: 4 units") })
	up("0.20.0", "c2")
	eventually(t, "the second analysis", func() bool { return strings.Contains(s.talk.String(), "analyze: 4 units, 1 reused") })
}

// The same upload delivered 100 times by 16 senders at once is one block, one
// manifest and one set of rows, and each sender hears that it is there.
func TestServeTakesOneUploadOnce(t *testing.T) {
	data, err := os.ReadFile("testdata/demo/logs/0.20.0/c8/run1.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	var all sync.WaitGroup
	jobs := make(chan int)
	for range 16 {
		all.Go(func() {
			for range jobs {
				if r := s.do("POST", "/v1/uploads?name=run1.json.gz", data); r.status != 200 && r.status != 201 {
					t.Errorf("%d %s", r.status, r.body)
				}
			}
		})
	}
	for i := range 100 {
		jobs <- i
	}
	close(jobs)
	all.Wait()
	s.stop()
	once := filepath.Join(t.TempDir(), "once")
	servestat(t, "ingest", "--lake", once, "--format", "json", "testdata/demo/logs/0.20.0/c8/run1.json.gz")
	for _, table := range []string{"manifests", "receipts", "blocks", "raw"} {
		if got, want := filesBelow(t, filepath.Join(s.lake, table)), filesBelow(t, filepath.Join(once, table)); got != want {
			t.Errorf("%d files in %s, want %d", got, table, want)
		}
	}
	if _, out := answers(t, "sql", "--lake", s.lake, "--format", "csv", "select count(*) as n from requests"); out != "n\n32\n" {
		t.Errorf("%s", out)
	}
}

func filesBelow(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An event is a hint: the object is read, whatever the event says of it, and only out
// of a bucket that is listed.
func TestServeEvents(t *testing.T) {
	dir := t.TempDir()
	bucket := filepath.Join(dir, "bucket")
	copyTree(t, "testdata/demo/logs/0.20.0/c8", filepath.Join(bucket, "inbox"))
	writeFileOf(t, filepath.Join(bucket, "inbox", "empty.json"), nil)
	writeFileOf(t, filepath.Join(bucket, "inbox", "notes.txt"), []byte("nothing\n"))
	writeFileOf(t, filepath.Join(dir, "secret.json"), []byte(hostileResult("")))
	if err := os.Symlink(filepath.Join(dir, "secret.json"), filepath.Join(bucket, "secret.json")); err != nil {
		t.Fatal(err)
	}
	s := serveLake(t, filepath.Join(dir, "lake"), "--bucket", "results="+bucket)
	event := func(bucket, key string) []byte {
		return fmt.Appendf(nil, `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"size":1,"eTag":"x"}}}]}`, bucket, key)
	}
	for _, c := range []struct {
		bucket, key, want string
		status            int
	}{
		{"results", "inbox/run1.json.gz", `"outcome":"ingested"`, 200},
		{"results", "inbox/run1.json.gz", `"outcome":"known"`, 200},
		{"results", "inbox/gone.json.gz", `"outcome":"absent"`, 200},
		{"results", "inbox/empty.json", `"outcome":"absent","why":"there is no such object now, or it is empty`, 200},
		{"results", "inbox/notes.txt", `"outcome":"skipped","why":"no benchmark result`, 200},
		{"results", "secret.json", `"outcome":"absent"`, 200}, // a link that leads out of the folder
		{"results", "inbox", `"outcome":"absent"`, 200},
		{"other", "inbox/run1.json.gz", `none of the objects may be read`, 403},
		{"results", "../audit", `none of the objects may be read`, 403},
	} {
		if r := s.want(c.status, "POST", "/v1/events", event(c.bucket, c.key)); !strings.Contains(r.body, c.want) {
			t.Errorf("%s %s: %s, want %s", c.bucket, c.key, r.body, c.want)
		}
	}
	s.want(400, "POST", "/v1/events", []byte(`{"a": 1}`))
	if r := s.want(200, "POST", "/v1/events", []byte(`[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d"}}]`)); !strings.Contains(r.body, `"validationResponse":"512d"`) {
		t.Errorf("%s", r.body)
	}
	if r := s.want(200, "OPTIONS", "/v1/events", nil, "WebHook-Request-Origin: eventgrid.azure.net"); r.header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" {
		t.Errorf("%s", r.header)
	}
	s.want(400, "OPTIONS", "/v1/events", nil)
	binary := []string{"Ce-Specversion: 1.0", "Ce-Type: google.cloud.storage.object.v1.finalized", "Content-Type: application/json"}
	if r := s.want(200, "POST", "/v1/events", []byte(`{"bucket":"results","name":"inbox/run2.json.gz"}`), binary...); !strings.Contains(r.body, `"outcome":"ingested"`) {
		t.Errorf("%s", r.body)
	}
	s.stop()
	if _, out := answers(t, "sql", "--lake", s.lake, "--format", "csv", "select source_name from runs order by all"); out != "source_name\nresults/inbox/run1.json.gz\nresults/inbox/run2.json.gz\n" {
		t.Errorf("%s", out)
	}
}

// Traces go to where the environment says, with a span for each request and for what
// it led to.
func TestServeSendsTraces(t *testing.T) {
	var spans bytes.Buffer
	var mu sync.Mutex
	collector := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&spans, r.Body)
	})}
	l := listenLocal(t)
	go func() { _ = collector.Serve(l) }()
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	data, err := os.ReadFile("testdata/demo/logs/0.20.0/c8/run1.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	s.want(201, "POST", "/v1/uploads", data, "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	s.stop()
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"POST /v1/uploads", "ingest", "servestat", "\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36"} {
		if !strings.Contains(spans.String(), want) {
			t.Errorf("the collector got no %q", want)
		}
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The lake may lie in a bucket: nothing of serve knows the difference.
func TestServeIntoABucket(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	s := serveLake(t, server.URI("lake"), "--quiet-after", "100ms")
	s.want(201, "POST", "/v1/uploads?name=a.json", []byte(hostileResult("")))
	s.want(200, "POST", "/v1/uploads?name=a.json", []byte(hostileResult("")))
	if r := s.want(200, "GET", "/v1/runs", nil); !strings.Contains(r.body, `"source_name":"a.json"`) {
		t.Errorf("%s", r.body)
	}
	eventually(t, "analysis", func() bool { return strings.Contains(s.talk.String(), "analyze: ") })
	s.stop()
}

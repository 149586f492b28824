package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/servestat/servestat/ingest/archive/archivetest"
)

// alive wants the server to go on, with nothing left of what was sent.
func (s *served) alive() {
	s.t.Helper()
	s.want(200, "GET", "/healthz", nil)
}

// gauge reads one of the server's own figures.
func (s *served) gauge(name string, headers ...string) string {
	s.t.Helper()
	for _, line := range strings.Split(s.want(200, "GET", "/metrics", nil, headers...).body, "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	s.t.Errorf("no %s", name)
	return ""
}

// raw sends bytes as they are and reads what comes back until the server closes, or
// for a while.
func (s *served) raw(request string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// Whatever ingest refuses, serve refuses likewise: an answer, no crash, flat memory,
// and a good upload beside it is taken in.
func TestServeHostileUploads(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--quiet-after", "1h")
	done := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- peakMemory(s.cmd.Process.Pid, done) }()
	for _, h := range hostile {
		data, want := h.data(), map[int]int{0: 201, 3: 422}[h.exit]
		if len(data) == 0 {
			want = 400
		}
		if r := s.want(want, "POST", "/v1/uploads?name="+h.name, data); !strings.Contains(r.body, "servestat.upload/1") && want != 400 {
			t.Errorf("%s: %.300s", h.name, r.body)
		}
	}
	evil := archivetest.Tar(archivetest.Member{Name: "../../escaped.json", Text: hostileResult("")}, archivetest.Member{Name: "/etc/escaped.json", Text: hostileResult("")})
	if r := s.want(422, "POST", "/v1/uploads?name=evil.tar", evil); !strings.Contains(r.body, "rejects") {
		t.Errorf("%s", r.body)
	}
	s.want(201, "POST", "/v1/uploads?name=good.json", []byte(hostileResult(`"good": 1, `)))
	s.alive()
	close(done)
	if mebibytes := <-peak; mebibytes > 400 {
		t.Errorf("%d MiB of memory", mebibytes)
	}
	if n := s.gauge("servestat_spool_bytes"); n != "0" {
		t.Errorf("%s bytes are left in the spool", n)
	}
}

// What is said of an upload is text, and no place; and what is too long, or no file,
// is refused before it is read.
func TestServeRefusesBeforeItReads(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--max-upload", "1MiB")
	good := []byte(hostileResult(""))
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "a/../../b", "a\x00b", "a\nb", "..", `..\..\x`, "a//b", strings.Repeat("n", 2000), "\xff"} {
		s.want(400, "POST", "/v1/uploads?name="+url.QueryEscape(name), good)
		if name != ".." { // which clients and the server take out of a path before anybody looks at it
			s.want(400, "PUT", "/v1/uploads/"+url.PathEscape(name), good)
		}
	}
	s.want(400, "POST", "/v1/uploads", good, `Content-Disposition: attachment; filename="../x"`)
	for _, label := range []string{"novalue", "=x", "max_concurrency=many", "k=" + strings.Repeat("v", 5000), "k=a\nb"} {
		s.want(400, "POST", "/v1/uploads?label="+url.QueryEscape(label), good)
	}
	s.want(415, "POST", "/v1/uploads", good, "Content-Type: multipart/form-data; boundary=x")
	s.want(400, "POST", "/v1/uploads", nil)
	s.want(413, "POST", "/v1/uploads", bytes.Repeat([]byte(" "), 1<<20+1))
	answer := s.raw("POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 413 ") { // and not 100 Continue
		t.Errorf("%s", answer)
	}
	var chunked strings.Builder
	chunked.WriteString("POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 20 {
		fmt.Fprintf(&chunked, "10000\r\n%s\r\n", strings.Repeat(" ", 1<<16))
	}
	if answer := s.raw(chunked.String() + "0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
		t.Errorf("%.300s", answer)
	}
	if answer := s.raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("%.300s", answer)
	}
	s.alive()
	if n := s.gauge("servestat_spool_bytes"); n != "0" {
		t.Errorf("%s bytes are left in the spool", n)
	}
	if _, err := os.Stat(filepath.Join(s.lake, "manifests")); err == nil {
		t.Error("something was taken in")
	}
}

// A proxy that ends a body elsewhere than we do would let a sender put a request of
// its choice before another's. Such a request is not answered.
func TestServeIsNotSmuggled(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	const hidden = "GET /v1/openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, request := range map[string]string{
		"length and chunks":        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and more":          "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + hidden,
		"two lengths":              "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 60\r\n\r\nx" + hidden,
		"an unknown encoding":      "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"an encoding, twice":       "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"a space before the colon": "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a negative length":        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n" + hidden,
		"two hosts":                "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n" + hidden,
		"HTTP/2 without asking":    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
	} {
		answer := s.raw(request)
		if n := strings.Count(answer, "HTTP/1.1 "); n != 1 || strings.Contains(answer, "openapi: 3") {
			t.Errorf("%s: %d answers:\n%.600s", name, n, answer)
		}
	}
	s.alive()
}

// Without credentials, only this machine's own programs may call: not a web page that
// made a name point to 127.0.0.1, and not one of another origin.
func TestServeOnLoopbackIsNotForWebPages(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	if answer := s.raw("GET /v1/runs HTTP/1.1\r\nHost: evil.example:8080\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 421 ") {
		t.Errorf("%.300s", answer)
	}
	s.want(403, "POST", "/v1/uploads", []byte(hostileResult("")), "Origin: https://evil.example")
	s.want(403, "POST", "/v1/sql", []byte("select 1"), "Content-Type: text/plain", "Sec-Fetch-Site: cross-site")
	s.want(201, "POST", "/v1/uploads", []byte(hostileResult("")), "X-Forwarded-Host: evil.example")
	s.alive()
}

// Whoever sends a byte now and then holds a connection for so long and no longer, and
// keeps nobody else out.
func TestServeSlowClients(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--idle-timeout", "1s", "--max-uploads", "40")
	var slow []net.Conn
	for i := range 60 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		head := "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n{"
		if i%3 == 0 {
			head = "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
		}
		fmt.Fprint(c, head)
		slow = append(slow, c)
	}
	begin := time.Now()
	eventually(t, "a slot, of 40 that 40 hold who are too slow", func() bool {
		r := s.do("POST", "/v1/uploads?name=a", []byte(hostileResult("")))
		if r.status != 201 && (r.status != 503 || r.header.Get("Retry-After") == "") {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return r.status == 201
	})
	for i, c := range slow {
		fmt.Fprint(c, "x")
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		answer, err := io.ReadAll(c)
		// A reset is a close too: it comes of closing on bytes that nobody read.
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("connection %d is open after %v: %v", i, time.Since(begin), err)
		}
		if i%3 != 0 && !bytes.Contains(answer, []byte("HTTP/1.1 408 ")) && !bytes.Contains(answer, []byte("HTTP/1.1 503 ")) {
			t.Errorf("connection %d: %.200q", i, answer)
		}
	}
	s.alive()
	if n := s.gauge("servestat_uploads_in_flight"); n != "0" {
		t.Errorf("%s uploads are on their way still", n)
	}
}

// A sender that hangs up in the middle leaves nothing, and one that hangs up when all
// is sent has sent it.
func TestServeCutConnections(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	text := hostileResult("")
	for n := range 20 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(text), text[:len(text)*n/20])
		c.Close()
	}
	eventually(t, "nothing on its way", func() bool {
		return s.gauge("servestat_uploads_in_flight") == "0" && s.gauge("servestat_spool_bytes") == "0"
	})
	if _, err := os.Stat(filepath.Join(s.lake, "manifests")); err == nil {
		t.Fatal("half an upload was taken in")
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /v1/uploads?name=whole HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	c.Close()
	eventually(t, "the whole one is there", func() bool {
		r := s.want(200, "GET", "/v1/runs", nil)
		return strings.Contains(r.body, `"source_name":"whole"`)
	})
}

// Statements over HTTP are those that servestat sql --contained refuses: none gets
// out of the lake, and none goes on past its deadline.
func TestServeHostileStatements(t *testing.T) {
	dir := t.TempDir()
	s := serveLake(t, filepath.Join(dir, "lake"), "--timeout", "2s", "--max-memory", "256MB", "--row-limit", "1000")
	s.want(201, "POST", "/v1/uploads?name=a", []byte(hostileResult("")))
	for _, statement := range hostileStatements(filepath.Join(s.lake, "blocks"), dir) {
		r := s.do("POST", "/v1/sql", []byte(statement), "Content-Type: application/sql")
		if r.status != 400 || strings.Contains(r.body, "root:x:0") {
			t.Errorf("%.100q: %d %.300s", statement, r.status, r.body)
		}
	}
	for _, greedy := range []string{"SELECT length(repeat('x', 2000000000))", "SELECT count(*) FROM range(1000000) a, range(1000000) b", "SELECT * FROM range(2000)"} {
		begin := time.Now()
		s.want(400, "POST", "/v1/sql", fmt.Appendf(nil, `{"sql": %q, "timeout_s": 3600, "row_limit": 1000000000}`, greedy), "Content-Type: application/json")
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("%s took %v", greedy, took)
		}
	}
	for _, body := range []string{`{"sql": "select 1", "lake": "/"}`, `{"sql": "select $a", "params": {"a=b --lake": "x"}}`, `{"sql": "select 1", "format": "table --out /tmp/x"}`, `{`, `[]`, `{"sql": ""}`, `{"sql": "select 1", "timeout_s": -1}`} {
		s.want(400, "POST", "/v1/sql", []byte(body), "Content-Type: application/json")
	}
	s.alive()
}

// twoTenants is a server of tenants a and b, each with a token for everything but the
// server's own figures, and with a bucket.
func twoTenants(t *testing.T) (s *served, tokens map[string]string, log string) {
	t.Helper()
	dir := t.TempDir()
	file, log := filepath.Join(dir, "access.yaml"), filepath.Join(dir, "audit.jsonl")
	secret := filepath.Join(dir, "secret")
	writeFileOf(t, secret, []byte("whsec_"+base64.StdEncoding.EncodeToString(webhookSecret)))
	writeFileOf(t, file, fmt.Appendf(nil, "webhooks: [{name: hook, secret_file: %q, tenant: a}]\nbuckets:\n- {name: a-results, folder: %q, tenant: a}\n- {name: b-results, folder: %q, tenant: b}\n", secret, dir+"/a", dir+"/b"))
	tokens = map[string]string{}
	for _, tenant := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, tenant), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFileOf(t, filepath.Join(dir, tenant, "r.json"), []byte(hostileResult(fmt.Sprintf(`"of": %q, `, tenant))))
		tokens[tenant] = "Authorization: Bearer " + strings.TrimSpace(servestat(t, "token", "--access", file, "--scope", "upload,read,sql", "--tenant", tenant, tenant))
	}
	tokens["uploader"] = "Authorization: Bearer " + strings.TrimSpace(servestat(t, "token", "--access", file, "--scope", "upload", "--tenant", "a", "uploader"))
	tokens["admin"] = "Authorization: Bearer " + strings.TrimSpace(servestat(t, "token", "--access", file, "--scope", "admin", "--tenant", "a", "admin"))
	return serveLake(t, filepath.Join(dir, "lakes"), "--access", file, "--audit-log", log), tokens, log
}

var webhookSecret = []byte("0123456789abcdef0123456789abcdef")

// Whose lake is read and written follows from the credential, and from nothing that
// a caller can say.
func TestServeTenants(t *testing.T) {
	s, tokens, log := twoTenants(t)
	for _, tenant := range []string{"a", "b"} {
		s.want(201, "POST", "/v1/uploads?name=of-"+tenant, []byte(hostileResult(fmt.Sprintf(`"tenant": %q, `, tenant))), tokens[tenant])
	}
	pretend := []string{tokens["a"], "X-Scope-OrgID: b", "X-Tenant: b", "Tenant: b", "X-Forwarded-User: b", "X-HTTP-Method-Override: DELETE"}
	for _, path := range []string{"/v1/runs", "/v1/runs?tenant=b", "/v1/reports/", "/v1/reports/?tenant=b&lake=../b"} {
		if r := s.want(200, "GET", path, nil, pretend...); !strings.Contains(r.body, "of-a") || strings.Contains(r.body, "of-b") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	var rows struct{ Rows []map[string]any }
	s.want(200, "GET", "/v1/runs", nil, tokens["b"]).in(t, &rows)
	s.want(200, "GET", "/v1/reports/run/"+fmt.Sprint(rows.Rows[0]["run_id"]), nil, tokens["b"])
	s.want(422, "GET", "/v1/reports/run/"+fmt.Sprint(rows.Rows[0]["run_id"]), nil, tokens["a"])
	other := filepath.Join(filepath.Dir(s.lake), "lakes", "b")
	for _, statement := range []string{"select * from read_parquet('" + other + "/blocks/*/*/*/*.parquet')", "select * from '../b/blocks/v1/runs/*/*.parquet'", "select * from glob('../b/**')"} {
		s.want(400, "POST", "/v1/sql", []byte(statement), tokens["a"], "Content-Type: text/plain")
	}
	event := func(bucket string) []byte { return fmt.Appendf(nil, `{"bucket": %q, "key": "r.json"}`, bucket) }
	s.want(403, "POST", "/v1/events", event("b-results"), tokens["a"])
	s.want(200, "POST", "/v1/events", event("a-results"), tokens["a"])
	s.stop()
	for tenant, want := range map[string]string{"a": "source_name\na-results/r.json\nof-a\n", "b": "source_name\nof-b\n"} {
		if _, out := answers(t, "sql", "--lake", filepath.Join(s.lake, tenant), "--format", "csv", "select source_name from runs order by all"); out != want {
			t.Errorf("the lake of %s: %q, want %q", tenant, out, want)
		}
	}
	for _, e := range auditOf(t, log) {
		if e["tenant"] != e["who"] {
			t.Errorf("%v", e)
		}
	}
}

// Who has no good credential, or not the scope, gets nothing, learns nothing, and
// leaves a line in the log; and no credential stands there.
func TestServeCredentials(t *testing.T) {
	s, tokens, log := twoTenants(t)
	token := strings.TrimPrefix(tokens["a"], "Authorization: Bearer ")
	forged := token[:len(token)-4] + "aaaa"
	for _, c := range []struct {
		headers []string
		path    string
	}{
		{nil, "/v1/runs"},
		{[]string{"Authorization: Bearer " + forged}, "/v1/runs"},
		{[]string{"Authorization: Bearer "}, "/v1/runs"},
		{[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+token))}, "/v1/runs"},
		{[]string{tokens["a"], tokens["b"]}, "/v1/runs"},
		{nil, "/v1/runs?access_token=" + token},
		{[]string{"Cookie: token=" + token}, "/v1/runs"},
		{[]string{"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xIn0."}, "/v1/runs"},
		{nil, "/nowhere"},
		{nil, "/metrics"},
	} {
		if r := s.want(401, "GET", c.path, nil, c.headers...); r.body != `{"status":401,"title":"Unauthorized","detail":"no good credential"}`+"\n" {
			t.Errorf("%v: %s", c, r.body)
		}
	}
	good := []byte(hostileResult(""))
	s.want(401, "POST", "/v1/uploads", good)
	for _, path := range []string{"/v1/runs", "/v1/reports/", "/metrics", "/nowhere"} {
		s.want(403, "GET", path, nil, tokens["uploader"])
	}
	s.want(403, "POST", "/v1/sql", []byte("select 1"), tokens["uploader"], "Content-Type: text/plain")
	s.want(403, "GET", "/metrics", nil, tokens["a"])
	s.want(200, "GET", "/metrics", nil, tokens["admin"])
	s.want(200, "GET", "/healthz", nil)
	s.want(201, "POST", "/v1/uploads", good, tokens["uploader"])
	s.stop()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), token) || strings.Contains(s.talk.String(), token) || strings.Contains(string(text), forged) {
		t.Error("a credential stands in the log")
	}
	refusals := 0
	for _, e := range auditOf(t, log) {
		if e["status"] == 401.0 {
			refusals++
			if e["why"] == nil || e["who"] != nil || e["remote"] == nil {
				t.Errorf("%v", e)
			}
		}
	}
	if refusals != 11 {
		t.Errorf("%d refusals in the log", refusals)
	}
}

// A webhook counts if it was signed, lately, and once.
func TestServeWebhooks(t *testing.T) {
	s, tokens, log := twoTenants(t)
	body := `{"bucket": "a-results", "key": "r.json"}`
	signed := func(id string, at time.Time, body string, key []byte) []string {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return []string{"Webhook-Id: " + id, fmt.Sprintf("Webhook-Timestamp: %d", at.Unix()), "Webhook-Signature: v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	}
	now := time.Now()
	first := signed("1", now, body, webhookSecret)
	s.want(401, "POST", "/v1/events", []byte(body), signed("0", now, body, []byte("another secret"))...)
	s.want(401, "POST", "/v1/events", []byte(body+" "), first...)
	s.want(401, "POST", "/v1/events", []byte(body), signed("0", now.Add(-time.Hour), body, webhookSecret)...)
	s.want(400, "POST", "/v1/events", []byte("{}"), signed("2", now, "{}", webhookSecret)...)
	if r := s.want(200, "POST", "/v1/events", []byte(body), first...); !strings.Contains(r.body, `"outcome":"ingested"`) {
		t.Errorf("%s", r.body)
	}
	s.want(401, "POST", "/v1/events", []byte(body), first...) // a replay
	s.want(401, "POST", "/v1/runs", []byte(body), signed("3", now, body, webhookSecret)...)
	s.want(401, "POST", "/v1/uploads", []byte(body), signed("4", now, body, webhookSecret)...)
	if r := s.want(200, "POST", "/v1/events", []byte(body), signed("1", now, body, webhookSecret)[0], tokens["a"]); !strings.Contains(r.body, `"outcome":"known"`) {
		t.Errorf("%s", r.body)
	}
	long := strings.Repeat(" ", 2<<20)
	s.want(401, "POST", "/v1/events", []byte(long))
	s.want(413, "POST", "/v1/events", []byte(long), tokens["a"])
	s.want(413, "POST", "/v1/events", []byte(long), signed("5", now, long, webhookSecret)...)
	var idle []net.Conn
	for range 40 { // who sign nothing, and hold what they can
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "POST /v1/events HTTP/1.1\r\nHost: x\r\nWebhook-Signature: v1,x\r\nContent-Length: 1000000\r\n\r\n{")
		idle = append(idle, c)
	}
	refused := make(chan string, len(idle)) // whichever of them came too late
	for _, c := range idle {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		go func() {
			answer, _ := bufio.NewReader(c).ReadString('\n')
			refused <- answer
		}()
	}
	if answer := <-refused; !strings.Contains(answer, " 503 ") {
		t.Errorf("the first of them to hear something: %q", answer)
	}
	for _, c := range idle {
		c.Close()
	}
	s.want(200, "POST", "/v1/events", []byte(body), tokens["a"])
	s.stop()
	replays := 0
	for _, e := range auditOf(t, log) {
		if strings.Contains(fmt.Sprint(e["why"]), "replay") {
			replays++
		}
	}
	if replays != 1 {
		t.Errorf("%d replays in the log", replays)
	}
}

// A deadline of one answer is not that of the next on the same connection.
func TestServeKeepsConnections(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"), "--idle-timeout", "1s")
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	text := hostileResult("")
	for range 3 {
		fmt.Fprintf(c, "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(text))
		if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = r.ReadString('\n')
		fmt.Fprint(c, text)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode/100 != 2 {
			t.Fatalf("%v, %v", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		time.Sleep(1500 * time.Millisecond)
	}
}

// What answers keep to: one answer for each request, where several are sent at once
// too.
func TestServePipelined(t *testing.T) {
	s := serveLake(t, filepath.Join(t.TempDir(), "lake"))
	answer := s.raw(strings.Repeat("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 2) + "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(strings.NewReader(answer))
	for i := range 3 {
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("answer %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

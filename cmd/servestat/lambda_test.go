package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// A runtimeAPI stands for the one of AWS Lambda: it hands out invocations one after
// another, and keeps what it is answered.
type runtimeAPI struct {
	*httptest.Server
	events  chan string
	answers chan answered

	mu   sync.Mutex
	n    int
	left time.Duration // that an invocation has
}

// answered is how an invocation ended.
type answered struct {
	id     string
	failed bool
	body   string
	at     time.Time
}

func newRuntimeAPI(t *testing.T) *runtimeAPI {
	api := &runtimeAPI{events: make(chan string, 16), answers: make(chan answered, 16), left: time.Minute}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", api.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{end}", api.answer)
	api.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		api.CloseClientConnections() // one waits for the next invocation
		api.Close()
	})
	return api
}

func (api *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case event := <-api.events:
		api.mu.Lock()
		defer api.mu.Unlock()
		api.n++
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("request-%d", api.n))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(api.left).UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:servestat")
		io.WriteString(w, event)
	case <-r.Context().Done():
	}
}

func (api *runtimeAPI) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusAccepted)
	api.answers <- answered{r.PathValue("id"), r.PathValue("end") == "error", string(body), time.Now()}
}

// invoke has the function answer an event.
func (api *runtimeAPI) invoke(t *testing.T, event string) answered {
	t.Helper()
	api.events <- event
	select {
	case a := <-api.answers:
		return a
	case <-time.After(time.Minute):
		t.Fatalf("no answer to %s", event)
	}
	return answered{}
}

// startFunction starts a process as Lambda does: called bootstrap, without
// arguments, with what its template says in its environment and no home.
func startFunction(t *testing.T, exe string, api *runtimeAPI, settings map[string]string) (said func() string) {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Args = []string{"bootstrap"}
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API": strings.TrimPrefix(api.URL, "http://"), "LAMBDA_TASK_ROOT": "/var/task", "TMPDIR": t.TempDir(),
		// The tests' binary goes by the names of its commands.
		"PATH": os.Getenv("PATH"),
	}
	for _, name := range buckettest.Environment() {
		env[name] = os.Getenv(name)
	}
	maps.Copy(env, settings)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	talk, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr, cmd.Dir = talk, t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said = func() string {
		text, _ := os.ReadFile(talk.Name())
		return string(text)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		talk.Close()
		if t.Failed() {
			t.Logf("the function said:\n%s", said())
		}
	})
	return said
}

// s3Event is S3's notification of objects that were written. It encodes keys as
// S3 does.
func s3Event(bucket string, keys ...string) string {
	var records []any
	for _, key := range keys {
		records = append(records, map[string]any{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": map[string]any{
			"bucket": map[string]any{"name": bucket}, "object": map[string]any{"key": url.QueryEscape(key), "size": 1, "eTag": "x"},
		}})
	}
	return asText(map[string]any{"Records": records})
}

// sqsEvent is a batch out of a queue, with messages m0, m1 and so on.
func sqsEvent(bodies ...string) string {
	var records []any
	for i, body := range bodies {
		records = append(records, map[string]any{"messageId": fmt.Sprintf("m%d", i), "eventSource": "aws:sqs", "body": body})
	}
	return asText(map[string]any{"Records": records})
}

func asText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// lambdaExe is the binary to test: the one of make lambda.zip, if it was named.
func lambdaExe(t *testing.T) string {
	if exe := os.Getenv("SERVESTAT_BOOTSTRAP"); exe != "" {
		return exe
	}
	exe, err := exec.LookPath("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// A function takes in what events name, gives back only what could not be done, and
// writes the weekly report; and a lake that it filled is the lake of an ingest.
func TestLambdaFunction(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	for _, level := range []string{"c1", "c2", "c4"} {
		if err := uploadTree(server, "testdata/demo/logs/0.19.0/"+level, "inbox/0.19.0/"+level); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		"testdata/demo/logs/0.19.0/servestat.yaml":  "inbox/0.19.0/servestat.yaml",
		"testdata/demo/logs/0.19.0/server.log":      "inbox/0.19.0/server.log",
		"testdata/demo/logs/0.19.0/c1/run1.json.gz": "elsewhere/run.json.gz",
	} {
		if err := uploadTree(server, from, to); err != nil {
			t.Fatal(err)
		}
	}
	api := newRuntimeAPI(t)
	startFunction(t, lambdaExe(t), api, map[string]string{
		"SERVESTAT_LAKE": server.URI("lake"), "SERVESTAT_INBOX": server.URI("inbox"), "SERVESTAT_OUT": server.URI("reports"),
	})
	lab := buckettest.Name
	first := "inbox/0.19.0/c1/run1.json.gz"
	for _, step := range []struct {
		what, event string
		failed      bool
		want        string // in the answer
	}{
		{"an event of S3", s3Event(lab, first), false, `{"uploads":1,"known":0,"quarantined":0,"skipped":0,"runs":1,"gone":0,"ignored":0}`},
		{"the same again", s3Event(lab, first), false, `{"uploads":1,"known":1,"quarantined":0,"skipped":0,"runs":0,"gone":0,"ignored":0}`},
		{"an object that went", s3Event(lab, "inbox/0.19.0/c1/none.json"), false, `"gone":1`},
		{"a deletion", strings.ReplaceAll(s3Event(lab, first), "ObjectCreated:Put", "ObjectRemoved:Delete"), false, `"ignored":1`},
		{"another bucket", s3Event("another", first), true, "not a bucket from which objects may be taken"},
		{"an object beside the inbox", s3Event(lab, "elsewhere/run.json.gz"), true, "not a bucket from which objects may be taken"},
		{"a step upwards", s3Event(lab, "inbox/../elsewhere/run.json.gz"), true, `inbox/../elsewhere`},
		{"no event", `{"x": 1}`, true, "not an event that servestat knows"},
		{"no task", `{"task": "tidy"}`, true, `no task \"tidy\"`},
		// A message that will not do must not hold up those around it: only it comes
		// back, until the queue puts it aside.
		{"a batch", sqsEvent(s3Event(lab, "inbox/0.19.0/c1/run2.json.gz"), "{", s3Event("another", first), s3Event(lab, "inbox/0.19.0/c1/run3.json.gz")), false,
			`{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m2"}]}`},
		{"a whole batch", sqsEvent(s3Event(lab, "inbox/0.19.0/c1/run4.json.gz", "inbox/0.19.0/c1/run5.json.gz")), false, `{"batchItemFailures":[]}`},
		{"S3's test of the connection", sqsEvent(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"lab"}`), false, `{"batchItemFailures":[]}`},
		// What takes in uploads tells, by what it writes, when there is something to
		// analyse; what that writes must not be another event.
		{"the lake's manifests", s3Event(lab, "lake/manifests/v1/0123-4567-r0.json", "lake/manifests/v1/89ab-cdef-r0.json"), false, `"analyzed":{"computed":2,"reused":0,`},
		{"a batch about the lake", sqsEvent(s3Event(lab, "lake/manifests/v1/0123-4567-r0.json"), s3Event(lab, "lake/analyses/v1/x.json")), false, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`},
		{"a schedule", `{"version":"0","detail-type":"Scheduled Event","source":"aws.scheduler","detail":"{}"}`, false, "s3://lab/reports/index.md"},
		{"a reconcile", `{"task": "reconcile"}`, false, `"new":0,"quarantined":0,"reused":`},
		{"an analyze", `{"task": "analyze"}`, false, `"computed":0,`},
	} {
		got := api.invoke(t, step.event)
		if got.failed != step.failed || !strings.Contains(got.body, step.want) {
			t.Errorf("%s: failed %v: %s\nwant %v, %s", step.what, got.failed, got.body, step.failed, step.want)
		}
	}
	if _, err := os.Stat(filepath.Join(server.Root, "reports", "index.md")); err != nil {
		t.Error(err)
	}
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	ask := "select source_name, max_concurrency, runtime_version, server_start from runs order by all"
	servestat(t, "ingest", "--lake", server.URI("other"), server.URI("inbox"))
	if got, want := servestat(t, "sql", "--lake", server.URI("lake"), ask), servestat(t, "sql", "--lake", server.URI("other"), ask); got != want {
		t.Errorf("the function's lake has\n%s\nan ingest of the inbox gives\n%s", got, want)
	}
}

// Lambda ends an invocation that takes too long, and then all of its batch comes
// again, and again. What was not begun in time is given back before.
func TestLambdaGivesBackWhatThereIsNoTimeFor(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := buckettest.Start(t)
	if err := uploadTree(server, "testdata/demo/logs/0.19.0/c1", "inbox"); err != nil {
		t.Fatal(err)
	}
	api := newRuntimeAPI(t)
	api.left = time.Millisecond
	startFunction(t, lambdaExe(t), api, map[string]string{"SERVESTAT_LAKE": server.URI("lake"), "SERVESTAT_INBOX": server.URI("inbox")})
	got := api.invoke(t, sqsEvent(s3Event(buckettest.Name, "inbox/run1.json.gz"), s3Event(buckettest.Name, "inbox/run2.json.gz")))
	if got.failed || got.body != `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"}]}` {
		t.Errorf("failed %v: %s", got.failed, got.body)
	}
}

// What a function must not be set to, it says at its start and not at the first
// event. A lake below the inbox is the costly one: each object written would be an
// event.
func TestLambdaRefusesSettings(t *testing.T) {
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
	for _, c := range []struct{ lake, inbox, out, want string }{
		{"s3://lab/lake", "", "", "a function wants an --inbox"},
		{"s3://lab/lake", "results", "", "--inbox: results"},
		{"./lake", "s3://lab/inbox", "", "--lake ./lake: what a function writes to its disk is lost"},
		{"s3://lab/inbox/lake", "s3://lab/inbox", "", "--lake s3://lab/inbox/lake lies in the inbox s3://lab/inbox: each object"},
		{"s3://lab/lake", "s3://lab", "", "--lake s3://lab/lake lies in the inbox s3://lab: each object"},
		{"s3://lab/lake", "s3://lab/inbox s3://lab/reports", "s3://lab/reports/weekly", "--out s3://lab/reports/weekly lies in the inbox"},
		{"s3://lab/lake", "s3://lab/inbox", "gs://lab/reports", "--out: gs://lab/reports"},
	} {
		t.Run(strings.Join([]string{c.lake, c.inbox, c.out}, " "), func(t *testing.T) {
			t.Setenv("SERVESTAT_LAKE", c.lake)
			t.Setenv("SERVESTAT_INBOX", c.inbox)
			t.Setenv("SERVESTAT_OUT", c.out)
			var stderr strings.Builder
			code := run(t.Context(), commandLine([]string{"/var/runtime/bootstrap"}), strings.NewReader(""), io.Discard, &stderr)
			if code != exitFailed || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit code %d: %s\nwant %s", code, &stderr, c.want)
			}
		})
	}
}

// A cold start that takes long is paid for with every burst of uploads.
func TestServerlessLambdaAnswersSoon(t *testing.T) {
	if !serverless {
		t.Skip("a bar of time: make serverless-check")
	}
	server := buckettest.Start(t)
	if err := uploadTree(server, "testdata/demo/logs/0.19.0", "inbox"); err != nil {
		t.Fatal(err)
	}
	const runs = 15
	var took []time.Duration
	for i := range runs {
		api := newRuntimeAPI(t)
		api.events <- s3Event(buckettest.Name, fmt.Sprintf("inbox/c1/run%d.json.gz", i%5+1))
		begun := time.Now()
		startFunction(t, lambdaExe(t), api, map[string]string{"SERVESTAT_LAKE": server.URI("lake"), "SERVESTAT_INBOX": server.URI("inbox")})
		a := <-api.answers
		if a.failed {
			t.Fatal(a.body)
		}
		took = append(took, a.at.Sub(begun))
	}
	slices.Sort(took)
	median := took[runs/2].Round(time.Millisecond)
	bar(t, "first event of S3 answered after exec by the Lambda function (stub, not AWS)",
		fmt.Sprintf("median of %d %v, fastest %v", runs, median, took[0].Round(time.Millisecond)), "<= 300 ms", median <= 300*time.Millisecond)
}

package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// A watched server is an S3 server of which requests are counted, and which fails when
// it is told to.
type watchedServer struct {
	*buckettest.Server
	mu    sync.Mutex
	reads []string // keys of objects that were read
	lists int      // of the inbox
	fails string   // keys that end like this cannot be read
}

func watchServer(t *testing.T) *watchedServer {
	t.Helper()
	w := &watchedServer{Server: buckettest.Start(t)}
	to, err := url.Parse(w.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host // which is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.refuses(r) {
			http.Error(rw, "", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	server := *w.Server
	server.Endpoint = front.URL
	w.Server = &server
	return w
}

func (w *watchedServer) refuses(r *http.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/"+buckettest.Name+"/")
	switch {
	case r.Method != http.MethodGet:
		return false
	case r.URL.Query().Get("list-type") != "":
		if strings.HasPrefix(r.URL.Query().Get("prefix"), "inbox") {
			w.lists++
		}
		return false
	case strings.HasPrefix(key, "inbox/"):
		w.reads = append(w.reads, strings.TrimPrefix(key, "inbox/"))
	}
	return w.fails != "" && strings.HasSuffix(key, w.fails)
}

// since gives what was read of the inbox, and how often it was listed, since the last
// call.
func (w *watchedServer) since() (reads []string, lists int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reads, lists = w.reads, w.lists
	w.reads, w.lists = nil, 0
	return reads, lists
}

// An inbox of a year is gone through every hour: what did not change since must cost no
// more than its listing. And an object that was overwritten in place, by one of the same
// size within the same second, must not be taken for the one that was there.
func TestReconcileReadsWhatChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	w := watchServer(t)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	dir := t.TempDir()
	put := func(key, text string) {
		t.Helper()
		file := filepath.Join(dir, "file")
		writeFileOf(t, file, []byte(text))
		if err := uploadTree(w.Server, file, "inbox/"+key); err != nil {
			t.Fatal(err)
		}
	}
	result := func(i int) string {
		return strings.Replace(hostileResult(""), "0.02, 0.03", fmt.Sprintf("0.02, 0.0%d", i), 1)
	}
	for i, night := range []string{"n1", "n2", "n3"} {
		put(night+"/run1.json", result(i+1))
		put(night+"/run2.json", result(i+4))
	}
	put("servestat.yaml", "hardware: H100\n")
	put("n3/broken.json", strings.Replace(hostileResult(""), `[[0.01, 0.02, 0.03], [0.5, 0.1, 0.1]]`, `{"a": 1}`, 1))
	put("n3/notes.txt", "nothing\n")
	for _, step := range []struct {
		what, says string
		do         func()
		args       []string
		reads      string // folders of which something is read
	}{
		{"all of it is new", "7 uploads in the inbox: 0 in the lake already, 7 new; 6 new runs; 1 quarantined; 1 skipped", func() {}, nil, "n1 n2 n3"},
		{"nothing changed", "7 uploads in the inbox: 7 in the lake already, 0 new; 0 new runs; 1 quarantined; 1 skipped", func() {}, nil, ""},
		{"an object was overwritten by one of the same size", "7 uploads in the inbox: 6 in the lake already, 1 new; 1 new run", func() { put("n2/run1.json", result(8)) }, nil, "n2"},
		{"and again nothing", "7 uploads in the inbox: 7 in the lake already, 0 new; 0 new runs", func() {}, nil, ""},
		{"a night more", "8 uploads in the inbox: 7 in the lake already, 1 new; 1 new run", func() { put("n4/run1.json", result(9)) }, nil, "n4"},
		{"other labels are another reading", "8 uploads in the inbox: 0 in the lake already, 8 new", func() {}, []string{"--label", "team=a"}, "n1 n2 n3 n4"},
		{"and do not make the first one forgotten", "8 uploads in the inbox: 8 in the lake already", func() {}, nil, ""},
		{"it is told to", "8 uploads in the inbox: 8 in the lake already", func() {}, []string{"--all"}, "n1 n2 n3 n4"},
		{"a side-car in one night", "8 uploads in the inbox: 6 in the lake already, 2 new", func() { put("n1/servestat.yaml", "runtime_version: \"1\"\n") }, nil, "n1"},
		// It may be a disk that fails for a moment: to take it for junk would lose it.
		{"an object that cannot be read is not gone through", "10 uploads in the inbox: 8 in the lake already, 2 new; 1 new run; 1 run that the lake had already; 1 quarantined; 2 skipped", func() {
			put("n4/run2.json", `{"a": 1,`+result(7)[1:])
			put("n4/run3.json", result(3)+" ")
			put("n4/run4.json", result(2)+" ")
			w.fails = "n4/run4.json"
		}, nil, "n4"},
		{"until it can", "11 uploads in the inbox: 10 in the lake already, 1 new; 0 new runs; 1 run that the lake had already; 1 quarantined; 1 skipped", func() { w.fails = "" }, nil, "n4"},
		{"the log of one night lies in another", "12 uploads in the inbox: 6 in the lake already, 6 new", func() {
			put("n3/server.log", "(APIServer pid=1) INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.20.0\n")
			put("n1/servestat.yaml", "server_log: ../n3/server.log\n")
		}, nil, "n1 n3"},
		{"which changes", "", func() {
			put("n3/server.log", "(APIServer pid=1) INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.21.0\n")
		}, nil, "n1 n3"},
		{"and then nothing does", "", func() {}, nil, ""},
		{"the side-car above all", "", func() { put("servestat.yaml", "hardware: H200\n") }, nil, "n1 n2 n3 n4"},
	} {
		step.do()
		w.since()
		out := servestat(t, append([]string{"reconcile", "--lake", w.URI("lake"), w.URI("inbox")}, step.args...)...)
		if !strings.HasPrefix(out, step.says) {
			t.Errorf("%s:\n%swant %s", step.what, out, step.says)
		}
		reads, lists := w.since()
		folders := map[string]bool{}
		for _, key := range reads {
			folder, _, ok := strings.Cut(key, "/")
			folders[folder] = folders[folder] || ok
		}
		delete(folders, "servestat.yaml")
		if got := strings.Join(slices.Sorted(maps.Keys(folders)), " "); got != step.reads || lists != 1 {
			t.Errorf("%s: read of %q, want %q; listed %d times", step.what, got, step.reads, lists)
		}
	}
}

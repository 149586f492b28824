package events

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/textproto"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Each sender's message says which objects were written, and nothing else of it
// counts: no URL, no size; and a message of somebody who is up to something names
// no object that could be read.
func TestEvents(t *testing.T) {
	for _, m := range messages(t) {
		t.Run(m.name, func(t *testing.T) {
			notice, err := Parse(m.header, m.body)
			if got := shown(notice, err); !agrees(got, m.want) {
				t.Errorf("got\n%swant\n%s", got, m.want)
			}
		})
	}
}

// agrees compares; an error need only begin as wanted, wherever.
func agrees(got, want string) bool {
	part, isError := strings.CutPrefix(want, "error ")
	if !isError {
		return got == want
	}
	said, ok := strings.CutPrefix(got, "error ")
	return ok && strings.Contains(said, strings.TrimSpace(part))
}

func shown(n Notice, err error) string {
	if err != nil {
		return fmt.Sprintf("error %v\n", err)
	}
	var b strings.Builder
	for _, o := range n.Objects {
		fmt.Fprintln(&b, strings.TrimSpace(o.Bucket+" "+o.Key+" "+o.ETag))
	}
	for _, r := range n.Refused {
		key := r.Key
		if !printable(key) {
			key = strconv.Quote(key)
		}
		fmt.Fprintf(&b, "refused %s %s: %s\n", r.Bucket, key, r.Why)
	}
	if n.Ignored > 0 {
		fmt.Fprintln(&b, "ignored", n.Ignored)
	}
	if n.Validation != "" {
		fmt.Fprintln(&b, "validation", n.Validation)
	}
	return b.String()
}

type message struct {
	name   string
	header http.Header
	body   []byte
	want   string
}

func messages(t testing.TB) []message {
	t.Helper()
	a, err := txtar.ParseFile("testdata/events.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out []message
	var header http.Header
	for _, f := range a.Files {
		name := strings.TrimSuffix(f.Name, filepath.Ext(f.Name))
		switch filepath.Ext(f.Name) {
		case ".header":
			h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(string(f.Data) + "\n"))).ReadMIMEHeader()
			if err != nil {
				t.Fatal(f.Name, err)
			}
			header = http.Header(h)
		case ".json":
			out = append(out, message{name: name, header: header, body: f.Data})
			header = nil
		case ".want":
			out[len(out)-1].want = string(f.Data)
		}
	}
	if len(out) < 20 {
		t.Fatalf("%d messages", len(out))
	}
	return out
}

// A message can make a server do only so much.
func TestAMessageSpeaksOfSoManyObjects(t *testing.T) {
	var b strings.Builder
	b.WriteString("[")
	for i := range mostObjects + 1 {
		fmt.Fprintf(&b, `{"bucket":"b","key":"%d"},`, i)
	}
	b.WriteString("null]")
	if _, err := Parse(nil, []byte(b.String())); err == nil || !strings.Contains(err.Error(), "more than 1000 objects") {
		t.Error(err)
	}
}

// Whatever is sent, what comes out is a name that can be asked of a bucket, and the
// same each time.
func FuzzEvents(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(m.body, m.header.Get("Ce-Type"), m.header.Get("Ce-Subject"))
	}
	f.Fuzz(func(t *testing.T, body []byte, kind, subject string) {
		header := http.Header{}
		if kind != "" {
			header = http.Header{"Ce-Specversion": {"1.0"}, "Ce-Type": {kind}, "Ce-Subject": {subject}}
		}
		notice, err := Parse(header, body)
		again, errAgain := Parse(header, body)
		if !reflect.DeepEqual(notice, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("not the same twice: %v, %v", notice, again)
		}
		if len(notice.Objects)+len(notice.Refused) > mostObjects+1 {
			t.Fatalf("%d objects", len(notice.Objects))
		}
		for _, o := range notice.Objects {
			if !fs.ValidPath(o.Key) || strings.ContainsAny(o.Bucket, "/\\\x00\n") || o.Bucket == "" || strings.ContainsAny(o.Key, "\x00\n\r") {
				t.Fatalf("%q", o)
			}
		}
	})
}

// Only objects below the prefix of a bucket that is listed for this tenant are
// read: a tenant that names another's bucket would read the other's results.
func TestOnlyAllowedBucketsAreRead(t *testing.T) {
	allowed := Allowed{{Name: "results", Prefix: "inbox/", Tenant: "a"}, {Name: "other", Tenant: "b"}}
	for _, c := range []struct {
		tenant, bucket, key string
		ok                  bool
	}{
		{"a", "results", "inbox/x.json", true},
		{"a", "results", "private/x.json", false},
		{"a", "results", "inbox", false},
		{"a", "other", "x.json", false},
		{"b", "other", "x.json", true},
		{"", "results", "inbox/x.json", false},
		{"a", "elsewhere", "x.json", false},
	} {
		_, err := allowed.Find(c.tenant, Object{Bucket: c.bucket, Key: c.key})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// A bucket says where it lies once. What contradicts itself would let an event read
// something else than the person who wrote it thinks.
func TestBucketSettles(t *testing.T) {
	for _, c := range []struct {
		in, want Bucket
		why      string
	}{
		{Bucket{URI: "s3://lab/inbox/nightly?endpoint=http://127.0.0.1:1"}, Bucket{Name: "lab", Prefix: "inbox/nightly/", URI: "s3://lab/inbox/nightly?endpoint=http://127.0.0.1:1"}, ""},
		{Bucket{URI: "s3://lab"}, Bucket{Name: "lab", URI: "s3://lab"}, ""},
		{Bucket{Name: "lab", Prefix: "inbox/a/", URI: "s3://lab/inbox"}, Bucket{Name: "lab", Prefix: "inbox/a/", URI: "s3://lab/inbox"}, ""},
		{Bucket{Name: "results", Folder: "/srv/results"}, Bucket{Name: "results", Folder: "/srv/results"}, ""},
		{Bucket{Name: "other", URI: "s3://lab"}, Bucket{}, "called other here"},
		{Bucket{Prefix: "outbox/", URI: "s3://lab/inbox"}, Bucket{}, "not below it"},
		{Bucket{URI: "https://lab.example/inbox"}, Bucket{}, "want s3://"},
		{Bucket{URI: "s3:///inbox"}, Bucket{}, "want s3://"},
		{Bucket{Name: "lab"}, Bucket{}, "a folder or a uri"},
		{Bucket{Name: "lab", Folder: "/srv", URI: "s3://lab"}, Bucket{}, "a folder or a uri"},
		{Bucket{Folder: "/srv"}, Bucket{}, "no name"},
	} {
		got := c.in
		err := got.Settle()
		if c.why == "" && (err != nil || got != c.want) || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%+v: %+v, %v; want %+v, %s", c.in, got, err, c.want, c.why)
		}
	}
}

package serve

import (
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The document says what is answered, and nothing else: every route stands in it,
// and everything in it is a route. That answers look as it says is tested where the
// server runs (cmd/servestat).
func TestTheDocumentHasEveryRoute(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	documented := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented[method+" "+path] = op
		}
	}
	for _, r := range table {
		pattern := strings.NewReplacer("{$}", "", "...", "").Replace(r.pattern)
		op := documented[pattern]
		if op == nil {
			t.Errorf("%s is not in the document", pattern)
			continue
		}
		open := op.Security != nil && len(*op.Security) == 0
		if open != (r.scope == "") {
			t.Errorf("%s: the document says that it is open to all: %v; its scope is %q", pattern, open, r.scope)
		}
		delete(documented, pattern)
	}
	for pattern := range documented {
		t.Errorf("%s is in the document, and nowhere else", pattern)
	}
}

// A tenant has a share of what there is and no more, so that the others have theirs.
func TestSlots(t *testing.T) {
	s := newSlots(4, 2)
	var back []func()
	for range 2 {
		release, err := s.take("a", "uploads")
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, release)
	}
	_, err := s.take("a", "uploads")
	wantStatus(t, err, 429)
	for range 2 {
		if _, err := s.take("b", "uploads"); err != nil {
			t.Error(err)
		}
	}
	_, err = s.take("c", "uploads")
	wantStatus(t, err, 503)
	back[0]()
	if _, err := s.take("c", "uploads"); err != nil {
		t.Error(err)
	}
	if n := s.inUse(); n != 4 {
		t.Errorf("%d in use", n)
	}
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	if p, ok := err.(*Problem); !ok || p.Status != status || p.retry == 0 {
		t.Errorf("%v, want %d and when to come again", err, status)
	}
}

// Pages are forgotten when there are too many, the one first that nobody asked for
// the longest.
func TestPages(t *testing.T) {
	p := &pages{most: 10}
	key := func(name string) pageKey { return pageKey{args: name} }
	p.put(key("a"), []byte("aaaa"))
	p.put(key("b"), []byte("bbbb"))
	p.get(key("a"))
	p.put(key("c"), []byte("cccc"))
	p.put(key("long"), []byte("longer than all that may be kept"))
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "long": false} {
		if _, ok := p.get(key(name)); ok != want {
			t.Errorf("%s is kept: %v", name, ok)
		}
	}
	p.put(key("a"), []byte("aa"))
	if p.size != 6 || len(p.order) != 2 {
		t.Errorf("%d bytes, %v", p.size, p.order)
	}
}

// What becomes an argument of a command is one of few shapes, none of them a path.
func TestReportArguments(t *testing.T) {
	for _, c := range []struct{ kind, of, query string }{
		{"weekly", "../../etc", ""}, {"weekly", "--out=/tmp/x", ""}, {"run", "--lake=/etc", ""}, {"run", "zz", ""},
		{"compare", "", "baseline=/etc&candidate=/tmp"}, {"compare", "", "baseline=--lake=/etc&candidate=a=b"},
		{"compare", "", "baseline=a=../x&candidate=a=b"}, {"compare", "", "baseline=a=b"}, {"sweep", "x", ""}, {"", "", ""},
	} {
		if args, err := reportArgs(c.kind, c.of, mustQuery(t, c.query)); err == nil {
			t.Errorf("%v: %q", c, args)
		}
	}
	args, err := reportArgs("compare", "", mustQuery(t, "baseline=runtime_version=0.19.0,hardware=H100&candidate=runtime_version=0.20.0"))
	if err != nil || strings.Join(args, " ") != "compare runtime_version=0.19.0,hardware=H100 runtime_version=0.20.0" {
		t.Errorf("%q, %v", args, err)
	}
}

func mustQuery(t *testing.T, text string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

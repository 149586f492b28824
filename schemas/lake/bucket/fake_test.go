package bucket

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A fake is an S3 store in memory, as a transport, that fails as it is told: a
// request is refused before it does anything, or its answer is lost after it did.
type fake struct {
	mu      sync.Mutex
	objects map[string]object
	n       int

	overwrites bool // the condition is accepted, and has no effect
	// fault says what becomes of a request; nil: all goes well.
	fault func(n int, r *http.Request) fault
}

type object struct {
	data []byte
	meta string
	at   time.Time
}

type fault int

const (
	none       fault = iota
	conflict         // 409, nothing done
	slow             // 503, nothing done
	cutBefore        // no answer, nothing done
	cutAfter         // no answer, done
	errorAfter       // 500, done
	denied           // 403
	cutBody          // the answer's body breaks off
)

var errCut = errors.New("connection reset by peer")

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	what := none
	if f.fault != nil {
		what = f.fault(f.n, r)
	}
	switch what {
	case conflict:
		return reply(r, http.StatusConflict, "ConditionalRequestConflict"), nil
	case slow:
		return reply(r, http.StatusServiceUnavailable, "SlowDown"), nil
	case denied:
		return reply(r, http.StatusForbidden, "AccessDenied"), nil
	case cutBefore:
		return nil, errCut
	}
	done, err := f.answer(r)
	switch what {
	case cutAfter:
		return nil, errCut
	case errorAfter:
		return reply(r, http.StatusInternalServerError, "InternalError"), nil
	case cutBody:
		done.Body = io.NopCloser(io.MultiReader(io.LimitReader(done.Body, done.ContentLength/2), broken{}))
	}
	return done, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errCut }

func (f *fake) answer(r *http.Request) (*http.Response, error) {
	key := strings.TrimPrefix(r.URL.Path, "/lab/")
	o, there := f.objects[key]
	switch {
	case r.Method == http.MethodPut:
		if there && r.Header.Get("If-None-Match") == "*" && !f.overwrites {
			return reply(r, http.StatusPreconditionFailed, "PreconditionFailed"), nil
		}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		f.objects[key] = object{data, r.Header.Get("X-Amz-Meta-Servestat-Put"), time.Now()}
		return reply(r, http.StatusOK, ""), nil
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		return reply(r, http.StatusNoContent, ""), nil
	case r.URL.Query().Get("list-type") == "2":
		return f.list(r), nil
	case !there:
		return reply(r, http.StatusNotFound, "NoSuchKey"), nil
	}
	data, status := o.data, http.StatusOK
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
		data, status = data[from:min(to+1, len(data))], http.StatusPartialContent
	}
	out := reply(r, status, "")
	out.Header.Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
	out.Header.Set("X-Amz-Meta-Servestat-Put", o.meta)
	out.Header.Set("Content-Length", fmt.Sprint(len(data)))
	out.ContentLength = int64(len(data))
	if r.Method == http.MethodGet {
		out.Body = io.NopCloser(bytes.NewReader(data))
	}
	return out, nil
}

func (f *fake) list(r *http.Request) *http.Response {
	type content struct {
		Key          string
		Size         int
		LastModified string
	}
	var page struct {
		XMLName  xml.Name  `xml:"ListBucketResult"`
		Contents []content `xml:"Contents"`
	}
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			page.Contents = append(page.Contents, content{key, len(f.objects[key].data), f.objects[key].at.UTC().Format("2006-01-02T15:04:05.000Z")})
		}
	}
	text, err := xml.Marshal(page)
	if err != nil {
		panic(err)
	}
	out := reply(r, http.StatusOK, "")
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return out
}

func reply(r *http.Request, status int, code string) *http.Response {
	body := ""
	if code != "" && r.Method != http.MethodHead {
		body = "<Error><Code>" + code + "</Code><Message>as the test wants</Message></Error>"
	}
	return &http.Response{
		Status: fmt.Sprint(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// now and then makes one request in five go wrong, in any of some ways.
func nowAndThen(rng *rand.Rand, ways ...fault) func(int, *http.Request) fault {
	return func(_ int, r *http.Request) fault {
		if rng.IntN(5) > 0 {
			return none
		}
		return ways[rng.IntN(len(ways))]
	}
}

package serve

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/cmd/servestat/access"
)

// A call is a request with who makes it and what is said of it.
type call struct {
	http.ResponseWriter
	*http.Request
	s     *Server
	who   *access.Principal
	entry entry
	body  []byte // of a route that has it read
}

// A route is something that can be asked for.
type route struct {
	pattern string       // GET /v1/runs
	scope   access.Scope // empty: open to all
	do      func(*Server, *call) error
	// most is how long a body may be that is read whole for the route, and whose
	// signature may stand for a credential; 0 where the route reads its body itself.
	most int64
}

// routes puts together what is answered. Whatever else is asked for is not there,
// and nobody learns before they are known what is.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range table {
		mux.Handle(r.pattern, s.answer(r))
	}
	mux.Handle("/", s.answer(route{pattern: "other", scope: access.Read, do: (*Server).nothing}))
	return mux
}

func (s *Server) nothing(c *call) error {
	return NewProblem(http.StatusNotFound, "nothing is there", "GET /v1/openapi.yaml says what is")
}

// answer wraps a route: whatever happens, the sender has an answer, the audit log a
// line, and the server goes on.
func (s *Server) answer(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		begun := time.Now()
		ctx, end := s.cfg.Trace.Start(req.Context(), req.Header, r.pattern)
		counted := &countingWriter{ResponseWriter: w}
		c := &call{ResponseWriter: counted, Request: req.WithContext(ctx), s: s, entry: newEntry(begun, r, req)}
		w.Header().Set("X-Request-Id", c.entry.Request)
		_ = c.controller().SetWriteDeadline(time.Time{}) // that of the request before on this connection
		err := s.guarded(r, c)
		half := counted.code != 0 // an answer is on its way
		if err != nil {
			s.refuse(c, err, half)
		}
		c.entry.Status = counted.status()
		c.entry.Seconds = time.Since(begun).Seconds()
		s.metrics.requests.WithLabelValues(r.pattern, strconv.Itoa(c.entry.Status)).Observe(c.entry.Seconds)
		end(c.entry.Status, err)
		if r.scope != "" || err != nil { // who asks for health does nothing
			s.audit.write(&c.entry)
		}
		if err != nil && half {
			panic(http.ErrAbortHandler) // nothing may follow that looks like the rest
		}
	})
}

// guarded looks at the connection and the caller, and then does what was asked for.
func (s *Server) guarded(r route, c *call) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.cfg.Talk.Warn("%s: %v\n%s", r.pattern, fault, debug.Stack())
			err = &Problem{Status: http.StatusInternalServerError, Title: "Internal Server Error", Detail: "the server failed at this; it is not the request's fault", why: fmt.Sprint(fault)}
		}
	}()
	if err := s.checkConnection(c); err != nil {
		return err
	}
	done, err := s.admitWithBody(r, c)
	if err != nil {
		return err
	}
	if err := r.do(s, c); err != nil {
		return err
	}
	done()
	return nil
}

// checkConnection refuses what no honest client sends.
func (s *Server) checkConnection(c *call) error {
	if len(c.TransferEncoding) > 0 {
		// Where a proxy and we disagree about the end of a body, what follows it would
		// be a request of somebody else's.
		c.Header().Set("Connection", "close")
	}
	if s.cfg.Guard != nil {
		return nil
	}
	// Nobody is asked for a credential, so it has to be this machine that calls, and
	// not a web page in its browser: neither by a name that was made to point here,
	// nor across origins.
	host := c.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &Problem{Status: http.StatusMisdirectedRequest, Title: "Misdirected Request", Detail: "this server answers only to localhost", Hint: "servestat serve --access FILE asks for credentials, and answers to any name"}
	}
	if err := http.NewCrossOriginProtection().Check(c.Request); err != nil {
		return NewProblem(http.StatusForbidden, "a web page of another origin may not call", "")
	}
	return nil
}

// admitWithBody finds out who calls, and reads the body of a route that has it read.
// A signature is over the body: there it is read first, of so many at the same time
// that those who are nobody do not fill the memory.
func (s *Server) admitWithBody(r route, c *call) (done func(), err error) {
	signed := s.cfg.Guard != nil && access.Signed(c.Request.Header)
	if r.most > 0 && signed {
		release, err := s.strangers.take("", "messages of senders who are not known yet")
		if err != nil {
			return nil, err
		}
		defer release()
		if c.body, err = c.readBody(r.most); err != nil {
			return nil, err
		}
		return s.admit(r, c)
	}
	if done, err = s.admit(r, c); err == nil && r.most > 0 {
		c.body, err = c.readBody(r.most)
	}
	return done, err
}

// admit finds out who calls and whether it may. Call done when the request was done.
func (s *Server) admit(r route, c *call) (done func(), err error) {
	done = func() {}
	switch {
	case r.scope == "":
		return done, nil
	case s.cfg.Guard == nil:
		c.who = access.Local()
	case r.most > 0 && access.Signed(c.Request.Header):
		c.who, done, err = s.cfg.Guard.Webhook(c.Request.Header, c.body)
	default:
		c.who, err = s.bearer(c)
	}
	if err != nil {
		return nil, refusal(err)
	}
	c.entry.known(c.who)
	if !c.who.May(r.scope) {
		return nil, problemf(http.StatusForbidden, "this needs the scope %s", r.scope)
	}
	return done, nil
}

// bearer reads the credential from its one place. A second one, or one in the URL,
// where logs would keep it, is none.
func (s *Server) bearer(c *call) (*access.Principal, error) {
	given := c.Request.Header.Values("Authorization")
	if len(given) == 0 {
		return nil, &access.Denied{Why: "no credential"}
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, &access.Denied{Why: "want one Authorization header with a bearer token"}
	}
	return s.cfg.Guard.Bearer(c.Context(), strings.TrimSpace(token))
}

// refusal is what the sender of a bad credential is told, which is nothing.
func refusal(err error) error {
	if errors.Is(err, access.ErrUnavailable) {
		p := busy(http.StatusServiceUnavailable, "cannot tell now whether the credential is good")
		p.why = err.Error()
		return p
	}
	return &Problem{Status: http.StatusUnauthorized, Title: "Unauthorized", Detail: "no good credential", why: err.Error()}
}

// refuse answers with a problem, unless half an answer is out already. What is not the
// sender's to know stays here.
func (s *Server) refuse(c *call, err error, half bool) {
	var p *Problem
	gone := c.Context().Err() != nil
	switch {
	case errors.As(err, &p):
	case gone:
		p = problemf(http.StatusServiceUnavailable, "the sender went away")
	default:
		s.cfg.Talk.Warn("%s %s: %v", c.Method, c.URL.Path, err)
		p = busy(http.StatusServiceUnavailable, "the server could not do this now; doing it again does no harm")
		p.why = err.Error()
	}
	if c.entry.Why = p.why; c.entry.Why == "" {
		c.entry.Why = p.Detail
	}
	if half {
		return
	}
	h := c.ResponseWriter.Header()
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="servestat"`)
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retry.Seconds())))
	}
	if p.close {
		h.Set("Connection", "close")
	}
	c.json(p.Status, "application/problem+json", p)
}

// json answers with a value.
func (c *call) json(status int, media string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // ours, and of types that can be
	}
	c.send(status, media, append(text, '\n'))
}

// send answers with bytes that are there already.
func (c *call) send(status int, media string, body []byte) {
	_ = c.stream(status, media, int64(len(body)), bytes.NewReader(body))
}

// stream answers with size bytes, for as long as the receiver takes them.
func (c *call) stream(status int, media string, size int64, r io.Reader) error {
	h := c.ResponseWriter.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	p := c.s.cfg.Patience
	_ = c.controller().SetWriteDeadline(time.Now().Add(p.Idle + time.Duration(size/p.Rate)*time.Second))
	c.WriteHeader(status)
	_, err := io.Copy(c.ResponseWriter, r)
	return err
}

func (c *call) controller() *http.ResponseController {
	return http.NewResponseController(c.ResponseWriter.(*countingWriter).ResponseWriter)
}

// Header is the response's: the request's is c.Request.Header.
func (c *call) Header() http.Header { return c.ResponseWriter.Header() }

// readBody reads a body of at most so many bytes.
func (c *call) readBody(most int64) ([]byte, error) {
	body := c.paced()
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil {
		return nil, body.problem(err)
	}
	if int64(len(data)) > most {
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Title: "Request Entity Too Large", Detail: fmt.Sprintf("the body has more than %d bytes", most), close: true}
	}
	body.done()
	c.entry.Bytes = int64(len(data))
	return data, nil
}

// A pacedBody is a request's body that has to come in with some speed.
type pacedBody struct {
	c     *call
	begun time.Time
	n     int64
}

func (c *call) paced() *pacedBody { return &pacedBody{c: c, begun: time.Now()} }

func (b *pacedBody) Read(p []byte) (int, error) {
	idle := b.c.s.cfg.Patience
	slowest := b.begun.Add(idle.Idle + time.Duration(b.n/idle.Rate)*time.Second)
	deadline := time.Now().Add(idle.Idle)
	if slowest.Before(deadline) {
		deadline = slowest
	}
	_ = b.c.controller().SetReadDeadline(deadline)
	n, err := b.c.Request.Body.Read(p)
	b.n += int64(n)
	return n, err
}

// done says that no more of the body is wanted. The server goes on reading, to
// notice that the other end is gone, which must not end at a deadline.
func (b *pacedBody) done() { _ = b.c.controller().SetReadDeadline(time.Time{}) }

// problem says why a body could not be read.
func (b *pacedBody) problem(err error) error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return &Problem{Status: http.StatusRequestTimeout, Title: "Request Timeout", Detail: "the body came in too slowly", why: fmt.Sprintf("%d bytes in %v", b.n, time.Since(b.begun).Round(time.Millisecond)), close: true}
	}
	return &Problem{Status: http.StatusBadRequest, Title: "Bad Request", Detail: "the body ended early", why: err.Error(), close: true}
}

// A countingWriter knows what was answered.
type countingWriter struct {
	http.ResponseWriter
	code int
}

func (w *countingWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *countingWriter) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

func newRequestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A Tracer follows requests into what they lead to.
type Tracer interface {
	// Start begins a span, the child of one in header if there is one there; header
	// may be nil. end says how it went.
	Start(ctx context.Context, header http.Header, name string) (_ context.Context, end func(status int, err error))
}

type noTracer struct{}

func (noTracer) Start(ctx context.Context, _ http.Header, _ string) (context.Context, func(int, error)) {
	return ctx, func(int, error) {}
}

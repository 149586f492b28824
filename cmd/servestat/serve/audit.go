package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/servestat/servestat/cmd/servestat/access"
	"github.com/servestat/servestat/cmd/servestat/events"
)

// An entry says who did what, in one line of the audit log.
type entry struct {
	Time    time.Time `json:"time"`
	Request string    `json:"request"` // also the answer's X-Request-Id
	Remote  string    `json:"remote"`
	Who     string    `json:"who,omitempty"` // missing where nobody knows
	Kind    string    `json:"kind,omitempty"`
	Tenant  string    `json:"tenant,omitempty"`
	Action  string    `json:"action"` // the route
	Path    string    `json:"path"`
	Status  int       `json:"status"`
	Why     string    `json:"why,omitempty"` // it was refused
	Seconds float64   `json:"seconds"`
	Bytes   int64     `json:"bytes,omitempty"`
	// What it was about.
	Name    string           `json:"name,omitempty"`
	SHA256  string           `json:"sha256,omitempty"` // of the body as it came
	SQL     string           `json:"sql,omitempty"`
	Objects []objectOutcome  `json:"objects,omitempty"`
	Refused []events.Refusal `json:"refused,omitempty"`
	Outcome string           `json:"outcome,omitempty"`
}

// mostSaid bounds what of a caller's words is kept in the log.
const mostSaid = 4096

func said(text string) string {
	if len(text) > mostSaid {
		return text[:mostSaid] + "…"
	}
	return text
}

func newEntry(begun time.Time, r route, req *http.Request) entry {
	return entry{Time: begun.UTC(), Request: newRequestID(), Remote: req.RemoteAddr, Action: r.pattern, Path: said(req.URL.Path)}
}

func (e *entry) known(p *access.Principal) {
	e.Who, e.Kind, e.Tenant = said(p.Name), p.Kind, p.Tenant
}

// An auditLog takes a line for each request. JSON keeps what callers say from
// looking like a line of its own.
type auditLog struct {
	mu     sync.Mutex
	w      io.Writer
	talk   Talk
	failed bool
}

func (a *auditLog) write(e *entry) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // ours
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err = a.w.Write(append(line, '\n'))
	if err != nil && !a.failed {
		a.talk.Warn("the audit log cannot be written: %v", err)
	}
	a.failed = err != nil
}

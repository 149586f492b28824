package serve

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/cmd/servestat/access"
	"github.com/servestat/servestat/cmd/servestat/events"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake"
)

// A Config is what a server is made of.
type Config struct {
	// Guard knows who may call. Without one everybody who reaches the server may do
	// everything: for a server that only its own machine reaches.
	Guard *access.Guard
	// Allowed are the buckets that events may speak of, where there is no guard to name
	// them, and Buckets opens them.
	Allowed events.Allowed
	Buckets Buckets

	Lakes    Lakes
	Commands Commands

	Limits    ingest.Limits // of an upload
	Resources *ingest.Resources
	Jobs      int // uploads that are read at the same time

	MaxUploads int   // on their way in at the same time
	MaxSpool   int64 // bytes of uploads on their way in, on disk
	MaxDaily   int64 // bytes of uploads of one tenant on a day; 0: any number
	MaxQueries int   // statements and reports at the same time

	Patience Patience

	Audit io.Writer
	Talk  Talk
	Trace Tracer
}

// Lakes opens the lakes of tenants. The tenant is empty where there is one lake.
type Lakes interface {
	// Create opens a lake to write to, made where there is none yet.
	Create(tenant string) (*lake.Lake, error)
	// Open opens a lake that there is; it fails with [lake.ErrNotLake] where there
	// is none.
	Open(tenant string) (*lake.Lake, error)
}

// Commands are what the server leaves to processes of their own, so that neither a
// statement nor the database engine can take the server along. What a caller did
// wrong comes back as a [*Problem].
type Commands interface {
	// Ask runs one statement and writes its result to w, and to talk what else the
	// person should know.
	Ask(ctx context.Context, tenant string, q Question, w, talk io.Writer) error
	// Analyze brings kept results up to date.
	Analyze(ctx context.Context, tenant string) (analyze.Updated, error)
	// Report renders a report as one HTML page; args are those of servestat report.
	Report(ctx context.Context, tenant string, args ...string) ([]byte, error)
}

// A Question is a statement with what bounds its answer.
type Question struct {
	SQL     string
	Params  map[string]string
	Format  string
	Timeout time.Duration // 0: the server's
	Rows    int64         // 0: the server's
}

// Patience is how long the server waits.
type Patience struct {
	Header  time.Duration // for a request's first lines
	Idle    time.Duration // between two requests, and between two pieces of a body
	Rate    int64         // bytes a second that a body comes in with at least, on the whole
	Quiet   time.Duration // after the last upload, until analysis begins
	Session time.Duration // how long a batch is open for more
}

// DefaultPatience is what waiting is good for.
var DefaultPatience = Patience{Header: 10 * time.Second, Idle: 30 * time.Second, Rate: 8 << 10, Quiet: 2 * time.Second, Session: time.Second}

// Talk says something to the person who runs the server.
type Talk interface {
	Warn(format string, args ...any)
	Detail(format string, args ...any)
}

// A Problem is why a request was not done, as its sender is told (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`

	why   string        // for the log, where the sender is told less
	retry time.Duration // when to come again
	close bool          // the connection is of no more use
}

func (p *Problem) Error() string { return fmt.Sprintf("%d: %s", p.Status, p.Detail) }

// NewProblem is a problem of the sender's making, or the server's, by its status.
func NewProblem(status int, detail, hint string) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Detail: detail, Hint: hint}
}

func problemf(status int, format string, args ...any) *Problem {
	return NewProblem(status, fmt.Sprintf(format, args...), "")
}

// busy is a refusal for now.
func busy(status int, format string, args ...any) *Problem {
	p := problemf(status, format, args...)
	p.retry = 5 * time.Second
	return p
}

// errorLog passes what net/http has to say on to the person.
func errorLog(t Talk) *log.Logger { return log.New(detailWriter{t}, "", 0) }

type detailWriter struct{ t Talk }

func (d detailWriter) Write(p []byte) (int, error) {
	d.t.Detail("http: %s", p)
	return len(p), nil
}

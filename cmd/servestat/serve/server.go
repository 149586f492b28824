package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// A Server answers requests.
type Server struct {
	cfg       Config
	metrics   *metrics
	audit     *auditLog
	room      *room
	quota     *quota
	slots     *slots // of uploads on their way in
	queries   *slots
	strangers *slots
	intake    *intake
	analyst   *analyst
	pages     *pages
	stopping  chan struct{} // closed when no more is taken on
	handler   http.Handler
}

// New makes a server. Call Serve, or use it as a handler and Close it.
func New(cfg Config) *Server {
	if cfg.Patience == (Patience{}) {
		cfg.Patience = DefaultPatience
	}
	if cfg.Trace == nil {
		cfg.Trace = noTracer{}
	}
	s := &Server{cfg: cfg, metrics: newMetrics(), audit: &auditLog{w: cfg.Audit, talk: cfg.Talk}, stopping: make(chan struct{})}
	tenants := 1
	if cfg.Guard != nil && cfg.Guard.Tenancy() {
		tenants = 2
	}
	s.room, s.quota = &room{most: cfg.MaxSpool}, newQuota(cfg.MaxDaily)
	s.slots, s.queries = newSlots(cfg.MaxUploads, tenants), newSlots(cfg.MaxQueries, tenants)
	s.strangers = newSlots(mostStrangers, 1)
	s.analyst = newAnalyst(s)
	s.intake = newIntake(s)
	s.pages = &pages{most: mostPages}
	s.metrics.watch(s)
	s.handler = s.routes()
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// mostStrangers is how many may send a message at the same time whose signature is not
// verified yet.
const mostStrangers = 16

// maxHeader bounds a request's header; the longest that is sent for a reason is an
// identity token of some kilobytes.
const maxHeader = 32 << 10

// Serve answers until ctx ends. Then it takes nothing more on, and has deadline to
// finish what it has; what is not done then is given up whole, and its sender, who
// got no answer, sends it again.
func (s *Server) Serve(ctx context.Context, l net.Listener, deadline time.Duration, certificate, key string) error {
	p := s.cfg.Patience
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: p.Header, IdleTimeout: 2 * p.Idle, MaxHeaderBytes: maxHeader,
		ErrorLog: errorLog(s.cfg.Talk), DisableGeneralOptionsHandler: true,
		Protocols: new(http.Protocols),
	}
	// One request after the other, on a connection of its own: what is bounded by
	// connection is bounded.
	server.Protocols.SetHTTP1(true)
	s.catchUp()
	ended := make(chan error, 1)
	go func() {
		if certificate != "" {
			ended <- server.ServeTLS(l, certificate, key)
			return
		}
		ended <- server.Serve(l)
	}()
	select {
	case err := <-ended:
		s.Close(0)
		return err
	case <-ctx.Done():
	}
	close(s.stopping)
	begun := time.Now()
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	err := server.Shutdown(late)
	s.Close(deadline - time.Since(begun))
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Talk.Warn("not all requests were done after %v: the rest was given up whole, and its senders were told nothing", deadline)
		err = nil
		server.Close()
	}
	return err
}

// catchUp analyses what an earlier process took in and did not get to.
func (s *Server) catchUp() {
	tenants := []string{""}
	if s.cfg.Guard != nil {
		tenants = s.cfg.Guard.Tenants()
	}
	for _, tenant := range tenants {
		if _, err := s.cfg.Lakes.Open(tenant); err == nil {
			s.analyst.touched(tenant)
		}
	}
}

// Close ends what goes on beside requests: within patience by itself, and then by
// force.
func (s *Server) Close(patience time.Duration) {
	s.intake.close(patience)
	s.analyst.close()
}

// stopped reports whether nothing more is taken on.
func (s *Server) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

package serve

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/servestat/servestat/analyze"
)

// An analyst brings kept results up to date after uploads. It waits until nothing
// more comes for a moment, so that a night's results are analysed once and not file
// by file; but not for ever. What the new runs do not touch is reused: it is found in
// the lake by a digest of what it follows from.
type analyst struct {
	s      *Server
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	kick   chan struct{}

	mu    sync.Mutex
	dirty map[string]*unrest
	last  map[string]analyze.Updated
}

// unrest is since when, and until when, a lake was written to.
type unrest struct{ first, latest time.Time }

// mostUnrest is how many times the quiet is waited for while uploads go on coming.
const mostUnrest = 10

func newAnalyst(s *Server) *analyst {
	a := &analyst{s: s, ended: make(chan struct{}), kick: make(chan struct{}, 1), dirty: map[string]*unrest{}, last: map[string]analyze.Updated{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	go a.run()
	return a
}

// touched says that a lake was written to.
func (a *analyst) touched(tenant string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if u := a.dirty[tenant]; u != nil {
		u.latest = now
	} else {
		a.dirty[tenant] = &unrest{now, now}
	}
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

func (a *analyst) run() {
	defer close(a.ended)
	quiet := a.s.cfg.Patience.Quiet
	for {
		tenant, wait, ok := a.next(quiet)
		switch {
		case ok:
			a.analyze(tenant)
		case wait > 0:
			select {
			case <-time.After(wait):
			case <-a.ctx.Done():
				return
			}
		default:
			select {
			case <-a.kick:
			case <-a.ctx.Done():
				return
			}
		}
		if a.ctx.Err() != nil {
			return
		}
	}
}

// next gives a lake that is quiet enough, or how long to wait for one; 0 where there
// is none to wait for.
func (a *analyst) next(quiet time.Duration) (tenant string, wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(a.dirty)) {
		u := a.dirty[name]
		due := u.latest.Add(quiet)
		if last := u.first.Add(mostUnrest * quiet); last.Before(due) {
			due = last
		}
		if !due.After(now) {
			delete(a.dirty, name)
			return name, 0, true
		}
		if left := due.Sub(now); wait == 0 || left < wait {
			wait = left
		}
	}
	return "", wait, false
}

// analyze analyses one lake. One that fails is tried again after the next upload;
// what it had done by then is kept.
func (a *analyst) analyze(tenant string) {
	ctx, end := a.s.cfg.Trace.Start(a.ctx, nil, "analyze")
	done, err := a.s.cfg.Commands.Analyze(ctx, tenant)
	end(0, err)
	if err != nil {
		if a.ctx.Err() == nil {
			a.s.metrics.failures.Inc()
			a.s.cfg.Talk.Warn("analysis%s: %v", ofTenant(tenant), err)
		}
		return
	}
	a.s.metrics.analyses.WithLabelValues("computed").Add(float64(done.Computed))
	a.s.metrics.analyses.WithLabelValues("reused").Add(float64(done.Reused))
	a.s.cfg.Talk.Detail("analyze%s: %d units, %d reused", ofTenant(tenant), done.Units, done.Reused)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last[tenant] = done
}

func ofTenant(tenant string) string {
	if tenant == "" {
		return ""
	}
	return " of " + tenant
}

// latest is what the last analysis of a lake did, since the server began.
func (a *analyst) latest(tenant string) (analyze.Updated, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	done, ok := a.last[tenant]
	return done, ok
}

func (a *analyst) close() {
	a.cancel()
	<-a.ended
}

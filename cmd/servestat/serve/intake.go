package serve

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/servestat/servestat/ingest"
)

// An intake takes whole uploads into lakes. Each lake has one batch at a time: a
// session of the lake that is open for a moment, closed when the last of its uploads
// is committed, and followed by a pause. So an ingester, which reads what the lake
// has, is made once for many uploads, and servestat lake gc, which waits until no
// session is open, has its turn under any load.
type intake struct {
	s      *Server
	ctx    context.Context // of the uploads: a sender that is gone does not end its upload
	cancel context.CancelFunc
	work   sync.WaitGroup // uploads, and sessions that are open

	mu     sync.Mutex
	lanes  map[string]*lane
	queued int
	closed bool
}

// A lane is what waits for one lake.
type lane struct {
	tenant  string
	waiting []*job
	more    chan struct{} // has one where something was added
}

// A job is an upload on its way into a lake, with others that have to be read again on
// its account.
type job struct {
	uploads []ingest.Upload
	of      context.Context // the request, for who follows it; its end is not the upload's
	done    chan struct{}
	// What became of it, when it is done.
	reports []*ingest.Report
	skipped []ingest.Skipped
	err     error
}

const (
	// largeUpload has a session of its own, so that none waits for it.
	largeUpload = 64 << 20
	// mostOfBatch bounds what reads from disk at the same time, archives among it.
	mostOfBatch = 64
	// pause is more than gc waits between two looks at whether a session is open.
	pause = 50 * time.Millisecond
)

func newIntake(s *Server) *intake {
	in := &intake{s: s, lanes: map[string]*lane{}}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in
}

// take takes uploads into a tenant's lake. It comes back when they are committed, or
// ctx ends; they go on all the same, and discard is called when that is done.
func (in *intake) take(ctx context.Context, tenant string, uploads []ingest.Upload, discard func()) (*job, error) {
	j := &job{uploads: uploads, of: ctx, done: make(chan struct{})}
	if !in.begin() {
		discard()
		return nil, busy(http.StatusServiceUnavailable, "the server is stopping")
	}
	go func() {
		<-j.done
		discard()
		in.work.Done()
	}()
	if j.size() > largeUpload {
		in.work.Go(func() { in.alone(tenant, j) })
	} else {
		in.enqueue(tenant, j)
	}
	select {
	case <-j.done:
		return j, j.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (j *job) size() (n int64) {
	for _, up := range j.uploads {
		n += up.Size
	}
	return n
}

// begin counts an upload in, unless the intake is closed.
func (in *intake) begin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	in.work.Add(1)
	return true
}

func (in *intake) enqueue(tenant string, j *job) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queued++
	l := in.lanes[tenant]
	if l == nil {
		l = &lane{tenant: tenant, more: make(chan struct{}, 1)}
		in.lanes[tenant] = l
		go in.drive(l)
	}
	l.waiting = append(l.waiting, j)
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// next gives what waits in a lane, up to most.
func (in *intake) next(l *lane, most int) []*job {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := min(most, len(l.waiting))
	jobs := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	in.queued -= n
	return jobs
}

// drive does batch after batch until nothing waits.
func (in *intake) drive(l *lane) {
	for {
		in.work.Add(1) // what waits is counted still: nobody's wait is over
		in.batch(l)
		in.work.Done()
		time.Sleep(pause)
		in.mu.Lock()
		if len(l.waiting) == 0 {
			delete(in.lanes, l.tenant)
			in.mu.Unlock()
			return
		}
		in.mu.Unlock()
	}
}

// batch is one session of a lake: what waits, and what comes as long as it is open.
func (in *intake) batch(l *lane) {
	jobs := in.next(l, mostOfBatch)
	ingester, err := in.open(l.tenant)
	if err != nil {
		for _, j := range jobs {
			j.finish(err)
		}
		return
	}
	defer in.s.analyst.touched(l.tenant)
	defer ingester.Close()
	var all sync.WaitGroup
	closing := time.After(in.s.cfg.Patience.Session)
	ended := make(chan struct{}, mostOfBatch)
	for running := 0; ; {
		for _, j := range jobs {
			running++
			all.Go(func() {
				in.do(ingester, j)
				ended <- struct{}{}
			})
		}
		jobs = nil
		select {
		case <-l.more:
		case <-ended:
			running--
		case <-closing:
			all.Wait()
			return
		}
		jobs = in.next(l, mostOfBatch-running)
		if running+len(jobs) == 0 { // nothing waits: the session is not kept for what may come
			return
		}
	}
}

// alone takes in one upload in a session of its own.
func (in *intake) alone(tenant string, j *job) {
	ingester, err := in.open(tenant)
	if err != nil {
		j.finish(err)
		return
	}
	defer in.s.analyst.touched(tenant)
	defer ingester.Close()
	in.do(ingester, j)
}

func (in *intake) open(tenant string) (*ingest.Ingester, error) {
	l, err := in.s.cfg.Lakes.Create(tenant)
	if err != nil {
		return nil, err
	}
	in.s.metrics.sessions.Inc()
	return ingest.New(l, ingest.Options{Limits: in.s.cfg.Limits, Resources: in.s.cfg.Resources})
}

func (in *intake) do(ingester *ingest.Ingester, j *job) {
	ctx, end := in.s.cfg.Trace.Start(following{in.ctx, j.of}, nil, "ingest")
	begun := time.Now()
	err := ingester.IngestAll(ctx, j.uploads, func(s ingest.Skipped) { j.skipped = append(j.skipped, s) }, func(rep *ingest.Report) error {
		j.reports = append(j.reports, rep)
		return nil
	})
	in.s.metrics.ingest.Observe(time.Since(begun).Seconds())
	end(0, err)
	j.finish(err)
}

// following is a context that ends with one and knows what another does.
type following struct {
	context.Context
	of context.Context
}

func (f following) Value(key any) any { return f.of.Value(key) }

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

func (in *intake) depth() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.queued
}

// close lets uploads that are whole finish for as long as patience lasts, and then
// gives up the others. What is given up leaves nothing that counts.
func (in *intake) close(patience time.Duration) {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	if patience > 0 {
		timer := time.AfterFunc(patience, in.cancel)
		defer timer.Stop()
	} else {
		in.cancel()
	}
	in.work.Wait()
	in.cancel()
}

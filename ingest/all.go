package ingest

import (
	"context"
	"runtime"

	"golang.org/x/sync/semaphore"
)

// DefaultMemory is what uploads that are read at the same time may need.
const DefaultMemory = 512 << 20

// Resources are what uploads that are prepared side by side share: cores, and bytes
// of memory.
type Resources struct {
	jobs, budget  int64
	cores, memory *semaphore.Weighted
}

// NewResources are so many uploads at the same time, in so many bytes; 0 stands for
// the defaults of [Options].
func NewResources(jobs int, memory int64) *Resources {
	r := &Resources{jobs: int64(orDefault(jobs, runtime.GOMAXPROCS(0))), budget: orDefault(memory, DefaultMemory)}
	r.cores, r.memory = semaphore.NewWeighted(r.jobs), semaphore.NewWeighted(r.budget)
	return r
}

// need is what of them an upload takes.
func (r *Resources) need(up Upload) (jobs, memory int64) {
	jobs, memory = 1, min(up.need(), r.budget)
	if up.within != nil && compressed(up.Path) {
		jobs = r.jobs // what it may decompress to depends on those before it
	}
	return jobs, memory
}

func (r *Resources) acquire(ctx context.Context, jobs, memory int64) error {
	if err := r.cores.Acquire(ctx, jobs); err != nil {
		return err
	}
	if err := r.memory.Acquire(ctx, memory); err != nil {
		r.cores.Release(jobs)
		return err
	}
	return nil
}

func (r *Resources) release(jobs, memory int64) {
	r.memory.Release(memory)
	r.cores.Release(jobs)
}

// IngestAll takes what was found into the lake, archives by their members (see
// [Ingester.Uploads]), several uploads at a time, and tells each what became of
// one after the other, in their order; skipped, which may be nil, of members that
// are no uploads. The first error ends it, of each or of an upload; those before
// it are in the lake. It may be called from several goroutines, which share cores
// and memory.
func (in *Ingester) IngestAll(ctx context.Context, found []Upload, skipped func(Skipped), each func(*Report) error) error {
	if skipped == nil {
		skipped = func(Skipped) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := in.prepareAll(ctx, found)
	var failed error
	for next := range queue { // to the end, so that nothing is left at work
		out := <-next
		if failed == nil {
			failed = ctx.Err() // what is ready by then is left as well
		}
		if failed != nil {
			continue
		}
		if failed = in.settle(out, skipped, each); failed != nil {
			cancel()
		}
	}
	return failed
}

func (in *Ingester) settle(out outcome, skipped func(Skipped), each func(*Report) error) error {
	if out.err != nil {
		return out.err
	}
	if out.skipped != nil {
		skipped(*out.skipped)
		return nil
	}
	rep, err := in.commit(out.prepared)
	if err != nil {
		return err
	}
	return each(rep)
}

type outcome struct {
	*prepared
	skipped *Skipped // instead
	err     error
}

// prepareAll prepares uploads as cores and memory allow. What comes of them is
// in the queue in their order, also where a later one was faster.
func (in *Ingester) prepareAll(ctx context.Context, found []Upload) <-chan chan outcome {
	const waiting = 256 // done, and behind one that is not
	queue := make(chan chan outcome, waiting)
	go func() {
		defer close(queue)
		skip := func(s Skipped) {
			out := make(chan outcome, 1)
			out <- outcome{skipped: &s}
			queue <- out
		}
		for up, err := range in.Uploads(ctx, found, skip) {
			out := make(chan outcome, 1)
			queue <- out
			if err != nil {
				out <- outcome{err: err}
				return
			}
			jobs, memory := in.resources.need(up)
			if err := in.resources.acquire(ctx, jobs, memory); err != nil {
				out <- outcome{err: err}
				return
			}
			go func() {
				p, err := in.prepare(ctx, up)
				in.resources.release(jobs, memory)
				out <- outcome{prepared: p, err: err}
			}()
		}
	}()
	return queue
}

// need estimates the memory in which an upload can be read: buffers, whatever
// its size, and what is held of every request until its run closes.
func (up *Upload) need() int64 {
	const (
		buffers = 48 << 20
		part    = 16 // a request of 500 tokens takes 12 kB in the file and 0.15 here, one of 20 tokens 0.8 and 0.15
	)
	return buffers + up.Size/part
}

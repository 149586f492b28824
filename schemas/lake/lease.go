package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const leaseDir = "leases/v1"

// How long leases last. One counts for leaseFor after it was last renewed, by the
// store's clock. Its holder publishes and removes only within leaseSafe of that, by
// its own clock, so that what it began has arrived, or cannot arrive any more, when
// its lease does not count any more.
var (
	leaseFor   = 20 * time.Minute
	leaseSafe  = 5 * time.Minute
	leaseRenew = time.Minute
	leasePoll  = 500 * time.Millisecond
)

const (
	publishing = "session"
	collecting = "collect"
)

// A lease does in a bucket what a lock on the lake's folder does in a directory: it
// says to others that a session publishes, or that files are being removed. Who
// takes one first says so and looks around then: of two who begin at once, at least
// one sees the other.
type lease struct {
	lake *Lake
	file string // with its text
	stem string // of its names
	n    int
	mine []string // names that may be there, the last one last

	mu      sync.Mutex
	renewed time.Time

	stop  chan struct{}
	close sync.Once
	done  sync.WaitGroup
}

// take begins a lease of a kind, with a file of its own in folder.
func (l *Lake) take(kind, folder string) (*lease, error) {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	s := &lease{lake: l, stem: leaseDir + "/" + kind + "-" + hex.EncodeToString(id) + "-", file: filepath.Join(folder, "lease"), stop: make(chan struct{})}
	text := fmt.Sprintf("{\"schema\": \"servestat.lease/1\", \"host\": %q, \"pid\": %d}\n", host, os.Getpid())
	if err := os.WriteFile(s.file, []byte(text), 0o666); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, s.end())
	}
	s.done.Go(s.keep)
	return s, nil
}

func (s *lease) begin() error {
	for deadline := time.Now().Add(holdLimit); ; {
		if err := s.renew(); err != nil {
			return err
		}
		if s.n == 1 {
			if err := s.probe(); err != nil {
				return err
			}
		}
		others, err := s.others()
		if err != nil || len(others) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w (%s): try again when it is done; one that died counts for %v", s.lake.name, ErrBusy, others[0], leaseFor)
		}
		if slices.ContainsFunc(others, isCollecting) { // it waits for us, or for us as we for it
			if err := s.end(); err != nil {
				return err
			}
		}
		select {
		case <-s.lake.ctx.Done():
			return s.lake.ctx.Err()
		case <-time.After(leasePoll/2 + mathrand.N(leasePoll)): // two that remove must fall out of step
		}
	}
}

func isCollecting(name string) bool { return strings.HasPrefix(name, leaseDir+"/"+collecting+"-") }

// renew makes the lease count from now on. Files are written once, so each renewal
// is another one.
func (s *lease) renew() error {
	at := time.Now() // before: it does not count longer than we think
	s.n++
	name := s.stem + strconv.Itoa(s.n)
	s.mine = append(s.mine, name)
	created, err := s.lake.store.PutIfAbsent(s.lake.ctx, name, s.file)
	if err != nil {
		return fmt.Errorf("lease %s: %w", name, err)
	}
	if !created {
		return fmt.Errorf("lease %s: it is there already", name)
	}
	s.mu.Lock()
	s.renewed = at
	s.mu.Unlock()
	for len(s.mine) > 1 {
		if err := s.lake.store.Delete(s.lake.ctx, s.mine[0]); err != nil {
			return err
		}
		s.mine = s.mine[1:]
	}
	return nil
}

// probe puts the same lease once more. A store that lets that happen would let a
// later writer replace what an earlier one published.
func (s *lease) probe() error {
	created, err := s.lake.store.PutIfAbsent(s.lake.ctx, s.mine[0], s.file)
	if err == nil && created {
		err = ErrOverwrites
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.lake.name, err)
	}
	return nil
}

// ErrOverwrites is returned for a store that does not keep what is there: nothing
// may be published into it.
var ErrOverwrites = errors.New("the store replaces objects although it is asked not to (If-None-Match: * has no effect), so that writers could lose each other's runs: use a store with conditional writes")

// others lists the leases that keep this one from going on: a session waits for who
// removes, and who removes waits for everybody. Leases that do not count any more
// are removed.
func (s *lease) others() ([]string, error) {
	found, err := s.lake.entries(leaseDir)
	if err != nil {
		return nil, err
	}
	own, ok := found[s.mine[len(s.mine)-1]]
	if !ok {
		return nil, fmt.Errorf("%s: its %s was removed meanwhile: run it again", s.lake.name, leaseDir)
	}
	var others []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		switch {
		case strings.HasPrefix(name, s.stem):
		case own.ModTime.Sub(found[name].ModTime) > leaseFor:
			if err := s.lake.store.Delete(s.lake.ctx, name); err != nil {
				return nil, err
			}
		case isCollecting(s.stem) || isCollecting(name):
			others = append(others, name)
		}
	}
	return others, nil
}

// keep renews the lease until it ends.
func (s *lease) keep() {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			_ = s.renew() // where that goes on, valid says so
		}
	}
}

// valid fails where the lease was not renewed for too long: the process was
// suspended, or the store not to be reached.
func (s *lease) valid() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The wall clock goes on where the machine sleeps, the other one where somebody
	// sets the wall clock back.
	age := max(time.Since(s.renewed), time.Now().Round(0).Sub(s.renewed.Round(0)))
	if age <= leaseSafe {
		return nil
	}
	return fmt.Errorf("%s: for %v this process could not say that it is at work, so that what it wrote may be taken for abandoned: run it again", s.lake.name, age.Round(time.Second))
}

// end takes the lease away, also where everything else was cancelled.
func (s *lease) end() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.lake.ctx), 10*time.Second)
	defer cancel()
	var err error
	for _, name := range s.mine {
		err = errors.Join(err, s.lake.store.Delete(ctx, name))
	}
	s.mine = nil
	return err
}

// Close ends the lease. It may be called more than once.
func (s *lease) Close() error {
	s.close.Do(func() { close(s.stop) })
	s.done.Wait()
	return s.end()
}

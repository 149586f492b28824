package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/servestat/servestat/ingest"
)

// slots bound how much is done at the same time, by all and by each tenant.
type slots struct {
	most, each int

	mu    sync.Mutex
	taken int
	of    map[string]int
}

// newSlots makes so many slots. Of several tenants, none may have more than a share.
func newSlots(most, tenants int) *slots {
	return &slots{most: most, each: max(1, most/tenants), of: map[string]int{}}
}

// take takes a slot and gives what gives it back.
func (s *slots) take(tenant, what string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[tenant] >= s.each && s.each < s.most:
		return nil, busy(http.StatusTooManyRequests, "%d %s of yours are on their way already", s.each, what)
	case s.taken >= s.most:
		return nil, busy(http.StatusServiceUnavailable, "%d %s are on their way already", s.most, what)
	}
	s.taken++
	s.of[tenant]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.of[tenant]--; s.of[tenant] == 0 {
			delete(s.of, tenant)
		}
	}, nil
}

func (s *slots) inUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// A room is the disk that uploads on their way in may take.
type room struct {
	most int64
	used atomic.Int64
}

func (r *room) take(n int64) error {
	if used := r.used.Add(n); r.most > 0 && used > r.most {
		r.used.Add(-n)
		return busy(http.StatusServiceUnavailable, "uploads on their way in take all the room that they may")
	}
	return nil
}

// A spool is an upload on disk. Its file has no name: however the process ends,
// nothing is left of it.
type spool struct {
	room *room
	file *os.File
	size int64
	sum  string
}

// newSpool keeps what comes from r, up to a limit of bytes.
func newSpool(room *room, r io.Reader, limits ingest.Limits) (*spool, error) {
	file, err := os.CreateTemp("", "servestat-upload-")
	if err != nil {
		return nil, err
	}
	sp := &spool{room: room, file: file}
	if err := os.Remove(file.Name()); err != nil {
		sp.discard()
		return nil, err
	}
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if err := sp.keep(buf[:n], limits); err != nil {
			sp.discard()
			return nil, err
		}
		sum.Write(buf[:n])
		if err == io.EOF {
			sp.sum = hex.EncodeToString(sum.Sum(nil))
			return sp, nil
		}
		if err != nil {
			sp.discard()
			return nil, &readError{err}
		}
	}
}

// A readError is the sender's, not the disk's.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func (sp *spool) keep(p []byte, limits ingest.Limits) error {
	if err := checkStored(limits, sp.size+int64(len(p))); err != nil {
		return err
	}
	if err := sp.room.take(int64(len(p))); err != nil {
		return err
	}
	sp.size += int64(len(p))
	_, err := sp.file.Write(p)
	return err
}

// checkStored refuses what is larger than an upload may be.
func checkStored(limits ingest.Limits, size int64) error {
	if err := limits.CheckStored(size); err != nil {
		return &Problem{Status: http.StatusRequestEntityTooLarge, Title: "Request Entity Too Large", Detail: fmt.Sprint(err), close: true}
	}
	return nil
}

// discard gives the room back.
func (sp *spool) discard() {
	sp.file.Close()
	sp.room.used.Add(-sp.size)
}

// upload makes an upload of it, which has no place and so nothing beside it.
func (sp *spool) upload(name string, labels map[string]string) ingest.Upload {
	return ingest.Upload{Name: name, Size: sp.size, Labels: labels, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(sp.file, 0, sp.size)), nil
	}}
}

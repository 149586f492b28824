package serve

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A quota is how many bytes each tenant may hand in on a day, in UTC. It is counted by
// this process: what was counted is forgotten with it, for no state is kept but the
// lake, so that it holds off who sends too much and settles no bill.
type quota struct {
	most int64 // 0: no limit
	now  func() time.Time

	mu   sync.Mutex
	day  string
	used map[string]int64
}

func newQuota(most int64) *quota { return &quota{most: most, now: time.Now} }

// take counts bytes of a tenant, if it may hand in so many more today.
func (q *quota) take(tenant string, n int64) error {
	if q.most <= 0 {
		return nil
	}
	now := q.now().UTC()
	q.mu.Lock()
	defer q.mu.Unlock()
	if day := now.Format(time.DateOnly); day != q.day {
		q.day, q.used = day, map[string]int64{}
	}
	if q.used[tenant]+n > q.most {
		p := problemf(http.StatusTooManyRequests, "this would be more than the %d bytes that may be handed in on a day; %d are left of today", q.most, q.most-q.used[tenant])
		p.retry = now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
		p.why = fmt.Sprintf("quota: %d bytes used, %d asked for", q.used[tenant], n)
		p.close = true // a body may be on its way
		return p
	}
	q.used[tenant] += n
	return nil
}

// giveBack uncounts bytes that did not come.
func (q *quota) giveBack(tenant string, n int64) {
	if q.most <= 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used[tenant] = max(0, q.used[tenant]-n) // the day may be another
}

package serve

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

// One tenant that sends without end takes nothing from another, and has its day again
// at midnight, which the answer says.
func TestQuotaIsATenantsAndADays(t *testing.T) {
	now := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	q := newQuota(100)
	q.now = func() time.Time { return now }
	refused := func(tenant string, n int64) *Problem {
		t.Helper()
		var p *Problem
		if err := q.take(tenant, n); err != nil && !errors.As(err, &p) {
			t.Fatal(err)
		}
		return p
	}
	for _, step := range []struct {
		tenant string
		n      int64
		ok     bool
	}{{"a", 60, true}, {"a", 41, false}, {"a", 40, true}, {"a", 1, false}, {"a", 0, true}, {"b", 100, true}, {"b", 1, false}} {
		p := refused(step.tenant, step.n)
		if (p == nil) != step.ok {
			t.Errorf("%+v: %v", step, p)
		}
		if p != nil && (p.Status != http.StatusTooManyRequests || p.retry != 2*time.Hour) {
			t.Errorf("%+v: %d, again in %v; want 429, in two hours", step, p.Status, p.retry)
		}
	}
	q.giveBack("a", 50)
	if p := refused("a", 50); p != nil {
		t.Errorf("what did not come counts: %v", p)
	}
	now = now.Add(2 * time.Hour)
	if p := refused("a", 100); p != nil {
		t.Errorf("on another day: %v", p)
	}
	if err := newQuota(0).take("a", 1<<40); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

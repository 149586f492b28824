package ingest

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// Every field but the position comes back, also one that is added later: the
// request is filled by reflection.
func TestRequestLogHoldsEveryField(t *testing.T) {
	var full schemas.Request
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *schemas.Pos:
		case *int:
			*f = 7 + i
		case *schemas.Status:
			*f = schemas.StatusOK
		case *schemas.Opt[int64]:
			*f = schemas.Some(int64(1000 + i))
		case *schemas.Opt[string]:
			*f = schemas.Some(strings.Repeat("x", i))
		default:
			t.Fatalf("a request has a %T, which requestLog does not know", f)
		}
	}
	extreme := schemas.Request{
		Index: math.MaxInt32, Status: schemas.StatusFailed, Start: schemas.Some(int64(math.MinInt64)), E2EL: schemas.Some(int64(math.MaxInt64)),
		Error: schemas.Some(strings.Repeat("boom ", requestBlock)), Session: schemas.Some(""), TTFT: schemas.Some(int64(0)),
	}
	var l requestLog
	var want []schemas.Request
	for range 3000 {
		for _, r := range []schemas.Request{full, {}, {Turn: schemas.Some(int64(0))}} {
			l.add(&r)
			want = append(want, r)
		}
	}
	l.add(&extreme)
	want = append(want, extreme)
	i := 0
	for r := range l.all() {
		if *r != want[i] {
			t.Fatalf("request %d is %+v, want %+v", i, *r, want[i])
		}
		i++
	}
	if i != len(want) || l.n != len(want) {
		t.Errorf("%d requests of %d, counted as %d", i, len(want), l.n)
	}
}

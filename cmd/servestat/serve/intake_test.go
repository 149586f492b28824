package serve

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake"
)

// in is a folder as everybody's lake.
type in string

func (dir in) Create(string) (*lake.Lake, error) { return lake.Create(string(dir)) }
func (dir in) Open(string) (*lake.Lake, error)   { return lake.Open(string(dir)) }

// A server that was stopped right behind an answer had not ended the session that the
// upload was in: the process was gone before, and left its folder behind, or in a bucket
// its lease, for which gc waits 20 minutes.
func TestStoppingEndsSessions(t *testing.T) {
	uploads, _, err := ingest.Find([]string{"../testdata/demo/logs/0.20.0/c2/run1.json.gz"}, nil)
	if err != nil || len(uploads) != 1 {
		t.Fatal(len(uploads), err)
	}
	for range 10 {
		dir := in(t.TempDir())
		s := New(Config{Lakes: dir, Resources: ingest.NewResources(1, 64<<20), Patience: Patience{Session: time.Hour, Quiet: time.Hour}})
		if _, err := s.intake.take(t.Context(), "", uploads, func() {}); err != nil {
			t.Fatal(err)
		}
		s.Close(time.Minute)
		if left, err := filepath.Glob(filepath.Join(string(dir), "tmp", "*")); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
	}
}

// Package recordtest is what tests of readers share, whatever they read: records as text
// that a person can check by hand, for goldens, and the order that they come in.
package recordtest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// A Reader is what a producer's NewReader returns.
type Reader interface {
	Scan() bool
	Record() schemas.Record
	Err() error
}

// Read returns all records of an upload, which are in the order that
// [schemas.Record] promises.
func Read(t testing.TB, rd Reader) []schemas.Record {
	t.Helper()
	var records []schemas.Record
	var o order
	for rd.Scan() {
		rec := rd.Record()
		if err := o.check(rec); err != nil {
			t.Fatalf("%s%v", Shorthand(rec), err)
		}
		if gaps, ok := rec.(*schemas.Gaps); ok {
			gaps.Nanos = slices.Clone(gaps.Nanos)
			gaps.Tokens = slices.Clone(gaps.Tokens)
		}
		records = append(records, rec)
	}
	if rd.Err() != nil {
		t.Fatal(rd.Err())
	}
	if rd.Record() != nil || rd.Scan() {
		t.Fatal("the reader goes on behind its end")
	}
	return records
}

// File returns a file of testdata.
func File(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas"
)

// A lake of 10,000 runs, compacted twice, had two blocks of the same rows that
// differed in two bytes: the names of uploads had outgrown their dictionary, and Arrow
// lists the encodings of a column's pages in the order of a Go map. Blocks are named
// by their digest, so each time that is another block.
func TestTheSameRowsAreTheSameFile(t *testing.T) {
	var runs []*schemas.Run
	for i := range 6000 {
		runs = append(runs, &schemas.Run{ID: fmt.Sprintf("%08d", i), SourceName: strings.Repeat("long/", 100) + fmt.Sprint(i)})
	}
	var first []byte
	for range 20 { // half of them would differ
		var out bytes.Buffer
		if _, err := WriteTable(&out, schemas.RunsTable, slices.Values(runs)); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out.Bytes()
		}
		if !bytes.Equal(out.Bytes(), first) {
			t.Fatal("the same rows gave two files")
		}
	}
	b := blockOfTable(t, schemas.RunsTable.TableInfo, func(w io.Writer) error {
		_, err := w.Write(first)
		return err
	})
	seen := int64(0)
	err := b.Verify(t.Context(), "run_id", func(id string, rows int64) error {
		if rows != 1 || id != runs[seen].ID {
			return fmt.Errorf("%d rows of %s at %d", rows, id, seen)
		}
		seen++
		return nil
	})
	if err != nil || seen != 6000 {
		t.Error(seen, err)
	}
}

// A full disk can be full at the footer, too.
func TestEveryWriteThatFailsIsTold(t *testing.T) {
	var whole bytes.Buffer
	if _, err := WriteTable(&whole, schemas.RequestsTable, requests(100)); err != nil {
		t.Fatal(err)
	}
	for room := 0; room < whole.Len(); room += 13 {
		if _, err := WriteTable(&full{room: room}, schemas.RequestsTable, requests(100)); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d of %d bytes: %v", room, whole.Len(), err)
		}
	}
}

var errFull = errors.New("no space left")

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

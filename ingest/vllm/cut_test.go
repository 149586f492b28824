package vllm

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/servestat/servestat/ingest/failures"
	"github.com/servestat/servestat/ingest/recordtest"
	"github.com/servestat/servestat/schemas"
)

// TestTruncated cuts files at every byte. Whatever is left is said once; the
// requests that come out are those of the whole file, as far as they go; a byte
// more never means a request less; and a run that is closed says that it was cut.
func TestTruncated(t *testing.T) {
	for _, name := range []string{
		"v0.15.0/ok.json", "v0.15.0/sorted_keys.json", "v0.15.0/failed_requests.json", "v0.19.1/chat_silent.json", "v0.10.2/pooling.json",
		"v0.8.5/summary.json", "rust/detailed.json", "offline/latency.json", "offline/throughput.json", "offline/startup.json", "multi-turn/unstreamed.json",
	} {
		t.Run(name, func(t *testing.T) {
			text := bytes.TrimSpace(recordtest.File(t, name))
			whole := requestsOf(read(t, bytes.NewReader(text)))
			before := 0
			for n := 1; n < len(text); n++ {
				records := read(t, bytes.NewReader(text[:n]), Buffer(1024))
				checkCut(t, records, n)
				requests := wholeOf(requestsOf(records))
				if len(requests) < before {
					t.Fatalf("cut at %d: %d requests, and %d with a byte less", n, len(requests), before)
				}
				before = len(requests)
				for i, rec := range requests {
					if err := sameRequest(rec, whole[i]); err != nil {
						t.Fatalf("cut at %d: %v\n%s%s", n, err, recordtest.Shorthand(rec), recordtest.Shorthand(whole[i]))
					}
				}
			}
			if before != len(whole) && name != "multi-turn/unstreamed.json" {
				t.Errorf("%d requests before the last byte, %d with it", before, len(whole))
			}
		})
	}
}

// checkCut holds the records of a file that was cut at byte n to what is said of it.
func checkCut(t *testing.T, records []schemas.Record, n int) {
	t.Helper()
	var told *schemas.Reject
	closed := false
	for _, rec := range records {
		switch rec := rec.(type) {
		case *schemas.Reject:
			if told != nil || !strings.HasPrefix(rec.Reason, "truncated: ") || rec.At.Offset != int64(n) {
				t.Fatalf("cut at %d: %v, %v", n, told, rec)
			}
			told = rec
		case *schemas.Run:
			closed = true
			if !rec.Truncated || len(rec.Notes) == 0 || !strings.HasPrefix(rec.Notes[0], "truncated: ") {
				t.Fatalf("cut at %d: %s", n, recordtest.Shorthand(rec))
			}
		}
	}
	if told == nil || told.Fatal == closed {
		t.Fatalf("cut at %d: %v, closed: %v", n, told, closed)
	}
}

func requestsOf(records []schemas.Record) (requests []*schemas.Request) {
	for _, rec := range records {
		if rec, ok := rec.(*schemas.Request); ok {
			requests = append(requests, rec)
		}
	}
	return requests
}

// wholeOf leaves out what is only there because its gaps are.
func wholeOf(requests []*schemas.Request) []*schemas.Request {
	for i, rec := range requests {
		if rec.ErrorClass == schemas.Some(failures.BadRecord) {
			return requests[:i]
		}
	}
	return requests
}

// sameRequest: a request out of a cut file lacks its start and its message at
// most, and with them the class of its failure.
func sameRequest(got, want *schemas.Request) error {
	g, w := *got, *want
	if !g.Start.OK {
		w.Start = g.Start
	}
	if !g.InputTokens.OK {
		w.InputTokens = g.InputTokens
	}
	if !g.Error.OK {
		w.Error = g.Error
	}
	if !g.Error.OK && (g.ErrorClass.V == failures.Other || g.ErrorClass.V == failures.HTTP) {
		w.ErrorClass = g.ErrorClass
	}
	if w.Status == schemas.StatusSuspect || g.Status == schemas.StatusSuspect {
		w.Status, w.ErrorClass = g.Status, g.ErrorClass // the tool's count tells, and may be cut
	}
	w.At.Offset, g.Start, w.Start = g.At.Offset, schemas.Opt[int64]{}, schemas.Opt[int64]{}
	if !reflect.DeepEqual(g, w) {
		return fmt.Errorf("another request")
	}
	return nil
}

// TestCutCompression: a compressed file that was cut reads as what is left of it.
func TestCutCompression(t *testing.T) {
	text := recordtest.File(t, "v0.15.0/ok.json")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(text)
	w.Close()
	closed := 0
	for n := 20; n < packed.Len(); n++ {
		r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()[:n]))
		if err != nil {
			t.Fatal(err)
		}
		left, _ := io.ReadAll(r)
		r.Reset(bytes.NewReader(packed.Bytes()[:n]))
		got := read(t, r)
		// Where nothing is left, or all but the check sum, the cut is said nevertheless.
		if want := read(t, bytes.NewReader(left)); len(left) > 0 && len(left) < len(text)-1 && !sameRecords(got, want) {
			t.Fatalf("cut at %d: other records than of the text that is left", n)
		}
		if last, ok := got[len(got)-1].(*schemas.Run); !ok || !last.Truncated {
			if last, ok := got[len(got)-1].(*schemas.Reject); !ok || !strings.HasPrefix(last.Reason, "truncated: ") {
				t.Fatalf("cut at %d: at last %s", n, recordtest.Shorthand(got[len(got)-1]))
			}
		}
		if len(requestsOf(got)) > 0 {
			closed++
		}
	}
	if closed == 0 {
		t.Errorf("no cut left a request")
	}
}

// TestCutLines: runs behind a line that was cut are read, wherever it was.
func TestCutLines(t *testing.T) {
	text := bytes.TrimSpace(recordtest.File(t, "v0.15.0/ok.json"))
	whole := requestsOf(read(t, bytes.NewReader(text)))
	for n := 1; n < len(text); n++ {
		for _, end := range []string{"\n", "\r\n"} {
			records := read(t, io.MultiReader(bytes.NewReader(text[:n]), strings.NewReader(end), bytes.NewReader(text)), Buffer(1024))
			last, ok := records[len(records)-1].(*schemas.Run)
			if behind := bytes.TrimRight(text[:n], " "); bytes.ContainsAny(behind[len(behind)-1:], ",[:") {
				continue // where a value is expected a new object is one: the two are one
			}
			if !ok || last.Truncated || last.At.Run != 1 || len(requestsOf(records)) < len(whole) {
				t.Fatalf("cut at %d: at last %s", n, recordtest.Shorthand(records[len(records)-1]))
			}
		}
	}
}

// TestCutLongRequest: the gaps of a long request come in pieces. Where the file
// is cut inside it, those that were handed out belong to a request that failed.
func TestCutLongRequest(t *testing.T) {
	text := `{"backend": "openai", "completed": 2, "duration": 9, "output_lens": [2, 9001], "ttfts": [0.5, 0.25], "itls": [[0.5], [` +
		strings.Repeat("0.001, ", 2*gapsPerRecord)
	records := read(t, strings.NewReader(text))
	requests := requestsOf(records)
	run, ok := records[len(records)-1].(*schemas.Run)
	if !ok || len(requests) != 2 || requests[1].ErrorClass.V != failures.BadRecord || requests[1].Status != schemas.StatusFailed || requests[1].TTFT.OK {
		t.Fatalf("%d records, at last %s", len(records), recordtest.Shorthand(records[len(records)-1]))
	}
	if run.DurationNS.OK || run.Completed.V != 1 || run.OutputTokens.V != 2 {
		t.Error(recordtest.Shorthand(run))
	}
}

// TestHostile: text that nobody would write ends in a reject and not in a panic,
// and what is only unusual is read.
func TestHostile(t *testing.T) {
	ok := recordtest.File(t, "v0.15.0/ok.json")
	want := requestsOf(read(t, bytes.NewReader(ok)))
	long := strings.Repeat("so it goes ", 1<<20)
	for name, text := range map[string]string{
		"CRLF":                   strings.ReplaceAll(string(ok), ", ", ",\r\n"),
		"a text of 11 MB":        strings.Replace(string(ok), `"]}"`, `"`+long+`"`, 1),
		"metadata of 11 MB":      strings.Replace(string(ok), `{`, `{"note": "`+long+`", `, 1),
		"an error of 11 MB":      strings.Replace(string(ok), `"errors": [""`, `"errors": ["`+long+`"`, 1),
		"metadata 900 deep":      strings.Replace(string(ok), `{`, `{"deep": `+strings.Repeat("[", 900)+strings.Repeat("]", 900)+`, `, 1),
		"behind a byte of space": " " + string(ok),
	} {
		if got := requestsOf(read(t, strings.NewReader(text))); len(got) != len(want) || got[2].TTFT != want[2].TTFT {
			t.Errorf("%s: %d requests, want %d", name, len(got), len(want))
		}
	}
	utf16 := "\xff\xfe"
	for _, c := range ok {
		utf16 += string([]byte{c, 0})
	}
	for name, text := range map[string]string{
		"nothing": "", "a mark of byte order": "\xef\xbb\xbf" + string(ok), "UTF-16": utf16,
		"10,000 deep": strings.Repeat("[", 10_000), "10,000 objects deep": strings.Repeat(`{"a":`, 10_000),
	} {
		for _, rec := range read(t, iotest.HalfReader(strings.NewReader(text))) {
			if rec, ok := rec.(*schemas.Reject); !ok || !rec.Fatal {
				t.Errorf("%s: %s", name, recordtest.Shorthand(rec))
			}
		}
	}
}

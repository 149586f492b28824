package serverlog

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/servestat/servestat/schemas/schematest"
)

// checkPrefilters asks, of one line, that what spares a regular expression never
// spares one that would have matched: a log of 100 MB is read in a second for
// them, and a date, a cause or a secret that is missed is missed in silence.
func checkPrefilters(t *testing.T, text []byte) {
	t.Helper()
	if fullDate.Match(text) && !mayHoldDate(text) {
		t.Errorf("a date is missed: %q", text)
	}
	if len(text) > 0 && text[0] != '(' && text[0] != ' ' && bareFront.FindIndex(text)[1] > 0 && !mayHaveFront(text) {
		t.Errorf("what stands in front is missed: %q", text)
	}
	line := string(text)
	for _, c := range causes {
		if c.form.MatchString(line) && !slices.ContainsFunc(c.words, func(w string) bool { return strings.Contains(line, w) }) {
			t.Errorf("cause %s is missed: %q", c.name, text)
		}
	}
	all := scrubNested(line)
	all = credentials.ReplaceAllString(all, "://"+redacted+"@")
	all = bearer.ReplaceAllString(all, "${1} "+redacted)
	if all = knownKeys.ReplaceAllString(all, redacted); suspicious(line) && redact(line) != all {
		t.Errorf("redacted %q, and without short cuts %q", redact(line), all)
	}
	if got, want := lineEnd(text), bytes.IndexAny(text, "\r\n"); got != want {
		t.Errorf("%q ends at %d, want %d", text, got, want)
	}
}

func TestPrefiltersMissNothing(t *testing.T) {
	lines := [][]byte{
		[]byte("2026-05-14T12:35:46.867Z stdout F x"), []byte("at 2026-05-14 12:35:46,1"), []byte("12026-05-14 12:35:46"), []byte("é2026-05-14 12:35:46"),
		[]byte("vllm-1  | text"), []byte("May 14 12:35:46 host vllm[310]: text"), []byte("May  4 12:35:46.1 h v[3]: text"), []byte("2026-05-14 12:35:46 | x"),
		[]byte("RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"), []byte("OSError: Address already in use"), []byte("torch.OutOfMemoryError: x"),
		[]byte("{'hf_token': 'abc', 'url': 'http://u:p@host/'}"), []byte("Authorization: Bearer abcdefghij"), []byte("token=abc tokens=3 tokenizer=x"),
		[]byte("sk-abcdefghijklmnopqrstu"), []byte("AKIAabcdefghijklmnopqrstu BASIC abcdefgh"), []byte("API-KEY: x, Access_Key=y"), []byte("a\rb\nc"), []byte("a\nb\r"),
	}
	for name := range realLogs {
		text, err := os.ReadFile(schematest.Shared(t, "real") + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, bytes.Split(text, []byte("\n"))...)
	}
	for _, l := range lines {
		checkPrefilters(t, l)
	}
}

func FuzzPrefilters(f *testing.F) {
	f.Add([]byte("May 14 12:35:46 host vllm[310]: 2026-05-14T12:35:46 token=abc out of memory"))
	f.Fuzz(checkPrefilters)
}

// A stamp without a year is taken apart by hand. It means what time.Parse says.
func TestNearest(t *testing.T) {
	near := time.Date(2028, 1, 1, 0, 30, 0, 0, time.UTC)
	for stamp, want := range map[string]string{
		"12-31 23:59:59": "2027-12-31 23:59:59", "01-01 00:00:00": "2028-01-01 00:00:00", "02-29 12:00:00": "2028-02-29 12:00:00",
		"02-30 12:00:00": "", "00-10 12:00:00": "", "13-10 12:00:00": "", "04-31 12:00:00": "", "01-00 12:00:00": "",
		"01-01 24:00:00": "", "01-01 23:60:00": "", "01-01 23:00:60": "", "01-01": "",
	} {
		got, ok := nearest(stamp, near)
		if ok != (want != "") || ok && got.Format(time.DateTime) != want {
			t.Errorf("%s: %s, %v; want %q", stamp, got, ok, want)
		}
	}
}

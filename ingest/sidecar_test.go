package ingest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A side-car that cannot be taken at its word quarantines what it would speak of, and
// says what is wrong with it; the same words each time.
func TestHostileSidecars(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", ""},
		{"CRLF", "hardware: H100\r\nruntime_version: '1'\r\n", ""},
		{"UTF-16", "\xff\xfe" + strings.Join(strings.Split("hardware: H100\n", ""), "\x00") + "\x00", ""}, // YAML may be that
		{"a key twice", "hardware: A\nhardware: B\n", `line 2: mapping key "hardware" already defined at line 1`},
		{"a list", "- a\n", "cannot unmarshal !!seq"},
		{"wrong type", "hardware: [1, 2]\n", "hardware: want a text, a number or a boolean, have a list"},
		{"a mapping", "labels: {a: {b: c}}\n", "labels: a: want a text, a number or a boolean, have a mapping"},
		{"a date", "labels: {built: 2026-07-01}\n", "labels: built: want a text, a number or a boolean, have a date: put it in quotes"},
		{"a number", "runtime_version: 0.20\n", "drops zeros"},
		{"two faults", "zzz: 1\nhardwear: H100\nlabels: []\n", "hardwear: unknown key"},
		{"not closed", "hardware: [1\n", "did not find expected ',' or ']'"},
		{"binary", strings.Repeat("\x00\x01\x02", 100), "control characters are not allowed"},
		{"a text of 10 MB", "hardware: " + strings.Repeat("m", 10<<20) + "\n", "10485771 bytes, expected at most 1048576"},
		{"a text of 100 kB", "hardware: " + strings.Repeat("m", 100_000) + "\n", "hardware: a text of 100000 bytes, want at most 65536"},
		{"nested deep", "hardware: " + deep + "\n", "have a list"},
		{"aliases of aliases", "labels:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n  f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "excessive aliasing"},
		{"two documents", "hardware: A\n---\nhardware: B\n", "there is more behind the first document"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, SidecarName), c.text)
		upload := write(t, filepath.Join(dir, "r.json"), fmt.Sprintf(result, ""))
		log := write(t, filepath.Join(dir, "server.log"), "WARNING 07-01 12:00:05 [scheduler.py:1] something\n")
		for _, rep := range ingestPaths(t, newTestLake(t), Options{}, upload, log) {
			if (c.says == "") != (rep.Quarantined == "") || !strings.Contains(rep.Quarantined, c.says) || len(rep.Quarantined) > 1000 {
				t.Errorf("%s: %s: %.400q, want %q", c.name, rep.Format, rep.Quarantined, c.says)
			}
		}
	}
}

// The table of a sweep that cannot be read costs its runs nothing but what it says of
// them, and is told with its line.
func TestHostileSweepTables(t *testing.T) {
	const head, row = "date,duration,max_num_seqs\n", "20260701-120000,1.0,8\n"
	for _, c := range []struct{ name, text, says string }{
		{"good", head + row, ""},
		{"CRLF", strings.ReplaceAll(head+row, "\n", "\r\n"), ""},
		{"empty", "", "summary.csv, which lies beside it, was not used, or not all of it: no table of a sweep: EOF"},
		{"UTF-16", "\xff\xfe" + strings.Join(strings.Split(head+row, ""), "\x00") + "\x00", "the table of a sweep: record on line 3: wrong number of fields"},
		{"a column twice", "date,date,duration\n" + row, `it has two columns "date"`},
		{"a short row", head + "20260701-120000\n" + row, "the table of a sweep: record on line 2: wrong number of fields"},
		{"a quote not closed", head + "20260701-120000,1.0,\"8\n", "parse error on line"},
		{"no dates and times", head + "soon,-1,8\n" + row, ""},
		{"a cell of 10 MB", head + "20260701-120000,1.0," + strings.Repeat("m", 10<<20) + "\n", "line 2: max_num_seqs: found a longer value, expected at most 65536 bytes"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "summary.csv"), c.text)
		rep := ingestPaths(t, newTestLake(t), Options{}, write(t, filepath.Join(dir, "r.json"), fmt.Sprintf(result, "")))[0]
		told := ""
		for _, r := range rep.Rejects {
			told += r.Reason
		}
		if len(rep.Runs) != 1 || (c.says == "") != (told == "") || !strings.Contains(told, c.says) || len(told) > 1000 {
			t.Errorf("%s: %d runs, %.400q, want %q", c.name, len(rep.Runs), told, c.says)
		}
	}
}

// So does a checkpoint's config.json that a side-car names; one that nobody names is no
// fault.
func TestHostileCheckpoints(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"good", `{"model_type": "acme"}`, ""},
		{"empty", "", "empty, cut short, or of more than"},
		{"cut", `{"model_type": "acme"`, "empty, cut short, or of more than"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "invalid character"},
		{"wrong type", `{"model_type": 7}`, "byte 16: model_type is a number"},
		{"another file", `{"name": "x"}`, "it names neither model_type nor architectures"},
		{"nested deep", `{"a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "exceeded max depth"},
		{"a text of 10 MB", `{"model_type": "` + strings.Repeat("m", 10<<20) + `"}`, "empty, cut short, or of more than"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "config.json"), c.text)
		log := write(t, filepath.Join(dir, "server.log"), "WARNING 07-01 12:00:06 [scheduler.py:1] something\n")
		if rep := ingestPaths(t, newTestLake(t), Options{}, log)[0]; rep.Quarantined != "" {
			t.Errorf("%s: unnamed: %s", c.name, rep.Quarantined)
		}
		write(t, filepath.Join(dir, SidecarName), "checkpoint_config: config.json\n")
		rep := ingestPaths(t, newTestLake(t), Options{}, log)[0]
		if (c.says == "") != (rep.Quarantined == "") || !strings.Contains(rep.Quarantined, c.says) {
			t.Errorf("%s: %q, want %q", c.name, rep.Quarantined, c.says)
		}
	}
}

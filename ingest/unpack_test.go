package ingest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/archive"
	"github.com/servestat/servestat/ingest/archive/archivetest"
	"github.com/servestat/servestat/schemas/lake"
)

const banner = "INFO 07-01 12:00:00 [api_server.py:1] vLLM API server version 0.11.0\n" +
	"INFO 07-01 12:00:00 [api_server.py:2] args: Namespace(model='m', max_num_seqs=64)\n"

// sweepFolder is a folder whose runs need all that lies around them: side-cars in
// it and above, a server log, a companion, the path, and a compressed result.
func sweepFolder(t *testing.T, dir string) {
	write(t, filepath.Join(dir, "..", SidecarName), "hardware: H100\npath: \"{image}/{note}/c{max_concurrency}/*\"\n")
	write(t, filepath.Join(dir, "deep", SidecarName), "path: \"c{max_concurrency}/run{repeat}.json\"\nserver_start: \"start{repeat}\"\n")
	write(t, filepath.Join(dir, "deep", "c2", "run1.json"), fmt.Sprintf(result, `"n": 1, `))
	write(t, filepath.Join(dir, "deep", "c2", "run2.json"), string(archivetest.Gzip([]byte(fmt.Sprintf(result, `"n": 2, `)))))
	write(t, filepath.Join(dir, "deep", "c2", "run3.json"), string(archivetest.Zstd([]byte(fmt.Sprintf(result, `"n": 3, `)))))
	write(t, filepath.Join(dir, "deep", "c2", "server.log"), banner)
	write(t, filepath.Join(dir, "deep", "c2", "notes.txt"), "nothing")
	write(t, filepath.Join(dir, "deep", "c2", "bad.json"), `{"itls": [[0.1], "ttfts"`)
}

func pack(t *testing.T, kind, dir string, more ...archivetest.Member) []byte {
	t.Helper()
	members, err := archivetest.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := archivetest.Pack(kind, append(members, more...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lakeBytes is everything in a lake, by name.
func lakeBytes(t *testing.T, l *lake.Lake) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(l.Dir()), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintln(&b, p)
			return err
		}
		text, err := os.ReadFile(filepath.Join(l.Dir(), p))
		fmt.Fprintf(&b, "%s %x\n", p, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An archive is a folder: an archive that is called as the folder was leaves the
// same lake, byte for byte, whatever it is packed with.
func TestArchiveLeavesTheLakeThatItsFolderLeaves(t *testing.T) {
	top := t.TempDir()
	sweepFolder(t, filepath.Join(top, "folder", "sweep"))
	ofFolder := newTestLake(t)
	ingestPaths(t, ofFolder, Options{}, filepath.Join(top, "folder", "sweep"))
	want := lakeBytes(t, ofFolder)
	if n := strings.Count(want, "manifests/v1/"); n != 4 {
		t.Fatalf("%d manifests of the folder, want three runs' and the server log's", n)
	}
	for _, kind := range []string{"zip", "tar", "tar.gz", "tar.zst"} {
		file := write(t, filepath.Join(top, kind, "sweep"), string(pack(t, kind, filepath.Join(top, "folder", "sweep"))))
		write(t, filepath.Join(top, kind, SidecarName), "hardware: H100\npath: \"{image}/{note}/c{max_concurrency}/*\"\n")
		l := newTestLake(t)
		ingestPaths(t, l, Options{}, file)
		if got := lakeBytes(t, l); got != want {
			t.Errorf("%s: the lakes differ: %d and %d bytes", kind, len(got), len(want))
		}
	}
}

// How runs were packed is no part of what they are: folder and archive together
// are the same runs once, and the suffix is no part of an identity.
func TestFolderAndArchiveAreTheSameRuns(t *testing.T) {
	top := t.TempDir()
	sweepFolder(t, filepath.Join(top, "0.20.0"))
	write(t, filepath.Join(top, "0.20.0.tar.gz"), string(pack(t, "tar.gz", filepath.Join(top, "0.20.0"))))
	l := newTestLake(t)
	reports := ingestPaths(t, l, Options{PathPattern: "{path_label}/deep/*/*"}, top)
	ms, err := l.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	if seen := lake.Effective(ms); len(ms) != 8 || len(seen) != 4 {
		t.Errorf("%d manifests of %d uploads, want 8 of 4: three runs and a server log", len(ms), len(seen))
	}
	for _, m := range ms {
		if strings.HasSuffix(m.SourceName, "server.log") {
			continue
		}
		if v := m.Values; v["path_label"] != "0.20.0" || v["runtime_version"] != "0.11.0" || v["hardware"] != "H100" || v["image"] != "0.20.0" || v["repeat"] == "" {
			t.Errorf("%s: %v", m.SourceName, v)
		}
	}
	for _, rep := range reports {
		if len(rep.Warnings) > 0 {
			t.Errorf("%s: %v", rep.SourceName, rep.Warnings)
		}
	}
	if name := reports[len(reports)-1].SourceName; !strings.HasSuffix(name, "/0.20.0.tar.gz/deep/c2/server.log") {
		t.Errorf("the last upload is called %s", name)
	}
}

func ingestStream(t *testing.T, l *lake.Lake, data []byte) []*Report {
	t.Helper()
	in, err := New(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	found, _, err := Find([]string{"-"}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out []*Report
	for up, err := range in.Uploads(t.Context(), found, nil) {
		if err != nil {
			t.Fatal(err)
		}
		rep, err := in.Ingest(t.Context(), up)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rep)
	}
	return out
}

// All kinds come from a stream too, and a stream has nothing beside it.
func TestStreams(t *testing.T) {
	top := t.TempDir()
	sweepFolder(t, filepath.Join(top, "sweep"))
	for _, kind := range []string{"zip", "tar", "tar.gz", "tar.zst", "zip.gz"} {
		data := pack(t, strings.TrimSuffix(kind, ".gz"), filepath.Join(top, "sweep"))
		if strings.HasSuffix(kind, ".gz") {
			data = archivetest.Gzip(pack(t, strings.TrimSuffix(kind, ".gz"), filepath.Join(top, "sweep")))
		}
		l := newTestLake(t)
		reports := ingestStream(t, l, data)
		if len(reports) != 4 || len(reports[0].Runs) != 1 || reports[0].SourceName != "stdin/deep/c2/run1.json" {
			t.Fatalf("%s: %d reports", kind, len(reports))
		}
		ms, err := l.Manifests()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			if v := m.Values; !strings.HasSuffix(m.SourceName, ".log") && (v["runtime_version"] != "0.11.0" || v["hardware"] != "" || v["server_start"] == "") {
				t.Errorf("%s: %s: %v", kind, m.SourceName, v)
			}
		}
	}
	text := []byte(fmt.Sprintf(result, ""))
	for name, data := range map[string][]byte{"plain": text, "gzip": archivetest.Gzip(text), "zstd": archivetest.Zstd(text)} {
		if reports := ingestStream(t, newTestLake(t), data); len(reports) != 1 || len(reports[0].Runs) != 1 {
			t.Errorf("%s: %+v", name, reports[0].Receipt)
		}
	}
}

// What is refused of an archive is in a receipt of the archive's own; what is
// not, is taken in; and nothing of it is left unpacked.
func TestRefusalsAreSaidAndTheRestIsTakenIn(t *testing.T) {
	text := fmt.Sprintf(result, "")
	inner := archivetest.Zip(archivetest.Member{Name: "r.json", Text: text})
	data := archivetest.Zip(
		archivetest.Member{Name: "../evil.json", Text: text},
		archivetest.Member{Name: "r.json", Text: text},
		archivetest.Member{Name: "link.json", Text: "r.json", Mode: fs.ModeSymlink},
		archivetest.Member{Name: "more/inner.zip", Text: string(inner)},
	)
	file := write(t, filepath.Join(t.TempDir(), "a.zip"), string(data))
	l := newTestLake(t)
	for round := range 2 {
		reports := ingestPaths(t, l, Options{}, file)
		var said []string
		for _, rep := range reports {
			said = append(said, rep.Summary())
			for _, r := range rep.Rejects {
				said = append(said, "  "+r.Member+": "+r.Reason)
			}
		}
		name := filepath.Base(filepath.Dir(file)) // as shown: the path is absolute
		got := strings.ReplaceAll(strings.Join(said, "\n"), name+"/", "")
		want := strings.Join([]string{
			"a.zip/more/inner.zip: " + []string{"", "in quarantine already: "}[round] +
				[]string{"quarantined: ", ""}[round] + "an archive inside an archive, at depth 2; unpack it first, or let --max-archive-depth be more",
			"a.zip/r.json: " + []string{"1 runs, 2 requests, 4 chunk gaps", "in the lake already"}[round],
			"a.zip: " + []string{"2 of its members were refused", "in the lake already"}[round],
			"  ../evil.json: its name has .. in it: it would leave the archive",
			"  link.json: not a plain file but a link or a device",
		}, "\n")
		if got != want {
			t.Errorf("round %d:\n%s\nwant:\n%s", round, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(l.Dir(), "tmp")); !os.IsNotExist(err) {
		t.Errorf("the session left something: %v", err)
	}
	deep := ingestPaths(t, newTestLake(t), Options{Limits: Limits{ArchiveDepth: 2}}, file)
	if len(deep) != 3 || deep[0].Quarantined != "" || !strings.HasSuffix(deep[0].SourceName, "a.zip/more/inner.zip/r.json") {
		t.Errorf("two deep: %v", deep[0].Summary())
	}
}

// A folder is full of archives that are no results: wheels, models, documents.
// Named outright, an archive without a result is quarantined.
func TestArchiveWithoutResults(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "model.npz"), string(archivetest.Zip(archivetest.Member{Name: "weights", Text: "\x00"})))
	in, err := New(newTestLake(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	found, _, err := Find([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for range in.Uploads(t.Context(), found, func(s Skipped) { skipped = append(skipped, filepath.Base(s.Name)+": "+s.Why) }) {
		t.Error("an upload was found")
	}
	if len(skipped) != 2 || skipped[1] != "model.npz: an archive that holds no benchmark result" {
		t.Errorf("skipped: %q", skipped)
	}
	reports := ingestPaths(t, newTestLake(t), Options{}, file)
	if len(reports) != 1 || reports[0].Quarantined != "no benchmark result in it" {
		t.Errorf("%+v", reports)
	}
}

// An archive says nothing about files outside it, and its side-car can read none.
func TestArchiveCannotLookOutside(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "server.log"), banner)
	for _, path := range []string{"../server.log", filepath.Join("..", "..", "..", "..", "..", "etc", "passwd")} {
		data := archivetest.Zip(
			archivetest.Member{Name: SidecarName, Text: "server_log: " + path + "\n"},
			archivetest.Member{Name: "r.json", Text: fmt.Sprintf(result, "")},
		)
		file := write(t, filepath.Join(dir, "a.zip"), string(data))
		l := newTestLake(t)
		rep := ingestPaths(t, l, Options{}, file)[0]
		if !strings.Contains(rep.Quarantined, "leaves the archive") || strings.Contains(rep.Quarantined, l.Dir()) {
			t.Errorf("%s: %q", path, rep.Quarantined)
		}
	}
}

// Every limit ends in a reason that names the setting, and raising it is enough.
func TestLimitsSayWhatRaisesThem(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(result, "")
	long := fmt.Sprintf(result, `"`+strings.Repeat("k", 900)+`": 1, `)
	nested := fmt.Sprintf(result, `"deep": `+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`, `)
	zeros := strings.Repeat(" ", 4<<20)
	for _, c := range []struct {
		setting, text string
		limits        Limits
		kept          bool
	}{
		{"max-upload", text, Limits{Limits: archive.Limits{Stored: 100}}, false},
		{"max-decompressed", string(archivetest.Gzip([]byte(text))), Limits{Limits: archive.Limits{Unpacked: 100}}, false},
		{"max-ratio", string(archivetest.Zstd([]byte(text + zeros))), Limits{}, false},
		{"max-nesting", nested, Limits{Nesting: 10}, true},
		{"max-string", long, Limits{String: 100}, true},
		{"max-requests", text, Limits{Requests: 1}, true},
	} {
		file := write(t, filepath.Join(dir, c.setting), c.text)
		l := newTestLake(t)
		rep := ingestPaths(t, l, Options{Limits: c.limits}, file)[0]
		said := rep.Quarantined
		for _, r := range rep.Rejects {
			said += "\n" + r.Reason + "; " + r.Hint
		}
		if rep.Quarantined == "" || !strings.Contains(said, "--"+c.setting+" raises the limit") || (rep.Raw != "") != c.kept {
			t.Errorf("%s: %+v", c.setting, rep.Receipt)
		}
		if ok, _ := l.Has(lake.RawName(rep.UploadSHA256)); ok != c.kept {
			t.Errorf("%s: the upload is kept: %v", c.setting, ok)
		}
		if again := ingestPaths(t, l, Options{Limits: c.limits}, file)[0]; !again.Known {
			t.Errorf("%s: again: %s", c.setting, again.Summary())
		}
		more := ingestPaths(t, l, Options{Limits: Limits{Limits: archive.Limits{Ratio: 1e6}}}, file)[0]
		if more.Quarantined != "" || len(more.Runs) != 1 {
			t.Errorf("%s: with the usual limits: %s", c.setting, more.Summary())
		}
	}
}

// Members may be compressed themselves, but what comes out of all of them is what
// comes out of the archive.
func TestCompressedMembersCountToTheArchive(t *testing.T) {
	var members []archivetest.Member
	for i := range 5 {
		text := fmt.Sprintf(result, fmt.Sprintf(`"n": %d, `, i)) + strings.Repeat(" ", 100_000)
		members = append(members, archivetest.Member{Name: fmt.Sprintf("%d.json.gz", i), Text: string(archivetest.Gzip([]byte(text)))})
	}
	file := write(t, filepath.Join(t.TempDir(), "a.zip"), string(archivetest.Zip(members...)))
	taken := 0
	for _, rep := range ingestPaths(t, newTestLake(t), Options{Limits: Limits{Limits: archive.Limits{Unpacked: 350_000}}}, file) {
		if len(rep.Runs) == 1 {
			taken++
		} else if !strings.Contains(rep.Quarantined, "--max-decompressed raises") {
			t.Errorf("%s", rep.Summary())
		}
	}
	if taken != 3 {
		t.Errorf("%d of 5 were taken in, want 3", taken)
	}
}

// Progress adds up to the size of what was given, archive or not.
func TestProgressAddsUp(t *testing.T) {
	top := t.TempDir()
	sweepFolder(t, filepath.Join(top, "sweep"))
	for _, kind := range []string{"zip", "tar.gz"} {
		data := pack(t, kind, filepath.Join(top, "sweep"))
		file := write(t, filepath.Join(top, "a."+kind), string(data))
		told := int64(0)
		ingestPaths(t, newTestLake(t), Options{Progress: func(n int64) { told += n }}, file)
		if told > int64(len(data)) || told < int64(len(data))/2 {
			t.Errorf("%s: told of %d bytes of %d", kind, told, len(data))
		}
	}
}

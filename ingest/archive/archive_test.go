package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/servestat/servestat/ingest/archive/archivetest"
)

type member = archivetest.Member

// unpackBytes unpacks an archive and returns what it left, one file a line.
func unpackBytes(t testing.TB, data []byte, l Limits) (files string, c *Contents, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err = Unpack(t.Context(), file, kindOf(data), dir, l, nil)
	return listing(t, dir), c, err
}

func kindOf(data []byte) Kind {
	s, err := Decompress(bytes.NewReader(data), Limits{})
	if err != nil {
		return None
	}
	defer s.Close()
	head := make([]byte, DetectSize)
	n, _ := io.ReadFull(s, head)
	return Detect(head[:n])
}

func listing(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s: %.20s\n", filepath.ToSlash(rel), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func refusals(c *Contents) string {
	var b strings.Builder
	for _, r := range c.Refused {
		fmt.Fprintf(&b, "%s: %s\n", r.Member, r.Reason)
	}
	return b.String()
}

func TestEveryKindUnpacksToTheSame(t *testing.T) {
	members := []member{{Name: "a/", Mode: fs.ModeDir}, {Name: "a/b.json", Text: "b"}, {Name: "./c.json", Text: "c"}, {Name: `w\d.json`, Text: "d"}}
	const want = "a/b.json: b\nc.json: c\nw/d.json: d\n"
	for name, data := range map[string][]byte{
		"zip": archivetest.Zip(members...), "tar": archivetest.Tar(members...),
		"tar.gz": archivetest.Gzip(archivetest.Tar(members...)), "tar.zst": archivetest.Zstd(archivetest.Tar(members...)),
	} {
		got, c, err := unpackBytes(t, data, Limits{})
		if err != nil || got != want || len(c.Refused) > 0 || c.Files != 3 || c.Unpacked != 3 {
			t.Errorf("%s: %v %+v\n%s", name, err, c, got)
		}
	}
}

// Zip slip and its kin: what would be written elsewhere, or over something, is
// refused by itself.
func TestMembersThatAreNoPlainFilesOfTheirOwnAreRefused(t *testing.T) {
	members := []member{
		{Name: "first.json", Text: "1"},
		{Name: "../up.json", Text: "x"},
		{Name: "a/../../up.json", Text: "x"},
		{Name: `..\up.json`, Text: "x"},
		{Name: "/etc/passwd", Text: "x"},
		{Name: `\\server\share`, Text: "x"},
		{Name: `C:\windows`, Text: "x"},
		{Name: "c:here", Text: "x"},
		{Name: "link", Text: "/etc/passwd", Mode: fs.ModeSymlink},
		{Name: "disk", Mode: fs.ModeDevice},
		{Name: "first.json", Text: "2"},
		{Name: "FIRST.json", Text: "3"},
		{Name: "first.json/inside", Text: "4"},
		{Name: strings.Repeat("n", 300), Text: "5"},
		{Name: "bad\xff", Text: "6"},
		{Name: "last.json", Text: "7"},
	}
	want := strings.Join([]string{
		"../up.json: its name has .. in it: it would leave the archive",
		"a/../../up.json: its name has .. in it: it would leave the archive",
		`..\up.json: its name has .. in it: it would leave the archive`,
		"/etc/passwd: its name is absolute: it would leave the archive",
		`\\server\share: its name is absolute: it would leave the archive`,
		`C:\windows: its name is absolute: it would leave the archive`,
		"c:here: its name is absolute: it would leave the archive",
		"link: not a plain file but a link or a device",
		"disk: not a plain file but a link or a device",
		"first.json: a member before it has the same name",
		"FIRST.json: first.json before it has the same name but for letter case",
		"first.json/inside: its name cannot be that of a file: another member is in its place, or it is too long",
		strings.Repeat("n", 200) + "…: its name cannot be that of a file: another member is in its place, or it is too long",
		"bad\uFFFD: its name is no UTF-8 text",
	}, "\n") + "\n"
	inTar := append([]member{}, members[:14]...) // a tar cannot say that name
	inTar = append(inTar, members[15])
	for name, data := range map[string][]byte{"zip": archivetest.Zip(members...), "tar": archivetest.Tar(inTar...)} {
		want := want
		if name == "tar" {
			want = strings.Replace(want, "bad\uFFFD: its name is no UTF-8 text\n", "", 1)
		}
		got, c, err := unpackBytes(t, data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if refused := refusals(c); refused != want {
			t.Errorf("%s refused:\n%s\nwant:\n%s", name, refused, want)
		}
		if got != "first.json: 1\nlast.json: 7\n" {
			t.Errorf("%s left:\n%s", name, got)
		}
	}
}

// Each limit is a fault of the whole archive, and says what raises it.
func TestLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 8<<20)
	random := make([]byte, 1<<10)
	for i := range random {
		random[i] = byte(i * i >> 3)
	}
	for _, c := range []struct {
		name   string
		data   []byte
		limits Limits
		want   string
	}{
		{"zip bomb", archivetest.Zip(member{Name: "z", Text: zeros}), Limits{}, "--max-ratio raises"},
		{"tar.gz bomb", archivetest.Gzip(archivetest.Tar(member{Name: "z", Text: zeros})), Limits{}, "--max-ratio raises"},
		{"tar.zst bomb", archivetest.Zstd(archivetest.Tar(member{Name: "z", Text: zeros})), Limits{}, "--max-ratio raises"},
		{"sparse tar", sparse(t), Limits{}, "--max-decompressed raises"},
		{"size", archivetest.Zip(member{Name: "z", Text: "12345"}), Limits{Unpacked: 4}, "unpacks to more than 4 B; --max-decompressed raises"},
		{"size of two", archivetest.Tar(member{Name: "a", Text: "123"}, member{Name: "b", Text: "45"}), Limits{Unpacked: 4}, "--max-decompressed raises"},
		{"stored", archivetest.Zip(member{Name: "z", Text: string(random)}), Limits{Stored: 100}, "more than 100 B; --max-upload raises"},
		{"entries", archivetest.Tar(member{Name: "a"}, member{Name: "b"}), Limits{Entries: 1}, "more than 1 members; --max-entries raises"},
		{"entries of a zip", archivetest.Zip(member{Name: "a"}, member{Name: "b"}), Limits{Entries: 1}, "--max-entries raises"},
		{"long directory", manyEntries(10_000), Limits{Entries: 10}, "--max-entries raises"},
		{"overlapping members", overlapping(t), Limits{}, "members share bytes"},
	} {
		got, _, err := unpackBytes(t, c.data, c.limits)
		var fault *Fault
		if !errors.As(err, &fault) || !fault.Limit || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q\n%s", c.name, err, c.want, got)
		}
	}
}

// lying makes the directory of a zip with one member say that it is small.
func lying(data []byte) []byte {
	at := bytes.Index(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[at+24:], 100)
	return data
}

// overlapping makes two members of a zip point at the same bytes.
func overlapping(t *testing.T) []byte {
	text := strings.Repeat("deflated ", 100)
	data := archivetest.Zip(member{Name: "a", Text: text}, member{Name: "b", Text: text})
	first := bytes.Index(data, []byte("PK\x01\x02"))
	second := first + bytes.Index(data[first+4:], []byte("PK\x01\x02")) + 4
	binary.LittleEndian.PutUint32(data[second+42:], 0) // its local header is that of the first
	return data
}

// sparse is a tar of a few kilobytes whose only member is a terabyte of holes.
func sparse(t *testing.T) []byte {
	var h [512]byte
	copy(h[:], "holes.json")
	copy(h[100:], "0000644\x00")
	copy(h[124:], "00000000000\x00")
	copy(h[136:], "00000000000\x00")
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "00000000000\x0000000000000\x00") // where its data are: nowhere
	h[483] = 0x80                                   // base 256: the size that it claims
	binary.BigEndian.PutUint64(h[483+4:], 1<<40)
	for i := range 8 {
		h[148+i] = ' '
	}
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h[:], make([]byte, 1024)...)
}

// manyEntries is a zip with a directory of so many members.
func manyEntries(n int) []byte {
	members := make([]member, n)
	for i := range members {
		members[i].Name = fmt.Sprint(i)
	}
	return archivetest.Zip(members...)
}

// What is whole of an archive that breaks off is unpacked, and it is said that
// there may have been more.
func TestArchiveThatBreaksOff(t *testing.T) {
	big := member{Name: "b.json", Text: strings.Repeat("0123456789abcdef", 4096)}
	packed := archivetest.Tar(member{Name: "a.json", Text: "a"}, big)
	zipped := archivetest.Gzip(packed)
	for name, data := range map[string][]byte{
		"tar":     packed[:len(packed)-40_000],
		"tar.gz":  zipped[:len(zipped)-20],
		"tar.zst": archivetest.Zstd(packed[:len(packed)-40_000]),
	} {
		got, c, err := unpackBytes(t, data, Limits{})
		if err != nil || !strings.HasPrefix(got+"a.json: a\n", "a.json: a\n") || !strings.Contains(refusals(c), "the archive ends early") {
			t.Errorf("%s: %v\n%s%s", name, err, got, refusals(c))
		}
	}
	whole := archivetest.Zip(member{Name: "a.json", Text: "a"}, big)
	if _, _, err := unpackBytes(t, whole[:len(whole)-40], Limits{}); err == nil || !strings.Contains(err.Error(), "without a readable directory") {
		t.Errorf("zip: %v", err)
	}
}

func TestDamagedMemberIsRefusedAndTheRestGoesOn(t *testing.T) {
	data := archivetest.Zip(member{Name: "a.json", Text: "aaaa"}, member{Name: "b.json", Text: "bbbb"}, member{Name: "c.json", Text: "cccc"})
	at := bytes.Index(data, []byte("b.json")) + len("b.json")
	data[at] ^= 0x55
	got, c, err := unpackBytes(t, data, Limits{})
	if err != nil || got != "a.json: aaaa\nc.json: cccc\n" || len(c.Refused) != 1 || c.Refused[0].Member != "b.json" {
		t.Errorf("%v\n%s%s", err, got, refusals(c))
	}
	// A member that becomes more than the directory says.
	if got, c, err := unpackBytes(t, lying(archivetest.Zip(member{Name: "z", Text: strings.Repeat("z", 8<<20)})), Limits{}); err != nil || got != "" || len(c.Refused) != 1 {
		t.Errorf("lying zip: %v\n%s%s", err, got, refusals(c))
	}
	zipped := archivetest.Gzip(archivetest.Tar(member{Name: "a.json", Text: "aaaa"}))
	zipped[len(zipped)-6] ^= 0x55 // of the checksum
	if got, c, err := unpackBytes(t, zipped, Limits{}); err != nil || got != "a.json: aaaa\n" || !strings.Contains(refusals(c), "damaged gzip") {
		t.Errorf("tar.gz: %v\n%s%s", err, got, refusals(c))
	}
}

// Encrypted members, and methods that nobody can undo.
func TestMembersThatCannotBeOpenedAreRefused(t *testing.T) {
	for name, change := range map[string]func(local, central []byte){
		"encrypted":        func(local, central []byte) { local[6] |= 1; central[8] |= 1 },
		"cannot be opened": func(local, central []byte) { local[8], central[10] = 97, 97 },
	} {
		data := archivetest.Zip(member{Name: "a.json", Text: "a"})
		change(data, data[bytes.Index(data, []byte("PK\x01\x02")):])
		_, c, err := unpackBytes(t, data, Limits{})
		if err != nil || !strings.Contains(refusals(c), name) {
			t.Errorf("%s: %v %s", name, err, refusals(c))
		}
	}
}

func TestDecompress(t *testing.T) {
	text := []byte(strings.Repeat("some text ", 1000))
	skippable := append([]byte("\x50\x2a\x4d\x18\x02\x00\x00\x00hi"), archivetest.Zstd(text)...)
	for name, data := range map[string][]byte{
		"": text, "gzip": archivetest.Gzip(text), "zstd": archivetest.Zstd(text),
		"gzip of two": append(archivetest.Gzip(text[:99]), archivetest.Gzip(text[99:])...), "zstd behind a frame to skip": skippable,
	} {
		s, err := Decompress(bytes.NewReader(data), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(s)
		s.Close()
		if err != nil || !bytes.Equal(got, text) || !strings.HasPrefix(name, s.Compression) {
			t.Errorf("%s: %d bytes, %v, compression %q", name, len(got), err, s.Compression)
		}
	}
}

func TestDecompressionThatFails(t *testing.T) {
	zeros := make([]byte, 4<<20)
	cut := archivetest.Gzip([]byte("some text"))
	damaged := archivetest.Gzip([]byte("some text"))
	damaged[len(damaged)-5] ^= 1
	for _, c := range []struct {
		name   string
		data   []byte
		limits Limits
		want   string
	}{
		{"gzip bomb", archivetest.Gzip(zeros), Limits{}, "unpacks to more than 200 times its size, as no log does; --max-ratio raises the limit"},
		{"zstd bomb", archivetest.Zstd(zeros), Limits{}, "unpacks to more than 200 times its size, as no log does; --max-ratio raises the limit"},
		{"much", archivetest.Gzip(zeros), Limits{Unpacked: 1 << 20}, "unpacks to more than 1.0 MiB; --max-decompressed raises the limit"},
		{"long", zeros, Limits{Stored: 1 << 20}, "more than 1.0 MiB; --max-upload raises the limit"},
		{"wide", wide(), Limits{}, "zstd that refers back further than 128 MiB; compress it without --long and --ultra"},
		{"cut", cut[:len(cut)-3], Limits{}, "unexpected EOF"},
		{"cut in the header", cut[:5], Limits{}, "unexpected EOF"},
		{"damaged", damaged, Limits{}, "damaged gzip: gzip: invalid checksum"},
	} {
		s, err := Decompress(bytes.NewReader(c.data), c.limits)
		if err == nil {
			_, err = io.Copy(io.Discard, s)
			s.Close()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// wide is a zstd frame that asks for a window of 2 GiB, and holds nothing.
func wide() []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00}
}

// A fault of the disk is no fault of the archive: it must stop everything.
func TestReaderFaultIsNotTheArchives(t *testing.T) {
	fault := errors.New("the disk is on fire")
	zipped := archivetest.Gzip([]byte(strings.Repeat("text", 1000)))
	s, err := Decompress(io.MultiReader(bytes.NewReader(zipped[:20]), failing{fault}), Limits{})
	if err == nil {
		_, err = io.ReadAll(s)
	}
	if !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestCancelledUnpackStops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(file, archivetest.Zip(member{Name: "a", Text: "a"}), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Unpack(ctx, file, Zip, t.TempDir(), Limits{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Memory stays flat, however much comes out.
func TestMemoryDoesNotGrowWithWhatIsUnpacked(t *testing.T) {
	const size = 64 << 20
	file := filepath.Join(t.TempDir(), "big.tar.gz")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: "big", Size: size, Typeflag: tar.TypeReg, Mode: 0o644})
	chunk := make([]byte, 1<<20)
	for range size >> 20 {
		w.Write(chunk)
	}
	w.Close()
	z.Close()
	if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Unpack(t.Context(), file, Tar, t.TempDir(), Limits{Ratio: 1e6}, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes allocated to unpack %d", grown, size)
	}
}

// Whatever the bytes, nothing is written outside the folder, and no limit is passed.
func FuzzUnpack(f *testing.F) {
	plain := []member{{Name: "a/b.json", Text: "{}"}, {Name: "../c", Text: "x"}, {Name: "l", Text: "a", Mode: fs.ModeSymlink}}
	f.Add(archivetest.Zip(plain...))
	f.Add(archivetest.Tar(plain...))
	f.Add(archivetest.Gzip(archivetest.Tar(plain...)))
	f.Add(archivetest.Zstd(archivetest.Tar(plain...)))
	f.Add(wide())
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		file, dir := filepath.Join(parent, "archive"), filepath.Join(parent, "in", "dir")
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
		kind := kindOf(data)
		if kind == None {
			return
		}
		limits := Limits{Unpacked: 1 << 20, Entries: 100}
		c, err := Unpack(t.Context(), file, kind, dir, limits, nil)
		var fault *Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("a fault of the machine: %v", err)
		}
		files, bytes := 0, int64(0)
		err = filepath.WalkDir(parent, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || p == file {
				return err
			}
			if !strings.HasPrefix(p, dir+string(filepath.Separator)) || !d.Type().IsRegular() {
				t.Errorf("%s was made", p)
			}
			info, err := d.Info()
			files, bytes = files+1, bytes+info.Size()
			return err
		})
		if err != nil || files != c.Files && fault == nil || bytes > limits.Unpacked || files > limits.Entries {
			t.Errorf("%v: %d files of %d bytes, said to be %+v", err, files, bytes, c)
		}
	})
}

package schematest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	messages []string
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return len(r.messages) > 0 }
func (r *recorder) Errorf(format string, args ...any) {
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.TB.Fatalf("unexpected Fatalf: "+format, args...)
}

// text joins what the recorder was told.
func (r *recorder) text() string { return strings.Join(r.messages, "\n") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestGolden(t *testing.T) {
	if Update() {
		t.Skip("tests what happens without -update")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "page.golden.md")
	gotFile := filepath.Join(dir, ".got-page.golden.md")

	missing := &recorder{TB: t}
	Golden(missing, path, []byte("one\n"))
	if !strings.Contains(missing.text(), "no golden file") || !exists(gotFile) {
		t.Errorf("a missing golden file: failures %q, .got- file left: %v; want a failure and a file", missing.messages, exists(gotFile))
	}

	write(t, path, []byte("one\ntwo\nthree\n"))
	differs := &recorder{TB: t}
	Golden(differs, path, []byte("one\n2\nthree\n"))
	for _, line := range []string{"-two\n", "+2\n"} {
		if !strings.Contains(differs.text(), line) {
			t.Errorf("a mismatch does not show %q:\n%s", line, differs.text())
		}
	}

	Golden(t, path, []byte("one\ntwo\nthree\n"))
	if exists(gotFile) {
		t.Error("a passing test left the stale .got- file")
	}
}

func TestGoldenUpdate(t *testing.T) {
	before := *update
	defer func() { *update = before }()
	*update = true

	path := filepath.Join(t.TempDir(), "new", "page.md")
	Golden(t, path, []byte("fresh\n"))
	if data, err := os.ReadFile(path); err != nil || string(data) != "fresh\n" {
		t.Errorf("with -update the golden file holds %q, %v", data, err)
	}
}

func TestLongDiffIsCut(t *testing.T) {
	got := firstLines(strings.Repeat("+line\n", 1000), maxDiffLines)
	if n := strings.Count(got, "\n"); n != maxDiffLines+1 {
		t.Errorf("a diff of 1000 lines is shown as %d", n)
	}
	if !strings.HasSuffix(got, "more lines of diff\n") {
		t.Errorf("a cut diff does not say so: %q", got[len(got)-40:])
	}
}

// square returns a 4x4 PNG of grey c, with the pixel at (2, 1) off by delta.
func square(t *testing.T, c, delta uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := range 16 {
		img.Set(i%4, i/4, color.Gray{Y: c})
	}
	img.Set(2, 1, color.Gray{Y: c + delta})
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGoldenPNG(t *testing.T) {
	if Update() {
		t.Skip("tests what happens without -update")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "forest_golden.png")
	write(t, path, square(t, 100, 0))

	for _, c := range []struct {
		name string
		got  []byte
		want string // in the failure; "" passes
	}{
		{"equal bytes", square(t, 100, 0), ""},
		{"one pixel at the tolerance", square(t, 100, channelTolerance), ""},
		{"one pixel beyond it", square(t, 100, channelTolerance+1), "1 of 16 pixels differ, by up to 9/255, within (2,1)-(3,2)"},
		{"not a picture", []byte("not a picture"), "the output is no PNG"},
	} {
		r := &recorder{TB: t}
		GoldenPNG(r, path, c.got)
		if c.want == "" && r.Failed() || !strings.Contains(r.text(), c.want) {
			t.Errorf("%s: failures %q, want one with %q", c.name, r.messages, c.want)
		}
	}

	// The third case left a picture of the difference; a pass clears it away.
	diff := filepath.Join(dir, ".got-forest_golden.diff.png")
	if !exists(diff) {
		t.Error("a mismatch left no diff picture")
	}
	GoldenPNG(t, path, square(t, 100, 0))
	if exists(diff) || exists(filepath.Join(dir, ".got-forest_golden.png")) {
		t.Error("a passing test left stale .got- files")
	}
}

func TestGoldenPNGOfAnotherSize(t *testing.T) {
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewRGBA(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	_, err := comparePNG(square(t, 0, 0), small.Bytes())
	if err == nil || !strings.Contains(err.Error(), "size (2,2), the golden one (4,4)") {
		t.Errorf("comparing pictures of two sizes: %v", err)
	}
}

package schematest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

// channelTolerance is how far one 8-bit colour channel of one pixel may be off.
// Curves are rasterised in floating point, which processors with fused
// multiply-add round differently in the last place; that moves the shade of an
// edge pixel by a step or two, and never more than this.
const channelTolerance = 8

// GoldenPNG compares the PNG in got with the golden file at path: equal bytes
// pass at once, and so do pictures of equal size whose pixels differ by no more
// than a few of 255 steps in any channel.
func GoldenPNG(t testing.TB, path string, got []byte) {
	t.Helper()
	golden(t, path, got, func(want []byte) string {
		if bytes.Equal(want, got) {
			return ""
		}
		d, err := comparePNG(want, got)
		if err != nil {
			return err.Error()
		}
		if d.pixels == 0 {
			return ""
		}
		if d.picture != nil {
			write(t, diffPath(path), encodePNG(t, d.picture))
		}
		return d.String() + "; see " + gotPath(path) + " and " + diffPath(path)
	})
	if !t.Failed() {
		remove(t, diffPath(path))
	}
}

func diffPath(path string) string {
	return strings.TrimSuffix(gotPath(path), ".png") + ".diff.png"
}

// A difference is what tells two pictures apart.
type difference struct {
	pixels  int             // beyond the tolerance
	of      int             // pixels compared
	worst   int             // largest difference of a channel
	box     image.Rectangle // where they are
	picture image.Image     // the golden picture in pale grey, differing pixels in red
}

func (d difference) String() string {
	return fmt.Sprintf("%d of %d pixels differ, by up to %d/255, within %v", d.pixels, d.of, d.worst, d.box)
}

func comparePNG(want, got []byte) (difference, error) {
	w, err := png.Decode(bytes.NewReader(want))
	if err != nil {
		return difference{}, fmt.Errorf("the golden file is no PNG: %w", err)
	}
	g, err := png.Decode(bytes.NewReader(got))
	if err != nil {
		return difference{}, fmt.Errorf("the output is no PNG: %w", err)
	}
	if w.Bounds() != g.Bounds() {
		return difference{}, fmt.Errorf("the picture has size %v, the golden one %v", g.Bounds().Size(), w.Bounds().Size())
	}
	return compareImages(w, g), nil
}

func compareImages(want, got image.Image) difference {
	b := want.Bounds()
	picture := image.NewRGBA(b)
	d := difference{of: b.Dx() * b.Dy(), picture: picture}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			delta := channelDelta(want.At(x, y), got.At(x, y))
			d.worst = max(d.worst, delta)
			if delta <= channelTolerance {
				picture.Set(x, y, pale(want.At(x, y)))
				continue
			}
			d.pixels++
			d.box = d.box.Union(image.Rect(x, y, x+1, y+1))
			picture.Set(x, y, color.RGBA{R: 0xd0, A: 0xff})
		}
	}
	return d
}

// channelDelta returns the largest difference between the channels of two
// colours, of 255.
func channelDelta(a, b color.Color) int {
	ar, ag, ab, aa := a.RGBA()
	br, bg, bb, ba := b.RGBA()
	return max(distance(ar, br), distance(ag, bg), distance(ab, bb), distance(aa, ba)) >> 8
}

func distance(a, b uint32) int {
	if a > b {
		return int(a - b)
	}
	return int(b - a)
}

func pale(c color.Color) color.Color {
	g := color.GrayModel.Convert(c).(color.Gray)
	return color.Gray{Y: 0xc0 + g.Y/4}
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatalf("encoding the diff picture: %v", err)
	}
	return buf.Bytes()
}

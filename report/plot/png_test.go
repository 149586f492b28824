package plot

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"
)

// Pictures come back as they were, the opaque ones by our own writer and others too.
func TestPNGKeepsEveryPixel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []image.Point{{1, 1}, {7, 3}, {1660, 2}, {300, 200}} {
		for _, alpha := range []uint8{255, 128} {
			m := image.NewRGBA(image.Rectangle{Max: size})
			for y := range size.Y {
				for x := range size.X {
					m.Set(x, y, color.NRGBA{uint8(r.Uint32()), uint8(x), uint8(y), alpha})
				}
			}
			part := m.SubImage(image.Rect(size.X/3, size.Y/3, size.X, size.Y)).(*image.RGBA)
			for _, m := range []*image.RGBA{m, part} {
				var buf bytes.Buffer
				if err := encodePNG(&buf, m); err != nil {
					t.Fatal(err)
				}
				back, err := png.Decode(&buf)
				if err != nil {
					t.Fatalf("%v, alpha %d: %v", m.Rect, alpha, err)
				}
				samePixels(t, back, m)
			}
		}
	}
}

func samePixels(t *testing.T, got image.Image, want *image.RGBA) {
	t.Helper()
	if got.Bounds().Size() != want.Rect.Size() {
		t.Fatalf("%v, want %v", got.Bounds(), want.Rect)
	}
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			g := color.NRGBAModel.Convert(got.At(x, y))
			w := color.NRGBAModel.Convert(want.At(want.Rect.Min.X+x, want.Rect.Min.Y+y))
			if g != w {
				t.Fatalf("%d, %d: %v, want %v", x, y, g, w)
			}
		}
	}
}

package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// A Figure is a picture that is ready to be drawn: its numbers have been checked.
type Figure struct {
	Title string
	Alt   string // the picture in one sentence, for those who do not see it

	height vg.Length
	draw   func(draw.Canvas)
}

// WritePNG writes the figure as a PNG, 1660 pixels wide. The same figure always
// gives the same bytes.
func (f Figure) WritePNG(w io.Writer) (err error) {
	if f.draw == nil {
		return errors.New("the figure is empty")
	}
	// gonum/plot panics on what it cannot draw. Everything known is checked
	// before, but a report with one picture missing beats a crash.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("drawing %q: %v", f.Title, r)
		}
	}()
	img := vgimg.NewWith(
		vgimg.UseWH(width, f.height),
		vgimg.UseDPI(pixelsPer),
		vgimg.UseBackgroundColor(color.White),
	)
	f.draw(draw.New(img))
	if err := encodePNG(w, img.Image()); err != nil {
		return fmt.Errorf("writing %q: %w", f.Title, err)
	}
	return nil
}

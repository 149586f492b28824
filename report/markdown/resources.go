package markdown

import (
	"io"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/report/plot"
	"github.com/servestat/servestat/report/text"
)

// resourcePicture is the picture of what a single run took over time.
const resourcePicture = "run-resources"

// Resources writes what runs took as one page.
func Resources(w io.Writer, r *analyze.Resources) error {
	p := &page{}
	p.heading(1, "resources", "Energy, memory, clocks")
	p.resources(2, r)
	_, err := w.Write(p.buf.Bytes())
	return err
}

func (p *page) resources(level int, r *analyze.Resources) {
	for _, s := range text.ResourceSections(r) {
		p.section(level, "", s)
	}
}

// resources is what the runs of a report took, where anything was recorded of it.
func (r *report) resources(p *page) {
	if r.Result.Resources == nil {
		return
	}
	if !r.Result.Resources.HasPower() && len(r.comparisons) > 0 && len(r.Result.Resources.Drifts) == 0 {
		return // what logs say of memory is not what a comparison is about
	}
	p.heading(2, "resources", "Energy, memory, clocks")
	r.picture(p, resourcePicture)
	p.resources(3, r.Result.Resources)
}

// addResources draws what a single run took over time.
func (r *report) addResources() {
	if r.Result.Resources == nil || len(r.Result.Resources.Runs) != 1 || r.Result.Resources.Runs[0].Over == nil {
		return
	}
	fig, err := plot.Resources(r.Result.Resources.Runs[0], r.Trace)
	r.add(resourcePicture, fig, err)
}

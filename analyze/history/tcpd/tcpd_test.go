package tcpd_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/calibrate"
	"github.com/servestat/servestat/analyze/history"
	"github.com/servestat/servestat/analyze/history/peer"
	"github.com/servestat/servestat/analyze/history/tcpd"
	"github.com/servestat/servestat/schemas/schematest"
)

// The Turing Change Point Dataset: the series that may be redistributed, the
// marks of five annotators each, and the published scores of fourteen detectors.
type turing struct {
	names       []string
	values      map[string][]float64
	annotations map[string]tcpd.Annotations
}

// published is series -> detector -> score; null, as nil, where a detector failed.
type published map[string]map[string]*float64

func loadTuring(t *testing.T) turing {
	t.Helper()
	d := turing{values: make(map[string][]float64)}
	schematest.Known(t, "tcpd/annotations.json", &d.annotations)
	entries, err := os.ReadDir(schematest.Shared(t, "known-answers/tcpd/datasets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var file struct {
			NDim   int `json:"n_dim"`
			Series []struct{ Raw []float64 }
		}
		schematest.Known(t, filepath.Join("tcpd/datasets", e.Name()), &file)
		name := strings.TrimSuffix(e.Name(), ".json")
		d.names = append(d.names, name)
		d.values[name] = file.Series[0].Raw
	}
	if len(d.names) < 16 {
		t.Fatalf("%d series, want the 16 that may be redistributed", len(d.names))
	}
	return d
}

func loadScores(t *testing.T, which string) published {
	t.Helper()
	var p published
	schematest.Known(t, "tcpdbench/analysis/output/scores/"+which+"_scores.json", &p)
	return p
}

// score returns both metrics of a detector's change points on one series.
func (d turing) score(name string, found []int) (f1, cover float64) {
	return tcpd.F1(d.annotations[name], found, tcpd.Margin), tcpd.Cover(d.annotations[name], found, len(d.values[name]))
}

// furthest returns the largest difference from the published scores.
func (d turing) furthest(t *testing.T, method string, detect func([]float64) []int) (f1, cover float64) {
	t.Helper()
	wantF1, wantCover := loadScores(t, "default_f1"), loadScores(t, "default_cover")
	for _, name := range d.names {
		gotF1, gotCover := d.score(name, detect(d.values[name]))
		f1 = math.Max(f1, math.Abs(gotF1-*wantF1[name][method]))
		cover = math.Max(cover, math.Abs(gotCover-*wantCover[name][method]))
	}
	return f1, cover
}

func TestCalibrateMetricsAreThePublishedOnesOfZero(t *testing.T) {
	f1, cover := loadTuring(t).furthest(t, "zero", peer.Zero)
	calibrate.Bar(t, "TCPD F1 of zero, largest difference from published", f1, calibrate.AtMost(1e-9))
	calibrate.Bar(t, "TCPD Cover of zero, largest difference from published", cover, calibrate.AtMost(1e-9))
}

func TestCalibrateBinSegIsThePublishedOne(t *testing.T) {
	f1, cover := loadTuring(t).furthest(t, "binseg", func(v []float64) []int { return tcpd.AsR(peer.BinSeg(v)) })
	calibrate.Bar(t, "TCPD F1 of BinSeg, largest difference from published", f1, calibrate.AtMost(1e-9))
	calibrate.Bar(t, "TCPD Cover of BinSeg, largest difference from published", cover, calibrate.AtMost(1e-9))
}

// The published scores of R's methods are those of change points that are one too
// low. If they could be had with the right ones too, the test above would not
// tell the conventions apart.
func TestPublishedScoresOfRAreOffByOne(t *testing.T) {
	f1, cover := loadTuring(t).furthest(t, "binseg", peer.BinSeg)
	if math.Max(f1, cover) < 1e-3 {
		t.Errorf("with first indices of the right segment F1 and Cover are also within %g and %g of the published ones", f1, cover)
	}
}

// The mean-shift mode is scored in our convention, against what was published for
// the same detector and series.
func TestCalibrateMeansOverTheSeries(t *testing.T) {
	d := loadTuring(t)
	wantF1, wantCover := loadScores(t, "default_f1"), loadScores(t, "default_cover")
	n := float64(len(d.names))
	mean := func(detect func(string) []int) (f1, cover float64) {
		for _, name := range d.names {
			a, b := d.score(name, detect(name))
			f1, cover = f1+a/n, cover+b/n
		}
		return f1, cover
	}
	var binF1, binCover, zeroF1, zeroCover float64
	for _, name := range d.names {
		binF1, binCover = binF1+*wantF1[name]["binseg"]/n, binCover+*wantCover[name]["binseg"]/n
		zeroF1, zeroCover = zeroF1+*wantF1[name]["zero"]/n, zeroCover+*wantCover[name]["zero"]/n
	}
	f1, cover := mean(func(name string) []int { return peer.BinSeg(d.values[name]) })
	// Sums of the same terms in another order: equality to rounding.
	calibrate.Bar(t, "TCPD mean F1 of the mean-shift mode, published binseg", f1, calibrate.AtLeast(binF1-1e-12))
	calibrate.Bar(t, "TCPD mean Cover of the mean-shift mode, published binseg", cover, calibrate.AtLeast(binCover-1e-12))
	calibrate.Bar(t, "TCPD mean Cover of the mean-shift mode, published zero", cover, calibrate.AtLeast(zeroCover))
	if binF1 > zeroF1 {
		calibrate.Bar(t, "TCPD mean F1 of the mean-shift mode, published zero", f1, calibrate.AtLeast(zeroF1))
	}
	f1, cover = mean(func(name string) []int { return rankScan(t, name, d.values[name]) })
	// Nothing is required: trends and seasons are not what it is for, and it takes
	// them for dependence.
	calibrate.Figure("TCPD mean F1 of our own detector", f1)
	calibrate.Figure("TCPD mean Cover of our own detector", cover)
}

// rankScan is our own detector on a series of the dataset, all of which are
// positive but for a few values that a shift makes so; ranks do not mind.
func rankScan(t *testing.T, name string, values []float64) []int {
	t.Helper()
	shift := 1 - math.Min(1, slices.Min(values))
	s := history.Series{Name: name}
	for _, v := range values {
		s.Runs = append(s.Runs, history.Run{Value: v + shift})
	}
	r, err := history.Detect(s, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, c := range r.ChangePoints {
		found = append(found, c.Index)
	}
	return found
}

func TestMetricsByHand(t *testing.T) {
	marks := tcpd.Annotations{"a": {10}, "b": {}}
	// Found: 0 and 12, which is within 5 of 10. All of a's two and b's one are
	// found; both predictions are right: P = 1, R = 1.
	if got := tcpd.F1(marks, []int{12}, tcpd.Margin); got != 1 {
		t.Errorf("F1 = %v, want 1", got)
	}
	// 16 is too far: one of two predictions right, recall (1/2 + 1)/2.
	if got, want := tcpd.F1(marks, []int{16}, tcpd.Margin), 2*0.5*0.75/1.25; math.Abs(got-want) > 1e-15 {
		t.Errorf("F1 = %v, want %v", got, want)
	}
	// Two predictions near one mark: only one of them is right.
	if got, want := tcpd.F1(tcpd.Annotations{"a": {10}}, []int{9, 11}, tcpd.Margin), 2*(2.0/3)/(5.0/3); math.Abs(got-want) > 1e-15 {
		t.Errorf("F1 = %v, want %v", got, want)
	}
	// Of 20 values split at 10, the whole covers each half by half; for b it is 1.
	if got := tcpd.Cover(marks, nil, 20); got != 0.75 {
		t.Errorf("Cover = %v, want 0.75", got)
	}
	if got := tcpd.AsR([]int{28}); !slices.Equal(got, []int{27}) {
		t.Errorf("AsR = %v, want the last index of the left segment, 27", got)
	}
}

package simulate

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestEveryPresetIsNamedExplainedAndWritten(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			if same, err := PresetByName(p.Name); err != nil || same.Text != p.Text || p.Text == "" {
				t.Errorf("preset by name: %v", err)
			}
			dir, reported := t.TempDir(), 0
			if err := p.Write(context.Background(), dir, func(done, total int) {
				if reported++; done != reported || total != p.RunFiles() {
					t.Errorf("progress %d of %d after %d runs", done, total, reported)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if reported != p.RunFiles() {
				t.Errorf("%d runs reported, want %d", reported, p.RunFiles())
			}
			plain, packed := sizes(t, tree(t, dir))
			t.Logf("%d results, %d bytes, %d as tar.gz", p.RunFiles(), plain, packed)
			if packed > 2_500_000 {
				t.Errorf("packs to %d bytes, want at most 2.5 MB", packed)
			}
		})
	}
}

// sizes returns the size of files, and that of their tar.gz.
func sizes(t *testing.T, files map[string]string) (plain, packed int) {
	t.Helper()
	var count counter
	zip := gzip.NewWriter(&count)
	archive := tar.NewWriter(zip)
	for _, name := range names(files) {
		plain += len(files[name])
		if err := archive.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return plain, int(count)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func TestUnknownPresetNamesTheKnown(t *testing.T) {
	_, err := PresetByName("thor")
	if err == nil || err.Error() != `no preset "thor": have demo, jetson-thor-article` {
		t.Errorf("got error %v", err)
	}
}

func TestDemoHoldsARegressionOfFivePercent(t *testing.T) {
	s := demo().Parts[0].Sweep
	if s.RunFiles() != 60 {
		t.Errorf("%d results, want 60", s.RunFiles())
	}
	s.RunCV, s.GapJitter = 0, 0 // without noise the truth is exact
	for _, level := range s.Concurrency {
		baseline := mustRun(t, s.LoadPoint("0.19.0", 1, level)).Summary()
		candidate := mustRun(t, s.LoadPoint("0.20.0", 1, level)).Summary()
		near(t, "ITL", candidate.ITL.Mean/baseline.ITL.Mean, 1.05, 1e-6)
	}
}

// The article's points, with their source in the preset's text. A zero was not
// published. The means are over the five runs that the preset writes.
func TestArticlePresetReproducesThePublishedPoints(t *testing.T) {
	published := map[string]map[int]struct{ itl, ttft, throughput float64 }{
		nano: {1: {14.18, 0, 65.67}, 32: {65.90, 741.70, 429.57}},
		qwen: {1: {23.4, 0, 41.12}, 32: {28.0, 0, 1065.22}},
	}
	for _, part := range jetsonThorArticle().Parts {
		for level, want := range published[part.Folder] {
			var itl, ttft, throughput float64
			for start := 1; start <= part.Sweep.Runs; start++ {
				s := mustRun(t, part.Sweep.LoadPoint("0.20.2", start, level)).Summary()
				itl += s.ITL.Mean / float64(part.Sweep.Runs)
				ttft += s.TTFT.Mean / float64(part.Sweep.Runs)
				throughput += s.OutputThroughput / float64(part.Sweep.Runs)
			}
			t.Logf("%s at concurrency %d", part.Folder, level)
			near(t, "ITL in ms", itl, want.itl, 0.02)
			near(t, "output throughput", throughput, want.throughput, 0.02)
			if want.ttft > 0 {
				near(t, "TTFT in ms", ttft, want.ttft, 0.02)
			}
		}
	}
}

func TestArticlePresetSaysWhatIsAssumedAndWhatIsNotALog(t *testing.T) {
	p := jetsonThorArticle()
	for _, want := range []string{"A decode step is affine", "c=2..16 are the model's, not data", "thelgtm.dev", "contradict"} {
		if !strings.Contains(p.Text, want) {
			t.Errorf("text does not say %q", want)
		}
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(publishedRow(1, "19.04", `"mean_tpot_ms": 14.32`)), &row); err != nil {
		t.Fatal(err)
	}
	if row["max_concurrency"] != 1.0 || row["output_throughput"] != 19.04 || row["mean_tpot_ms"] != 14.32 || row["model_id"] != nano {
		t.Errorf("published row is %v", row)
	}
	for _, key := range []string{"itls", "ttfts", "duration", "simulator"} {
		if _, ok := row[key]; ok {
			t.Errorf("published row has %s, which was not published", key)
		}
	}
	if !slices.ContainsFunc(p.Files, func(f File) bool {
		return f.Path == "published/servestat.yaml" && strings.Contains(f.Text, "simulated: false")
	}) {
		t.Error("no side-car says that the published row is not simulated")
	}
}

package curve

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

// realSweep is a sweep that somebody measured and published.
type realSweep struct {
	name     string
	response Response
	points   []Point
}

// realSweeps are all the sweeps of the shared data with four levels or more.
func realSweeps(t testing.TB) []realSweep {
	t.Helper()
	var sweeps []realSweep
	sweeps = append(sweeps, splitwise(t)...)
	sweeps = append(sweeps, kubecon(t, "vllm"), kubecon(t, "vllm+v0_engine"), datacrunch(t))
	for _, name := range []string{"raytracer", "specsdm91"} {
		var all map[string]struct {
			Data json.RawMessage `json:"data"`
		}
		schematest.Known(t, "usl/usl_reference_fits.json", &all)
		var points []Point
		if err := json.Unmarshal(all[name].Data, &points); err != nil {
			t.Fatal(err)
		}
		sweeps = append(sweeps, realSweep{"usl " + name, Throughput, points})
	}
	return sweeps
}

// splitwise has the time of a token against batch size: Llama2-70B and BLOOM-176B
// on A100 and H100 with and without a power cap, five repeats of 512 tokens in and
// 128 out. Of what was repeated more often the first five count, so that no level
// weighs more than another.
func splitwise(t testing.TB) []realSweep {
	t.Helper()
	var sweeps []realSweep
	byName := splitwiseTable(t, "128")
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sweeps = append(sweeps, realSweep{name, Latency, firstOfEach(byName[name], 5)})
	}
	return sweeps
}

// splitwiseTable returns the sweeps of the table by name, with so many output
// tokens; empty: any number.
func splitwiseTable(t testing.TB, output string) map[string][]Point {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(schematest.KnownText(t, "serving_real/splitwise_perf_model.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const model, hardware, prompt, batch, tokens, tokenTime, parallel = 0, 1, 2, 3, 4, 8, 10
	byName := map[string][]Point{}
	for _, row := range rows[1:] {
		if row[prompt] != "512" || output != "" && row[tokens] != output {
			continue
		}
		name := fmt.Sprintf("splitwise %s %s tp%s", row[model], row[hardware], row[parallel])
		byName[name] = append(byName[name], Point{X: number64(t, row[batch]), Y: number64(t, row[tokenTime]) / 1e3})
	}
	return byName
}

func firstOfEach(points []Point, n int) []Point {
	seen := map[float64]int{}
	return slices.DeleteFunc(points, func(p Point) bool {
		seen[p.X]++
		return seen[p.X] > n
	})
}

// kubecon is a sweep of request rates against one engine: time per token against
// the concurrency that they lead to, by Little's law.
func kubecon(t testing.TB, engine string) realSweep {
	t.Helper()
	s := realSweep{name: "kubecon " + engine, response: Latency}
	for stage := range 7 {
		var result struct {
			Successes struct {
				Latency map[string]struct{ Mean float64 }
				Through struct {
					Requests float64 `json:"requests_per_sec"`
				} `json:"throughput"`
			}
		}
		name := fmt.Sprintf("real/inference-perf/kubecon-na-2025/%s/stage_%d_lifecycle_metrics.json", engine, stage)
		text, err := os.ReadFile(schematest.Shared(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &result); err != nil {
			t.Fatal(err)
		}
		of := result.Successes.Latency
		s.points = append(s.points, Point{
			X: result.Successes.Through.Requests * of["request_latency"].Mean,
			Y: of["time_per_output_token"].Mean,
		})
	}
	return s
}

// datacrunch is Llama 3.3 70B on SGLang under five request rates.
func datacrunch(t testing.TB) realSweep {
	t.Helper()
	s := realSweep{name: "datacrunch llama-3.3-70b", response: Latency}
	file, err := os.Open(schematest.Shared(t, "real/sglang/datacrunch/llama_3_3_70b_online_output.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var r struct {
			Dataset   string  `json:"dataset_name"`
			E2EL      float64 `json:"mean_e2e_latency_ms"`
			ITL       float64 `json:"median_itl_ms"`
			Duration  float64 `json:"duration"`
			Completed float64 `json:"completed"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dataset == "random" {
			s.points = append(s.points, Point{X: r.Completed / r.Duration * r.E2EL / 1e3, Y: r.ITL / 1e3})
		}
	}
	return s
}

func number64(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

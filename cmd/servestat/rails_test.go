package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A dialect is a way to write power over time. Its machine takes 100 W when nobody
// asks it anything, and 300 W for the ten seconds of a run.
type dialect struct {
	name, file, head string
	// line is what it writes in second i, of so many watts and of a counter of joules.
	line  func(i int, watts, joules float64) string
	scope string
	rails string
	watts float64 // of all that may be added up; 0: of the machine
}

func (d dialect) text() string {
	var b strings.Builder
	b.WriteString(d.head)
	joules := 5e6
	for i := -20; i <= 30; i++ {
		watts := 100.0
		if i >= 0 && i <= 10 {
			watts = 300
		}
		b.WriteString(d.line(i, watts, joules))
		b.WriteByte('\n')
		joules += watts
		if i == 10 {
			joules -= 200 // it falls back at once
		}
	}
	return b.String()
}

var dialectEpoch = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func second(i int) time.Time { return dialectEpoch.Add(time.Duration(i) * time.Second) }

// tegra is a line of tegrastats with its rails, in milliwatts.
func tegra(rails string, parts ...float64) func(int, float64, float64) string {
	return func(i int, watts, _ float64) string {
		milli := make([]any, len(parts))
		for k, share := range parts {
			milli[k] = int(share * watts * 1000)
		}
		return second(i).Format("01-02-2006 15:04:05") + " RAM 17842/125772MB (lfb 79x4MB) CPU [1%@972] GR3D_FREQ 99%@[1098] " + fmt.Sprintf(rails, milli...)
	}
}

func scrapeLine(form string) func(int, float64, float64) string {
	return func(i int, watts, joules float64) string {
		return fmt.Sprintf("# scraped at %s\n"+form, second(i).Format(time.RFC3339), watts, joules*1000)
	}
}

func aiperfLine(power, energy string) func(int, float64, float64) string {
	return func(i int, watts, joules float64) string {
		values := fmt.Sprintf(`"%s":%v`, power, watts)
		if energy != "" {
			values += fmt.Sprintf(`,"%s":%v`, energy, joules/1e6)
		}
		return fmt.Sprintf(`{"timestamp_ns":%d,"telemetry_source_url":"http://a:9401/metrics","gpu_index":0,"gpu_uuid":"GPU-0","telemetry_data":{%s}}`, second(i).UnixNano(), values)
	}
}

// dialects are all that telemetry may be written in and that speaks of power.
var dialects = []dialect{
	{
		name: "tegrastats of Thor", file: "tegrastats.log", scope: "compute domains", rails: "VDD_GPU VDD_CPU_SOC_MSS",
		line: tegra("VDD_GPU %dmW/1mW VDD_CPU_SOC_MSS %dmW/1mW VIN_SYS_5V0 %dmW/1mW VIN 500000mW/1mW", 0.7, 0.3, 0.2),
	},
	{
		name: "tegrastats of AGX Orin", file: "tegrastats.log", scope: "compute domains", rails: "VDD_GPU_SOC VDD_CPU_CV",
		line: tegra("gpu@43.3C VDD_GPU_SOC %dmW/1mW/1mW VDD_CPU_CV %dmW/1mW/1mW VIN_SYS_5V0 %dmW/1mW/1mW", 0.7, 0.3, 0.2),
	},
	{
		name: "tegrastats of Orin Nano", file: "tegrastats.log", scope: "compute domains", rails: "VDD_CPU_GPU_CV VDD_SOC",
		line: tegra("gpu@43.3C VDD_IN %dmW/1mW VDD_CPU_GPU_CV %dmW/1mW VDD_SOC %dmW/1mW", 1.5, 0.7, 0.3),
	},
	{
		// Its rails GPU and CPU have zones of the same names, in degrees.
		name: "tegrastats of Xavier", file: "tegrastats.log", scope: "compute domains", rails: "GPU CPU SOC CV",
		line: tegra("AO@37.5C GPU@938C CPU@938.5C PMIC@100C GPU %d/0 CPU %d/1 SOC %d/1 CV %d/0 VDDRQ 155/155 SYS5V 1561/1561", 0.4, 0.3, 0.2, 0.1),
	},
	{
		name: "tegrastats of Nano", file: "tegrastats.log", scope: "compute domains", rails: "POM_5V_GPU POM_5V_CPU",
		line: tegra("GPU@23.5C POM_5V_IN %d/1 POM_5V_GPU %d/1 POM_5V_CPU %d/1", 1.2, 0.7, 0.3),
	},
	{
		name: "nvidia-smi", file: "smi.csv", scope: "GPU", rails: "power.draw",
		head: "timestamp, index, power.draw [W], utilization.gpu [%]\n",
		line: func(i int, watts, _ float64) string {
			return fmt.Sprintf("%s, 0, %.2f W, 99 %%", second(i).Format("2006/01/02 15:04:05.000"), watts)
		},
	},
	{
		name: "nvidia-smi of two GPUs", file: "smi.csv", scope: "GPU", rails: "power.draw.instant", watts: 350,
		head: "timestamp, index, power.draw [W], power.draw.instant [W]\n",
		line: func(i int, watts, _ float64) string {
			at := second(i).Format("2006/01/02 15:04:05.000")
			return fmt.Sprintf("%s, 0, 1.00 W, %.2f W\n%s, 1, 1.00 W, 50.00 W", at, watts, at)
		},
	},
	{
		name: "nvidia-smi dmon", file: "dmon.txt", scope: "GPU", rails: "pwr",
		head: "#Date       Time        gpu    pwr  gtemp     sm    mem\n#YYYYMMDD   HH:MM:SS    Idx      W      C      %      %\n",
		line: func(i int, watts, _ float64) string {
			return fmt.Sprintf(" %s      0   %.0f     39     95     74", second(i).Format("20060102   15:04:05"), watts)
		},
	},
	{
		name: "dcgmi dmon", file: "dcgm.txt", scope: "GPU", rails: "POWER", head: "#Entity   GPUTL   POWER   TMPTR\nID                  W       C\n",
		line: func(i int, watts, _ float64) string {
			return fmt.Sprintf("%s GPU 0     75     %.3f     68", second(i).Format(time.RFC3339), watts)
		},
	},
	{
		name: "dcgmi dmon's counter", file: "dcgm.txt", scope: "GPU energy counter", rails: "TOTEC", head: "#Entity   POWER   TOTEC\nID        W       mJ\n",
		line: func(i int, _, joules float64) string {
			return fmt.Sprintf("%s GPU 0     1.000     %.0f", second(i).Format(time.RFC3339), joules*1000)
		},
	},
	{
		name: "dcgm-exporter", file: "scrapes.txt", scope: "GPU", rails: "DCGM_FI_DEV_POWER_USAGE", head: "# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n",
		line: scrapeLine("DCGM_FI_DEV_POWER_USAGE{gpu=\"0\",UUID=\"GPU-aa\"} %v\nDCGM_FI_DEV_X{gpu=\"0\"} %v"),
	},
	{
		name: "dcgm-exporter's counter", file: "scrapes.txt", scope: "GPU energy counter", rails: "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
		line: scrapeLine("DCGM_FI_DEV_POWER_USAGE{gpu=\"0\",UUID=\"GPU-aa\"} %v\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\",UUID=\"GPU-aa\"} %.0f"),
	},
	{
		// The first GPUs of two machines are two GPUs.
		name: "dcgm-exporter on two machines", file: "scrapes.txt", scope: "GPU", rails: "DCGM_FI_DEV_POWER_USAGE", watts: 350,
		line: scrapeLine("DCGM_FI_DEV_POWER_USAGE{gpu=\"0\",Hostname=\"a\"} %v\nDCGM_FI_DEV_POWER_USAGE{gpu=\"0\",Hostname=\"b\"} 50\nDCGM_FI_DEV_X{gpu=\"0\"} %v"),
	},
	{name: "AIPerf", file: "gpu_telemetry_export.jsonl", scope: "GPU", rails: "nvidia_power_usage", line: aiperfLine("nvidia_power_usage", "")},
	{name: "AIPerf before schema 1.5", file: "gpu_telemetry_export.jsonl", scope: "GPU", rails: "gpu_power_usage", line: aiperfLine("gpu_power_usage", "")},
	{name: "AIPerf's counter", file: "gpu_telemetry_export.jsonl", scope: "GPU energy counter", rails: "nvidia_energy_consumption", line: aiperfLine("nvidia_power_usage", "nvidia_energy_consumption")},
	{name: "AIPerf's counter of before", file: "gpu_telemetry_export.jsonl", scope: "GPU energy counter", rails: "energy_consumption", line: aiperfLine("gpu_power_usage", "energy_consumption")},
	{name: "AIPerf on AMD", file: "gpu_telemetry_export.jsonl", scope: "GPU", rails: "amd_power", line: aiperfLine("amd_power", "")},
	{name: "AIPerf's counter on AMD", file: "gpu_telemetry_export.jsonl", scope: "GPU energy counter", rails: "amd_energy_consumption", line: aiperfLine("amd_power", "amd_energy_consumption")},
	{
		// It was reset in the run, so that the watts count.
		name: "a counter that was reset", file: "gpu_telemetry_export.jsonl", scope: "GPU", rails: "nvidia_power_usage",
		line: func(i int, watts, joules float64) string {
			if i > 5 {
				joules = float64(i)
			}
			return aiperfLine("nvidia_power_usage", "nvidia_energy_consumption")(i, watts, joules)
		},
	},
}

// dialectRun is a run of ten seconds.
const dialectRun = `{"date": "20260701-120010", "endpoint_type": "openai", "backend": "openai", "label": null, "model_id": "m", "tokenizer_id": "m", "num_prompts": 2, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 1, "duration": 10, "completed": 2, "failed": 0, "input_lens": [8, 8], "output_lens": [3, 3], "ttfts": [3.0, 3.0], "itls": [[1.0, 1.0], [1.0, 1.0]], "start_times": [100.0, 105.0], "errors": ["", ""]}`

// TestEnergyOfEveryDialect: what a run took is known whatever its power was written
// in, and the rails that were added up have names. Readers and analysis meet at the
// names of samples: AIPerf's, and the rails of some boards, were in none of the sets
// that may be added up.
func TestEnergyOfEveryDialect(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"run.json": dialectRun, d.file: d.text(), "servestat.yaml": "server_start: s1\nlabels:\n  utc_offset: \"+00:00\"\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			lake := filepath.Join(dir, "lake")
			servestat(t, "ingest", "--strict", "--lake", lake, filepath.Join(dir, "run.json"), filepath.Join(dir, d.file))
			var out struct {
				Runs []struct {
					Energy struct {
						Scope  string
						Rails  []string
						Joules struct{ Value float64 }
					}
					NoEnergy string `json:"no_energy"`
				}
			}
			if err := json.Unmarshal([]byte(servestat(t, "resources", "--lake", lake, "--format", "json")), &out); err != nil {
				t.Fatal(err)
			}
			if len(out.Runs) != 1 {
				t.Fatalf("%+v", out)
			}
			e := out.Runs[0].Energy
			watts := d.watts
			if watts == 0 {
				watts = 300
			}
			// The clocks are aligned by the load, to a tenth of the cadence.
			if e.Scope != d.scope || strings.Join(e.Rails, " ") != d.rails || math.Abs(e.Joules.Value/(10*watts)-1) > 0.05 {
				t.Errorf("%+v, want %s (%s) of %v J: %s", e, d.scope, d.rails, 10*watts, out.Runs[0].NoEnergy)
			}
		})
	}
}

package power

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Scope is what of a machine's power is added up.
type Scope struct {
	Name  string   // board input, compute domains, GPU
	Rails []string // names of samples
	// Counter is true where the samples count joules instead of watts.
	Counter bool
	// Mean is the time before it that a reading is the mean of, with Newer of GPUs
	// since Ampere alone; 0 where it is one of its moment.
	Mean  time.Duration
	Newer bool
}

// scopes are the sets of rails that may be added up, the best first. What a board
// takes in comes last: it includes what has nothing to do with serving.
var scopes = []Scope{
	{Name: "GPU energy counter", Rails: []string{"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"}, Counter: true},
	{Name: "GPU energy counter", Rails: []string{"TOTEC"}, Counter: true},
	{Name: "GPU energy counter", Rails: []string{"nvidia_energy_consumption"}, Counter: true}, // AIPerf
	{Name: "GPU energy counter", Rails: []string{"amd_energy_consumption"}, Counter: true},
	{Name: "GPU energy counter", Rails: []string{"energy_consumption"}, Counter: true}, // AIPerf before schema 1.5
	{Name: "GPU", Rails: []string{"power.draw.instant"}},
	{Name: "GPU", Rails: []string{"power.draw"}, Mean: nvmlMean, Newer: true},
	{Name: "GPU", Rails: []string{"power.draw.average"}, Mean: nvmlMean},
	{Name: "GPU", Rails: []string{"DCGM_FI_DEV_POWER_USAGE_INSTANT"}},
	{Name: "GPU", Rails: []string{"DCGM_FI_DEV_POWER_USAGE"}, Mean: nvmlMean, Newer: true},
	{Name: "GPU", Rails: []string{"POWER"}, Mean: nvmlMean, Newer: true},
	{Name: "GPU", Rails: []string{"pwr"}, Mean: nvmlMean, Newer: true},
	{Name: "GPU", Rails: []string{"nvidia_power_usage"}, Mean: nvmlMean, Newer: true}, // AIPerf
	{Name: "GPU", Rails: []string{"amd_power"}},
	{Name: "GPU", Rails: []string{"gpu_power_usage"}, Mean: nvmlMean, Newer: true}, // AIPerf before schema 1.5
	{Name: "compute domains", Rails: []string{"VDD_GPU", "VDD_CPU_SOC_MSS"}},       // Thor
	{Name: "compute domains", Rails: []string{"VDD_GPU_SOC", "VDD_CPU_CV"}},        // AGX Orin
	{Name: "compute domains", Rails: []string{"VDD_CPU_GPU_CV", "VDD_SOC"}},        // Orin NX, Orin Nano
	{Name: "compute domains", Rails: []string{"GPU", "CPU", "SOC", "CV"}},          // Xavier
	{Name: "compute domains", Rails: []string{"POM_5V_GPU", "POM_5V_CPU"}},         // Nano
	{Name: "compute domains", Rails: []string{"VDD_SYS_GPU", "VDD_SYS_CPU"}},       // TX2
	{Name: "board input", Rails: []string{"VIN"}},                                  // Thor
	{Name: "board input", Rails: []string{"VDD_IN"}},                               // Orin NX, TX2
	{Name: "board input", Rails: []string{"POM_5V_IN"}},                            // Nano
}

// nvmlMean is what NVIDIA documents of nvmlDeviceGetPowerUsage: on Ampere and later,
// but for GA100, a reading is the mean of a second. power.draw, DCGM's POWER_USAGE and
// dmon's pwr are that reading; power.draw.instant and POWER_USAGE_INSTANT are not.
const nvmlMean = time.Second

// older are GA100 and GPUs before Ampere.
var older = regexp.MustCompile(`(?i)(?:^|[^A-Z0-9]|[0-9]x)(?:A100X?|A800|A30|T4G?|(?:V|P)100S?|P40?|TITAN V|RTX 20\d0)(?:$|[^A-Z0-9])`)

// ReadingMean returns the time that the readings of a GPU may be means of.
func (s Scope) ReadingMean(hardware string) time.Duration {
	if s.Newer && older.MatchString(hardware) {
		return 0
	}
	return s.Mean
}

// Names returns the names of all samples that a scope may be made of.
func Names() []string {
	var out []string
	for _, s := range scopes {
		out = append(out, s.Rails...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Choose returns the scope that the names of samples allow. prefer names one of
// several, "" takes the best. Rails of one scope are never added to those of
// another.
func Choose(names []string, prefer string) (Scope, error) {
	var others []string
	for _, s := range scopes {
		if !containsAll(names, s.Rails) {
			continue
		}
		if prefer == "" || strings.EqualFold(prefer, s.Name) {
			return s, nil
		}
		others = append(others, s.Name)
	}
	if len(others) > 0 {
		return Scope{}, fmt.Errorf("no rails of %q: there are %s", prefer, strings.Join(slices.Compact(others), ", "))
	}
	return Scope{}, fmt.Errorf("no samples of power among %d kinds of samples", len(names))
}

// ChooseAll returns the best scope that the names of samples allow, and behind a
// counter, which must have been read before and after a run, the watts of the same
// GPUs.
func ChooseAll(names []string) ([]Scope, error) {
	best, err := Choose(names, "")
	if err != nil || !best.Counter {
		return []Scope{best}, err
	}
	if watts, err := Choose(names, "GPU"); err == nil {
		return []Scope{best, watts}, nil
	}
	return []Scope{best}, nil
}

func containsAll(names, rails []string) bool {
	return !slices.ContainsFunc(rails, func(r string) bool { return !slices.Contains(names, r) })
}

// Add adds up rails, or GPUs, that are read at the same moments or nearly so: each
// of the others is interpolated at the moments of the first, and a moment at which
// one has no neighbours within widest is left out.
func Add(rails [][]Sample, widest int64) []Sample {
	if len(rails) == 0 {
		return nil
	}
	others := make([][]Sample, 0, len(rails)-1)
	for _, r := range rails[1:] {
		others = append(others, ordered(r))
	}
	var out []Sample
	for _, s := range ordered(rails[0]) {
		sum, ok := s.Value, true
		for _, other := range others {
			v, near := interpolate(other, s.At, widest)
			sum, ok = sum+v, ok && near
		}
		if ok {
			out = append(out, Sample{s.At, sum})
		}
	}
	return out
}

// Mixed reports whether a series is of several GPUs: one loop of nvidia-smi prints a
// row for each of them within milliseconds, and waits. What one GPU says comes at
// nearly even distances.
func Mixed(samples []Sample) bool {
	const (
		least  = 8  // samples
		nearer = 10 // times closer than on average
	)
	s := ordered(samples)
	if len(s) < least {
		return false
	}
	gaps := int64(len(s) - 1)
	near := int64(0)
	for i := range gaps {
		if (s[i+1].At-s[i].At)*nearer*gaps < s[gaps].At-s[0].At {
			near++
		}
	}
	return 5*near >= 2*gaps // two GPUs: every other gap
}

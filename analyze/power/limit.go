package power

import "slices"

// A Limit is what held a GPU's clock down, and in how much of its samples.
type Limit struct {
	Reason string
	Share  float64
	// Fault: it is no setting of the GPU, but heat, or a supply that does not keep up.
	Fault bool
}

// PowerCap is the reason of a GPU that is at its power cap, which is how it is sold:
// a T4 or an L4 decodes at half of its highest clock, day by day.
const PowerCap = "the power cap"

// limits are the reasons that drivers give, by their bit in NVML's clocks event
// reasons and by nvidia-smi's name of it. That the GPU is idle is none of them.
var limits = []struct {
	bit    uint64
	column string
	reason string
	fault  bool
}{
	{0x40, "hw_thermal_slowdown", "heat (hardware slowdown)", true},
	{0x20, "sw_thermal_slowdown", "heat (driver)", true},
	{0x80, "hw_power_brake_slowdown", "the power brake", true},
	{0x08, "hw_slowdown", "hardware slowdown", true},
	{0x04, "sw_power_cap", PowerCap, false},
	{0x02, "applications_clocks_setting", "a clock that was set", false},
	{0x10, "sync_boost", "sync boost", false},
}

// idle is the bit that says that the clock is low for lack of work.
const idle = 0x01

// limitPrefixes are what nvidia-smi's columns of reasons begin with; drivers before
// 535 call events throttling.
var limitPrefixes = []string{"clocks_event_reasons.", "clocks_throttle_reasons."}

// masks are samples that have a bit for each reason.
var masks = []string{"clocks_event_reasons.active", "clocks_throttle_reasons.active", "DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"}

// violations are nvidia-smi dmon's columns: the share of the time at the power cap,
// and whether it was too hot.
var violations = map[string]uint64{"pviol": 0x04, "tviol": 0x20}

// LimitNames returns the names of all samples that say what holds clocks down.
func LimitNames() []string {
	out := append([]string{"pviol", "tviol"}, masks...)
	for _, prefix := range limitPrefixes {
		for _, l := range limits {
			out = append(out, prefix+l.column)
		}
	}
	return out
}

// FindLimits says what held a GPU's clock down by one series of a GPU that worked,
// the worst reason first.
func FindLimits(name string, samples []Sample) []Limit {
	var out []Limit
	for _, l := range limits {
		if share, ok := heldBy(name, l.bit, l.column, samples); ok && share > 0 {
			out = append(out, Limit{l.reason, share, l.fault})
		}
	}
	return out
}

// heldBy is the share of samples in which one reason held the clock; false where the
// series does not tell of it.
func heldBy(name string, bit uint64, column string, samples []Sample) (float64, bool) {
	own := violations[name] == bit
	for _, prefix := range limitPrefixes {
		own = own || name == prefix+column
	}
	sum, n := 0.0, 0
	for _, s := range samples {
		switch {
		case own:
			sum += min(max(s.Value, 0), 1)
		case !slices.Contains(masks, name) || s.Value < 0 || s.Value >= 1<<53:
			continue
		case uint64(s.Value)&idle != 0:
			continue
		case uint64(s.Value)&bit != 0:
			sum++
		}
		n++
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

package simulate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A Sweep is a benchmark campaign: versions × server starts × concurrency, on
// one machine and one model. Each start of a server runs every level once, in an
// order of its own; starts of the versions alternate as A B B A. What a field
// shares with [Config] means the same there.
type Sweep struct {
	Seed     uint64
	Name     string // tells its server starts from another sweep's; may be empty
	Model    string
	Hardware string

	Versions        []string // folders of the result, and runtime_version
	Concurrency     []int    // levels
	Runs            int      // server starts of each version; run k of every level is on start k
	RequestsPerUser int      // a level c sends c × RequestsPerUser requests

	RequestRate     float64
	InputLen        int
	OutputLen       int
	OutputLenSpread float64

	Slots               int
	ITLBase, ITLSlope   time.Duration
	TTFTBase, TTFTSlope time.Duration

	// RunCV is the coefficient of variation from run to run of everything that
	// takes time. Half of its variance (of the logarithm) belongs to the server
	// start and is shared by all levels of that start; half to the single run.
	RunCV float64
	// StallRate is the probability that a whole server start is slow, by
	// StallFactor, for no reason that its log would show.
	StallRate, StallFactor float64

	GapJitter           float64
	Warmup              float64 // in every run: a new level is a new batch shape to compile for
	PrefillInterference float64
	FailureRate         float64

	Changes []Change

	Begin time.Time // of the first server start; its zone is the log's
	Gzip  bool      // write run<k>.json.gz

	// What the server log says of its configuration besides the model and the
	// slots, and warnings printed while the model is loaded.
	EngineArgs      []EngineArg
	StartupWarnings []LogLine

	// Machine is what tegrastats records beside the runs, and ToolCalls what is
	// asked for after them; nil for nothing.
	Machine   *Machine
	ToolCalls *ToolCalls
}

// DefaultSweep returns the sweep that servestat simulate runs without flags. Its
// RunCV and StallFactor are those of 36 identical runs on real hardware
// (tokenspeed#1355): they vary by 1.13 %, except for 3 that are 36 % slower.
func DefaultSweep() Sweep {
	return Sweep{
		Seed:            1,
		Model:           "simulated/affine-decoder",
		Hardware:        "simulated",
		Versions:        []string{"0.19.0", "0.20.0"},
		Concurrency:     []int{1, 2, 4, 8, 16, 32},
		Runs:            5,
		RequestsPerUser: 4,
		InputLen:        512,
		OutputLen:       128,
		Slots:           64,
		ITLBase:         14 * time.Millisecond,
		ITLSlope:        1600 * time.Microsecond,
		TTFTBase:        60 * time.Millisecond,
		RunCV:           0.0113,
		GapJitter:       0.05,
		StallFactor:     1.36,
		Begin:           time.Date(2026, 11, 16, 8, 0, 0, 0, time.UTC),
	}
}

// Validate reports the first thing about s that cannot be simulated.
func (s Sweep) Validate() error {
	switch {
	case len(s.Versions) == 0:
		return errors.New("no version to simulate: give at least one, such as 0.19.0")
	case len(s.Concurrency) == 0:
		return errors.New("no concurrency to simulate: give at least one level, such as 1,2,4,8")
	case s.Runs < 1:
		return fmt.Errorf("runs is %d: give at least 1", s.Runs)
	case s.RequestsPerUser < 1:
		return fmt.Errorf("requests per user is %d: give at least 1", s.RequestsPerUser)
	case s.Model == "" || s.Hardware == "":
		return fmt.Errorf("model %q on hardware %q: give both a name", s.Model, s.Hardware)
	case strings.ContainsFunc(s.Model+s.Hardware+s.Name, unicode.IsControl):
		return fmt.Errorf("model %q on hardware %q: leave out the control characters, which break log lines", s.Model, s.Hardware)
	case s.Begin.IsZero():
		return errors.New("no time to begin at: give one, such as 2026-11-16 08:00:00")
	case !finite(s.RunCV):
		return fmt.Errorf("run cv is %g: give a coefficient of variation, such as 0.0113", s.RunCV)
	case !(s.StallRate >= 0 && s.StallRate <= 1):
		return fmt.Errorf("stall rate is %g: give a probability, 0 to 1", s.StallRate)
	case s.StallRate > 0 && !(s.StallFactor > 0 && finite(s.StallFactor)):
		return fmt.Errorf("stall factor is %g: give a positive factor, such as 1.36", s.StallFactor)
	}
	if err := s.validateNames(); err != nil {
		return err
	}
	for _, version := range s.Versions {
		for _, level := range s.Concurrency {
			if err := s.LoadPoint(version, 1, level).Validate(); err != nil {
				return err
			}
		}
	}
	return nil
}

// folderName is a version that can be the name of a folder on any system.
var folderName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]*$`)

func (s Sweep) validateNames() error {
	for i, version := range s.Versions {
		if !folderName.MatchString(version) {
			return fmt.Errorf("version %q cannot be a folder: use letters, digits and . + _ -", version)
		}
		if slices.Contains(s.Versions[:i], version) {
			return fmt.Errorf("version %s stands twice: name each version once", version)
		}
	}
	for i, level := range s.Concurrency {
		if level < 1 {
			return fmt.Errorf("concurrency is %d: give 1 or more", level)
		}
		if slices.Contains(s.Concurrency[:i], level) {
			return fmt.Errorf("concurrency %d stands twice: name each level once", level)
		}
	}
	for _, change := range s.Changes {
		if !slices.Contains(s.Versions, change.Version) {
			return fmt.Errorf("change %v: version %s is not simulated, only %s", change, change.Version, strings.Join(s.Versions, ", "))
		}
		if changeable[change.Parameter] == nil || !(change.Factor > 0 && finite(change.Factor)) {
			return fmt.Errorf("change %v: cannot be made; see ParseChange", change)
		}
	}
	return nil
}

// LoadPoint returns the load point that run number start of a version does at a
// level. Its noise depends on nothing but the seed, the version, the start and
// the level, so a sweep can grow without changing what it had; its workload only
// on the seed, so that everything in the sweep can be compared.
func (s Sweep) LoadPoint(version string, start, level int) Config {
	cfg := Config{
		Requests:            level * s.RequestsPerUser,
		Concurrency:         level,
		RequestRate:         s.RequestRate,
		InputLen:            s.InputLen,
		OutputLen:           s.OutputLen,
		OutputLenSpread:     s.OutputLenSpread,
		Slots:               s.Slots,
		ITLBase:             s.ITLBase,
		ITLSlope:            s.ITLSlope,
		TTFTBase:            s.TTFTBase,
		TTFTSlope:           s.TTFTSlope,
		Slowdown:            s.slowdown(version, start, level),
		GapJitter:           s.GapJitter,
		Warmup:              s.Warmup,
		PrefillInterference: s.PrefillInterference,
		FailureRate:         s.FailureRate,
		Seed:                subseed(s.Seed, "run", version, ordinal("start", start), ordinal("level", level)),
		WorkloadSeed:        subseed(s.Seed, "workload"),
	}
	for _, change := range s.Changes {
		if change.Version == version {
			change.apply(&cfg)
		}
	}
	return cfg
}

// slowdown draws how much slower than the model one run is.
func (s Sweep) slowdown(version string, start, level int) float64 {
	half := logVariance(s.RunCV) / 2
	k := ordinal("start", start)
	ofStart := logNormal(stream(s.Seed, "start factor", version, k), half)
	ofRun := logNormal(stream(s.Seed, "run factor", version, k, ordinal("level", level)), half)
	if s.stalls(version, start) {
		ofStart *= s.StallFactor
	}
	return ofStart * ofRun
}

// stalls draws whether a whole server start is slow.
func (s Sweep) stalls(version string, start int) bool {
	return stream(s.Seed, "stall", version, ordinal("start", start)).Float64() < s.StallRate
}

// ordinal names the n-th of something in the path of a random stream.
func ordinal(what string, n int) string { return what + " " + strconv.Itoa(n) }

// A serverStart is one life of a server: the levels run on it, in order.
type serverStart struct {
	version string
	number  int // run number of everything on it, from 1
	levels  []int
}

// starts lists the server starts in order of time. The order of the versions
// turns round with each start (A B, B A, …), so that a slow drift of the machine
// falls on all versions alike.
func (s Sweep) starts() []serverStart {
	var all []serverStart
	for k := 1; k <= s.Runs; k++ {
		versions := slices.Clone(s.Versions)
		if k%2 == 0 {
			slices.Reverse(versions)
		}
		for _, version := range versions {
			all = append(all, serverStart{version, k, s.levelOrder(version, k)})
		}
	}
	return all
}

// levelOrder shuffles the levels of one start. Each level draws its own rank, so
// that another level slips in without moving the rest.
func (s Sweep) levelOrder(version string, start int) []int {
	rank := func(level int) []byte {
		sum := digest(s.Seed, "order", version, ordinal("start", start), ordinal("level", level))
		return sum[:]
	}
	levels := slices.Clone(s.Concurrency)
	slices.SortFunc(levels, func(a, b int) int {
		return cmp.Or(bytes.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	return levels
}

// CommandLine is the command that simulates s, less what only says where and how
// to write. It is put into every result, so that its numbers cannot be mistaken
// for measurements and can be made again.
func (s Sweep) CommandLine() string {
	var b strings.Builder
	b.WriteString("servestat simulate")
	flag := func(name string, value any) { fmt.Fprintf(&b, " --%s %v", name, value) }
	number := func(name string, value float64) {
		if value != 0 {
			flag(name, strconv.FormatFloat(value, 'g', -1, 64))
		}
	}
	levels := make([]string, len(s.Concurrency))
	for i, level := range s.Concurrency {
		levels[i] = strconv.Itoa(level)
	}
	flag("seed", s.Seed)
	flag("versions", strings.Join(s.Versions, ","))
	flag("concurrency", strings.Join(levels, ","))
	flag("runs", s.Runs)
	flag("requests-per-user", s.RequestsPerUser)
	if !math.IsInf(s.RequestRate, 1) {
		number("request-rate", s.RequestRate)
	}
	flag("input-len", s.InputLen)
	flag("output-len", s.OutputLen)
	number("output-len-spread", s.OutputLenSpread)
	flag("itl-base", s.ITLBase)
	flag("itl-slope", s.ITLSlope)
	flag("ttft-base", s.TTFTBase)
	if s.TTFTSlope != 0 {
		flag("ttft-slope", s.TTFTSlope)
	}
	flag("slots", s.Slots)
	flag("run-cv", s.RunCV)
	number("gap-jitter", s.GapJitter)
	if s.StallRate > 0 {
		number("stall-rate", s.StallRate)
		number("stall-factor", s.StallFactor)
	}
	number("warmup", s.Warmup)
	number("prefill-interference", s.PrefillInterference)
	number("failure-rate", s.FailureRate)
	for _, change := range s.Changes {
		flag("change", change)
	}
	return b.String()
}

package simulate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An EngineArg is one engine argument as the log prints it: its value is a
// Python literal, 'fp8_e4m3' or True.
type EngineArg struct{ Name, Value string }

// A LogLine is a line that the engine prints while it starts.
type LogLine struct {
	Level, Source string // WARNING, fused_moe.py:1090
	Message       string
}

const (
	statsInterval = 10 * time.Second // vLLM's VLLM_LOG_STATS_INTERVAL
	kvBlock       = 16               // tokens in a block of the KV cache
)

// A serverLog is the log of one version's server over all its starts, in the
// form that vLLM has printed since v0.19.
type serverLog struct {
	bytes.Buffer
	sweep   Sweep
	version string
	life    *life // between start and stop
}

// A life is one start of the server.
type life struct {
	apiPID, enginePID int
	ready             time.Time
	intervals         []interval // since ready
}

// An interval is what the server counted during one period of statistics, and
// what it held at the end of it.
type interval struct {
	promptTokens, generatedTokens int
	running, waiting, blocks      int
}

func newServerLog(s Sweep, version string) *serverLog {
	return &serverLog{sweep: s, version: version}
}

// start writes a start-up that begins at at, and returns when the server is
// ready. How long it takes is drawn from rng.
func (l *serverLog) start(at time.Time, number int, rng *rand.Rand) (ready time.Time) {
	pid := 1000*number + rng.IntN(900)
	l.life = &life{apiPID: pid, enginePID: pid + 157}
	after := func(least, most float64) time.Time {
		at = at.Add(time.Duration((least + float64((most-least)*rng.Float64())) * float64(time.Second)))
		return at
	}

	fmt.Fprintf(l, "(APIServer pid=%d) Written by servestat simulate: there was no such server.\n", pid)
	for _, line := range banner(l.version, l.sweep.Model) {
		l.api(at, "utils.py:299", "%s", line)
	}
	l.api(at, "utils.py:233", "non-default args: %s", pythonDict(l.sweep.nonDefaultArgs()))
	l.api(after(9, 12), "model.py:1680", "Using max model len %d", l.sweep.maxModelLen())
	l.api(after(0, 0.5), "scheduler.py:239", "Chunked prefill is enabled with max_num_batched_tokens=%s.", l.sweep.arg("max_num_batched_tokens", "8192"))

	created := after(8, 11)
	l.engine(created, "core.py:109", "Initializing a V1 LLM engine (v%s) with config: %s", l.version, l.sweep.engineConfig())
	l.engine(after(3, 4), "gpu_model_runner.py:4777", "Starting to load model %s...", l.sweep.Model)
	for _, line := range l.sweep.StartupWarnings {
		l.print("EngineCore", l.life.enginePID, after(0, 0.5), line)
	}
	loading := at
	l.engine(after(18, 24), "default_loader.py:384", "Loading weights took %.2f seconds", at.Sub(loading).Seconds())

	profiling := at
	compiled := after(20, 26).Sub(profiling)
	l.engine(at, "monitor.py:53", "torch.compile took %.2f s in total", compiled.Seconds())
	l.engine(after(2, 3), "kv_cache_utils.py:1708", "GPU KV cache size: %s tokens", grouped(l.sweep.kvTokens()))
	l.engine(at, "kv_cache_utils.py:1709", "Maximum concurrency for %s tokens per request: %.2fx",
		grouped(l.sweep.maxModelLen()), float64(l.sweep.kvTokens())/float64(l.sweep.maxModelLen()))
	l.engine(after(4, 6), "gpu_model_runner.py:6133", "Graph capturing finished in 5 secs, took 0.62 GiB")
	took := at.Sub(profiling).Seconds()
	if minorVersion(l.version) >= 20 {
		l.engine(at, "core.py:299", "init engine (profile, create kv cache, warmup model) took %.2f s (compilation: %.2f s)", took, compiled.Seconds())
	} else {
		l.engine(at, "core.py:288", "init engine (profile, create kv cache, warmup model) took %.2f seconds", took)
	}

	l.api(after(1, 2), "api_server.py:602", "Starting vLLM server on http://0.0.0.0:8000")
	l.uvicorn("Started server process [%d]", pid)
	l.uvicorn("Waiting for application startup.")
	l.uvicorn("Application startup complete.")
	l.life.ready = after(0.1, 0.3)
	return l.life.ready
}

// observe counts a run whose client began at begin.
func (l *serverLog) observe(begin time.Time, t Trace) {
	offset := begin.Sub(l.life.ready)
	var tokens []time.Duration // of one request, since ready
	for i := range t.Requests {
		r := &t.Requests[i]
		tokens = tokens[:0]
		for at := range r.tokenTimes {
			tokens = append(tokens, offset+at)
		}
		l.life.count(r, offset, tokens)
	}
}

// count adds one request, whose tokens came at the given times since ready. The
// request's own times lie offset later than it says.
func (l *life) count(r *Request, offset time.Duration, tokens []time.Duration) {
	// A prompt counts when its prefill is over, a token when it is made.
	l.at(offset + r.Ready).promptTokens += r.InputTokens
	for _, at := range tokens {
		l.at(at).generatedTokens++
	}
	// The gauges are read at the end of each interval.
	from := (offset + r.Start + statsInterval - 1) / statsInterval * statsInterval
	for tick := from; tick < offset+r.End; tick += statsInterval {
		in := l.at(tick - 1)
		if tick < offset+r.Admitted {
			in.waiting++
			continue
		}
		made, _ := slices.BinarySearch(tokens, tick+1)
		in.running++
		in.blocks += (r.InputTokens + made + kvBlock - 1) / kvBlock
	}
}

// at returns the interval that holds a time since ready.
func (l *life) at(since time.Duration) *interval {
	i := int(max(0, since) / statsInterval)
	for len(l.intervals) <= i {
		l.intervals = append(l.intervals, interval{})
	}
	return &l.intervals[i]
}

// stop writes the statistics of the server's life and its end. As in vLLM an
// interval is silent if it and the one before were idle.
func (l *serverLog) stop(at time.Time) {
	var last interval
	idle := func(in interval) bool { return in.promptTokens == 0 && in.generatedTokens == 0 }
	for i := 0; ; i++ {
		tick := l.life.ready.Add(time.Duration(i+1) * statsInterval)
		if tick.After(at) {
			break
		}
		var in interval
		if i < len(l.life.intervals) {
			in = l.life.intervals[i]
		}
		if !idle(in) || !idle(last) {
			l.api(tick, "loggers.py:271", "%s", l.statistics(in))
		}
		last = in
	}
	l.api(at, "launcher.py:110", "Shutting down FastAPI HTTP server.")
	l.uvicorn("Shutting down")
	l.uvicorn("Waiting for application shutdown.")
	l.uvicorn("Application shutdown complete.")
	l.uvicorn("Finished server process [%d]", l.life.apiPID)
	l.life = nil
}

func (l *serverLog) statistics(in interval) string {
	return fmt.Sprintf("Engine 000: Avg prompt throughput: %.1f tokens/s, Avg generation throughput: %.1f tokens/s, "+
		"Running: %d reqs, Waiting: %d reqs, GPU KV cache usage: %.1f%%, Prefix cache hit rate: 0.0%%",
		float64(in.promptTokens)/statsInterval.Seconds(), float64(in.generatedTokens)/statsInterval.Seconds(),
		in.running, in.waiting, 100*float64(in.blocks*kvBlock)/float64(l.sweep.kvTokens()))
}

func (l *serverLog) api(at time.Time, source, format string, args ...any) {
	l.print("APIServer", l.life.apiPID, at, LogLine{"INFO", source, fmt.Sprintf(format, args...)})
}

func (l *serverLog) engine(at time.Time, source, format string, args ...any) {
	l.print("EngineCore", l.life.enginePID, at, LogLine{"INFO", source, fmt.Sprintf(format, args...)})
}

func (l *serverLog) print(process string, pid int, at time.Time, line LogLine) {
	fmt.Fprintf(l, "(%s pid=%d) %s %s [%s] %s\n", process, pid, line.Level, at.Format("01-02 15:04:05"), line.Source, line.Message)
}

// uvicorn writes a line of the web server, which has no time.
func (l *serverLog) uvicorn(format string, args ...any) {
	fmt.Fprintf(l, "(APIServer pid=%d) INFO:     %s\n", l.life.apiPID, fmt.Sprintf(format, args...))
}

// banner is vLLM's logo, which carries version and model.
func banner(version, model string) []string {
	return []string{
		"",
		"       █     █     █▄   ▄█",
		" ▄▄ ▄█ █     █     █ ▀▄▀ █  version " + version,
		"  █▄█▀ █     █     █     █  model   " + model,
		"   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀",
		"",
	}
}

// nonDefaultArgs are the arguments with which the server was started. Prefix
// caching is off because nothing here is ever computed twice.
func (s Sweep) nonDefaultArgs() []EngineArg {
	args := []EngineArg{
		{"model_tag", pythonString(s.Model)},
		{"model", pythonString(s.Model)},
		{"max_model_len", strconv.Itoa(s.maxModelLen())},
		{"enable_prefix_caching", "False"},
	}
	if s.Slots > 0 {
		args = append(args, EngineArg{"max_num_seqs", strconv.Itoa(s.Slots)})
	}
	args = append(args, EngineArg{"disable_uvicorn_access_log", "True"})
	return append(args, s.EngineArgs...)
}

// arg is an engine argument's value, or what vLLM would take.
func (s Sweep) arg(name, fallback string) string {
	for _, a := range s.EngineArgs {
		if a.Name == name {
			return a.Value
		}
	}
	return fallback
}

// engineConfig is the tail of the line by which a log is known best.
func (s Sweep) engineConfig() string {
	model := pythonString(s.Model)
	return "model=" + model + ", speculative_config=None, tokenizer=" + model +
		", skip_tokenizer_init=False, tokenizer_mode=auto, revision=None, tokenizer_revision=None, trust_remote_code=False" +
		", dtype=torch.bfloat16, max_seq_len=" + strconv.Itoa(s.maxModelLen()) + ", download_dir=None, load_format=auto" +
		", tensor_parallel_size=" + s.arg("tensor_parallel_size", "1") + ", pipeline_parallel_size=1, data_parallel_size=1" +
		", quantization=None, enforce_eager=False, kv_cache_dtype=" + strings.Trim(s.arg("kv_cache_dtype", "auto"), "'") +
		", device_config=cuda, seed=0, served_model_name=" + s.Model +
		", enable_prefix_caching=False, enable_chunked_prefill=True, pooler_config=None" +
		", compilation_config={'mode': <CompilationMode.VLLM_COMPILE: 3>, 'cudagraph_mode': <CUDAGraphMode.FULL_AND_PIECEWISE: (2, 1)>}"
}

// maxModelLen is a context that holds the longest request.
func (s Sweep) maxModelLen() int {
	longest := s.InputLen + int(float64(s.OutputLen)*(1+s.OutputLenSpread)) + 1
	return max(32768, (longest+1023)/1024*1024)
}

// kvTokens is a KV cache that holds every sequence that can run at once, so
// that slots alone decide who waits.
func (s Sweep) kvTokens() int {
	atOnce := slices.Max(s.Concurrency)
	if s.Slots > 0 {
		atOnce = min(atOnce, s.Slots)
	}
	each := s.InputLen + int(float64(s.OutputLen)*(1+s.OutputLenSpread)) + kvBlock + 1
	return max(1<<20, atOnce*(each+kvBlock-1)/kvBlock*kvBlock)
}

// minorVersion is the y of 0.y.z, and large for versions that have none.
func minorVersion(version string) int {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 || parts[0] != "0" {
		return 1 << 20
	}
	digits := strings.IndexFunc(parts[1]+".", func(r rune) bool { return r < '0' || r > '9' })
	minor, err := strconv.Atoi(parts[1][:digits])
	if err != nil {
		return 1 << 20
	}
	return minor
}

// grouped writes n with a comma between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func pythonDict(args []EngineArg) string {
	pairs := make([]string, len(args))
	for i, a := range args {
		pairs[i] = pythonString(a.Name) + ": " + a.Value
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// pythonString is Python's repr of a string without control characters.
func pythonString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

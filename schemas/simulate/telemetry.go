package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// A Machine is what tegrastats prints of the machine that a sweep runs on. Power
// follows the requests in flight: Idle without any, Busy with one, and Slope more
// with each doubling.
type Machine struct {
	Idle, Busy, Slope float64 // W of VDD_GPU
	Rest              float64 // W of VDD_CPU_SOC_MSS
	Board             float64 // W that VIN has besides
	Memory, Total     float64 // GiB in use, and in all
	ClockMHz          int
	Missing           float64 // share of the samples that are lost
}

// Watts is the power of the compute domains, VDD_GPU and VDD_CPU_SOC_MSS, with so
// many requests in flight.
func (m Machine) Watts(inFlight int) float64 { return m.gpu(inFlight) + m.Rest }

func (m Machine) gpu(inFlight int) float64 {
	if inFlight == 0 {
		return m.Idle
	}
	return m.Busy + m.Slope*math.Log2(float64(inFlight))
}

// A recorder is tegrastats over the whole of a sweep, a line a second.
type recorder struct {
	machine Machine
	seed    uint64
	begin   time.Time
	moves   []move
}

// A move is the number of requests in flight changing.
type move struct {
	at time.Time
	by int
}

// observe takes in a run whose client began at begin.
func (r *recorder) observe(begin time.Time, t Trace) {
	for i := range t.Requests {
		q := &t.Requests[i]
		r.moves = append(r.moves, move{begin.Add(q.Start), 1}, move{begin.Add(q.End), -1})
	}
}

// write writes the lines from the begin of the sweep to its end. The power of a
// line is that of its moment.
func (r *recorder) write(w *bufio.Writer, end time.Time) error {
	slices.SortStableFunc(r.moves, func(a, b move) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by // one that ends makes room for one that starts
	})
	lost := stream(r.seed, "lost samples")
	inFlight, next := 0, 0
	for at := r.begin.Truncate(time.Second); !at.After(end); at = at.Add(time.Second) {
		for next < len(r.moves) && !r.moves[next].at.After(at) {
			inFlight += r.moves[next].by
			next++
		}
		if lost.Float64() < r.machine.Missing {
			continue
		}
		if _, err := fmt.Fprintln(w, r.machine.line(at, inFlight)); err != nil {
			return err
		}
	}
	return nil
}

// line is a line of tegrastats of an AGX Thor.
func (m Machine) line(at time.Time, inFlight int) string {
	rail := func(watts float64) string {
		milli := strconv.Itoa(int(math.Round(1000 * watts)))
		return milli + "mW/" + milli + "mW"
	}
	load := 0
	if inFlight > 0 {
		load = 99
	}
	return fmt.Sprintf("%s RAM %.0f/%.0fMB (lfb 34x4MB) CPU [12%%@1890,off] GR3D_FREQ %d%%@[%d,%d,%d] tj@61.5C VDD_GPU %s VDD_CPU_SOC_MSS %s VIN_SYS_5V0 5635mW/5635mW VIN %s",
		at.Format("01-02-2006 15:04:05"), m.Memory*1024, m.Total*1024, load, m.ClockMHz, m.ClockMHz, m.ClockMHz,
		rail(m.gpu(inFlight)), rail(m.Rest), rail(m.Watts(inFlight)+m.Board))
}

// calls takes in tool calls from a moment on.
func (r *recorder) calls(t ToolCalls, from time.Time) {
	for c := range t.schedule(from) {
		r.moves = append(r.moves, move{c.at, 1}, move{c.at.Add(c.takes), -1})
	}
}

// ToolCalls are asked for behind the runs of a sweep, at two levels of load. Of the
// answers, a share breaks off inside its arguments.
type ToolCalls struct {
	Calls       int           // of each level
	Loaded      int           // requests at a time at the second level; one at the first
	Wrong       float64       // share at the first level
	WrongLoaded float64       // at the second
	Each        time.Duration // that a call takes alone; four times as long under load
}

const slowerLoaded = 4

// lasts is how long all calls take.
func (t ToolCalls) lasts() time.Duration {
	return time.Duration(t.Calls)*t.Each + time.Duration(t.Calls)*t.Each*slowerLoaded/time.Duration(t.Loaded)
}

// A toolCall is one of them.
type toolCall struct {
	item, concurrency int
	wrong             float64 // probability
	at                time.Time
	takes             time.Duration
}

// schedule goes through all calls, from a moment on.
func (t ToolCalls) schedule(at time.Time) iter.Seq[toolCall] {
	return func(yield func(toolCall) bool) {
		for _, c := range []toolCall{{concurrency: 1, wrong: t.Wrong, takes: t.Each}, {concurrency: t.Loaded, wrong: t.WrongLoaded, takes: slowerLoaded * t.Each}} {
			for c.item = range t.Calls {
				c.at = at
				if !yield(c) {
					return
				}
				at = at.Add(c.takes / time.Duration(c.concurrency))
			}
		}
	}
}

// write writes a line for each call, from a moment on.
func (t ToolCalls) write(w *bufio.Writer, model string, seed uint64, from time.Time) error {
	e := json.NewEncoder(w)
	rng := stream(seed, "tool calls")
	for c := range t.schedule(from) {
		arguments := `{"city": "Graz"}`
		if rng.Float64() < c.wrong {
			arguments = `{"city": "Graz"`
		}
		line := toolLine(model, "weather-"+strconv.Itoa(c.item), arguments, c.concurrency)
		line["start"], line["latency_s"] = float64(c.at.UnixMilli())/1e3, c.takes.Seconds()
		if err := e.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func toolLine(model, id, arguments string, concurrency int) map[string]any {
	type object map[string]any
	schema := object{"type": "object", "properties": object{"city": object{"type": "string"}}, "required": []string{"city"}}
	called := object{"id": "c0", "type": "function", "function": object{"name": "get_weather", "arguments": arguments}}
	return object{
		"id": id, "task": "weather", "concurrency": concurrency, "simulated": true,
		"request": object{
			"model": model, "temperature": 0.6,
			"tools": []any{object{"type": "function", "function": object{"name": "get_weather", "parameters": schema}}},
		},
		"response": object{
			"choices": []any{object{"finish_reason": "tool_calls", "message": object{"role": "assistant", "content": nil, "tool_calls": []any{called}}}},
			"usage":   object{"prompt_tokens": 212, "completion_tokens": 31},
		},
	}
}

const (
	telemetryFile = "tegrastats.log"
	toolsFile     = "tool-calls.jsonl"
)

// writeTelemetry writes what a sweep has besides results and server logs.
func (c *campaign) writeTelemetry() error {
	if c.Machine == nil {
		return nil
	}
	end := c.now
	if c.ToolCalls != nil {
		end = end.Add(c.ToolCalls.lasts())
	}
	for _, version := range c.Versions {
		if c.ToolCalls != nil {
			c.recorders[version].calls(*c.ToolCalls, c.now)
		}
		folder := filepath.Join(c.dir, version)
		if err := c.writePacked(filepath.Join(folder, telemetryFile), func(w *bufio.Writer) error { return c.recorders[version].write(w, end) }); err != nil {
			return err
		}
		if c.ToolCalls == nil {
			continue
		}
		if err := c.writePacked(filepath.Join(folder, toolsFile), func(w *bufio.Writer) error { return c.ToolCalls.write(w, c.Model, c.Seed, c.now) }); err != nil {
			return err
		}
	}
	return nil
}

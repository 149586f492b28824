package simulate

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	betweenRuns   = 5 * time.Second  // the client's own start-up
	betweenStarts = 20 * time.Second // from one server's end to the next one's start

	// uptime is how long the client's machine had been up when the sweep began:
	// the arbitrary epoch of perf_counter.
	uptime = 353399*time.Second + 700*time.Millisecond
)

// Write simulates s and writes it below dir:
//
//	dir/<version>/c<concurrency>/run<k>.json   what vllm bench serve would save
//	dir/<version>/server.log                   what the server would log
//	dir/<version>/servestat.yaml               what neither can say
//	dir/<version>/tegrastats.log               with a Machine: what tegrastats would print
//	dir/<version>/tool-calls.jsonl             with ToolCalls: tool calls and their answers
//
// The same sweep gives the same bytes, and writing it again changes nothing. A
// file appears under its name when it is complete, and never before. Write
// refuses a folder with results that are not of this sweep, since a mixture
// would be read as one. After each run it calls progress, which may be nil.
func (s Sweep) Write(ctx context.Context, dir string, progress func(done, total int)) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("cannot simulate: %w", err)
	}
	if err := s.refuseOthers(dir); err != nil {
		return err
	}
	c := &campaign{Sweep: s, dir: dir, now: s.Begin, logs: map[string]*serverLog{}, recorders: map[string]*recorder{}, progress: progress}
	if s.Machine != nil {
		for _, version := range s.Versions {
			c.recorders[version] = &recorder{machine: *s.Machine, seed: subseed(s.Seed, "machine", version), begin: s.Begin}
		}
	}
	if err := c.writeSidecars(); err != nil {
		return err
	}
	for _, start := range s.starts() {
		if err := c.serve(ctx, start); err != nil {
			return err
		}
	}
	if err := c.writeTelemetry(); err != nil {
		return err
	}
	return c.writeLogs()
}

// RunFiles is the number of result files that Write writes.
func (s Sweep) RunFiles() int { return len(s.Versions) * s.Runs * len(s.Concurrency) }

// runFile is where a run is written, below dir.
func (s Sweep) runFile(version string, level, run int) string {
	name := "run" + strconv.Itoa(run) + ".json"
	if s.Gzip {
		name += ".gz"
	}
	return filepath.Join(version, "c"+strconv.Itoa(level), name)
}

// refuseOthers reports a file in the folder of one of the versions that Write
// would neither write nor replace.
func (s Sweep) refuseOthers(dir string) error {
	ours := map[string]bool{}
	for _, version := range s.Versions {
		ours[filepath.Join(version, "server.log")] = true
		ours[filepath.Join(version, "servestat.yaml")] = true
		if s.Machine != nil {
			for _, name := range []string{telemetryFile, toolsFile} {
				if s.Gzip {
					name += ".gz"
				}
				ours[filepath.Join(version, name)] = true
			}
		}
		for _, level := range s.Concurrency {
			for run := 1; run <= s.Runs; run++ {
				ours[s.runFile(version, level, run)] = true
			}
		}
	}
	for _, version := range s.Versions {
		err := filepath.WalkDir(filepath.Join(dir, version), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
				return err
			}
			below, err := filepath.Rel(dir, path)
			if err == nil && !ours[below] {
				err = fmt.Errorf("%s is not of this sweep, and would be read with it: remove it or write to another folder", path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// A campaign is a sweep being run: a wall clock goes through it.
type campaign struct {
	Sweep
	dir  string
	now  time.Time
	logs map[string]*serverLog
	// recorders of the machine, where there is one; each version's folder has its own.
	recorders map[string]*recorder
	done      int
	progress  func(done, total int)
}

func (c *campaign) writeSidecars() error {
	for _, version := range c.Versions {
		c.logs[version] = newServerLog(c.Sweep, version)
		path := filepath.Join(c.dir, version, "servestat.yaml")
		if err := writeFile(path, func(w *bufio.Writer) error {
			_, err := w.WriteString(c.sidecar(version))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// sidecar is the text of a version's servestat.yaml.
func (s Sweep) sidecar(version string) string {
	start := "{runtime_version}-start{repeat}"
	if s.Name != "" {
		start = s.Name + "-" + start
	}
	return `# What the result files in this folder cannot say. Written by servestat simulate.
runtime: vllm
runtime_version: ` + strconv.Quote(version) + `
hardware: ` + strconv.Quote(s.Hardware) + `
simulated: true
dataset: random
path: "c{max_concurrency}/run{repeat}.json"
server_start: ` + strconv.Quote(start) + `
server_log: server.log
` + s.clockLabel()
}

// clockLabel says what zone the local times of telemetry are in.
func (s Sweep) clockLabel() string {
	if s.Machine == nil {
		return ""
	}
	return "labels:\n  utc_offset: " + strconv.Quote(s.Begin.Format("-07:00")) + "\n  telemetry: simulated\n"
}

// serve starts a server, runs its levels and stops it.
func (c *campaign) serve(ctx context.Context, start serverStart) error {
	log := c.logs[start.version]
	boot := stream(c.Seed, "boot", start.version, ordinal("start", start.number))
	c.now = log.start(c.now, start.number, boot)
	for _, level := range start.levels {
		c.now = c.now.Add(betweenRuns)
		trace, err := run(ctx, c.LoadPoint(start.version, start.number, level))
		if err != nil {
			return err
		}
		log.observe(c.now, trace)
		if r := c.recorders[start.version]; r != nil {
			r.observe(c.now, trace)
		}
		if err := c.writeRun(start, level, trace); err != nil {
			return err
		}
		c.now = c.now.Add(trace.Duration)
		c.done++
		if c.progress != nil {
			c.progress(c.done, c.RunFiles())
		}
	}
	c.now = c.now.Add(betweenRuns)
	log.stop(c.now)
	c.now = c.now.Add(betweenStarts)
	return nil
}

// writeRun writes the result of a run that begins now.
func (c *campaign) writeRun(start serverStart, level int, trace Trace) error {
	r := result{
		model:       c.Model,
		simulator:   c.CommandLine(),
		concurrency: level,
		requestRate: c.RequestRate,
		end:         c.now.Add(trace.Duration),
		began:       uptime + c.now.Sub(c.Begin),
		trace:       trace,
	}
	return c.writePacked(filepath.Join(c.dir, c.runFile(start.version, level, start.number)), r.write)
}

// writePacked writes a file, as gzip if the sweep is written so.
func (s Sweep) writePacked(path string, write func(w *bufio.Writer) error) error {
	if !s.Gzip {
		return writeFile(path, write)
	}
	return writeFile(strings.TrimSuffix(path, ".gz")+".gz", func(w *bufio.Writer) error {
		packed := gzip.NewWriter(w) // no name, no time: the same bytes every time
		inner := bufio.NewWriterSize(packed, 1<<16)
		if err := errors.Join(write(inner), inner.Flush()); err != nil {
			return err
		}
		return packed.Close()
	})
}

func (c *campaign) writeLogs() error {
	for _, version := range c.Versions {
		path := filepath.Join(c.dir, version, "server.log")
		if err := writeFile(path, func(w *bufio.Writer) error {
			_, err := c.logs[version].WriteTo(w)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file beside path under a hidden name, and gives it its name
// when all is written.
func writeFile(path string, write func(w *bufio.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".simulate-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	err = errors.Join(write(w), w.Flush(), f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

//go:build unix

package ingest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/servestat/servestat/schemas/schematest"
)

// A kind of server's log, as a function of how far it is.
type loggedKind struct {
	name string
	line func(i int) []byte
}

// TestFiguresPreflight measures `servestat preflight` over logs of 100 MB: of nothing
// but start-ups, the real logs one behind the other, and of what a server writes for
// weeks. The bar is for the slowest of them.
func TestFiguresPreflight(t *testing.T) {
	if !*figures {
		t.Skip("make bench")
	}
	const size, tenth = 100_000_000, 10_000_000
	fmt.Printf("\n%s. `servestat preflight` over a log of %d MB; best of %d rounds.\n", machine(), size/1_000_000, *rounds)
	fmt.Println("\n| bar | figure | required | |\n|---|---|---|---|")
	for _, kind := range loggedKinds(t) {
		short, long := writeLog(t, kind, tenth), writeLog(t, kind, size)
		var best, small cost
		for range *rounds {
			best = best.better(servestatCost(t, "preflight", long))
			small = small.better(servestatCost(t, "preflight", short))
		}
		seconds := best.wall.Seconds()
		bar("preflight of "+kind.name, fmt.Sprintf("%.2f s (%.2f s of CPU time)", seconds, best.cpu.Seconds()), "<= 2 s", seconds <= 2)
		more := (best.peak - small.peak) >> 20
		bar("its peak memory, and what a log of ten times the size adds", fmt.Sprintf("%d MiB, %+d MiB", best.peak>>20, more), "flat: <= 8 MiB more", more <= 8)
	}
}

func loggedKinds(t *testing.T) []loggedKind {
	var real [][]byte
	for _, pattern := range []string{"serverlog/*/*.log", "vllm/*/*/*.out"} {
		files, err := filepath.Glob(filepath.Join(schematest.Shared(t, "real"), pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			real = append(real, bytes.SplitAfter(text, []byte("\n"))...)
		}
	}
	const stamp = "08-21 %02d:%02d:%02d"
	at := func(i int) string { return fmt.Sprintf(stamp, i/3600%24, i/60%60, i%60) }
	return []loggedKind{
		{"the real logs, one behind the other", func(i int) []byte { return real[i%len(real)] }},
		{"periodic figures", func(i int) []byte {
			return fmt.Appendf(nil, "(APIServer pid=1) INFO %s [loggers.py:273] Engine 000: Avg prompt throughput: %d.0 tokens/s, Avg generation throughput: 36.4 tokens/s, Running: %d reqs, Waiting: 0 reqs, GPU KV cache usage: 1.8%%, Prefix cache hit rate: 0.0%%\n", at(10*i), i%4000, i%64)
		}},
		{"warnings, no two alike", func(i int) []byte {
			return fmt.Appendf(nil, "(EngineCore pid=2) WARNING %s [scheduler.py:10] Request cmpl-%08x was answered late by the engine, which is no rule's business\n", at(i), i)
		}},
		{"requests", func(i int) []byte {
			return fmt.Appendf(nil, "(APIServer pid=1) INFO:     127.0.0.1:%d - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n", 30000+i%9999)
		}},
	}
}

// writeLog writes a log of a start and then of a kind.
func writeLog(t *testing.T, kind loggedKind, size int) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "server-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	n, _ := w.WriteString("(APIServer pid=1) INFO 08-21 00:00:00 [api_server.py:1] vLLM API server version 0.20.2\n")
	for i := 0; n < size; i++ {
		more, _ := w.Write(kind.line(i)) // the writer keeps its fault for Flush
		n += more
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

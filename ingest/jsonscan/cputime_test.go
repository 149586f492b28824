//go:build unix

package jsonscan

import (
	"syscall"
	"testing"
	"time"
)

// reportCPU adds to a benchmark what it did for a second of the processor's
// time, which on a machine that is shared with others says more than the clock
// on the wall. The function that it returns is called at the end.
func reportCPU(b *testing.B, bytes int64) func() {
	start := cpuTime(b)
	return func() {
		b.ReportMetric(float64(bytes)*float64(b.N)/(cpuTime(b)-start).Seconds()/1e6, "MB/cpu-s")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

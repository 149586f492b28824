package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// confine puts this process under the limits of its statement, where it is the one
// that a contained statement runs in.
//
// DuckDB's own memory limit does not count the states of several aggregates, nor
// what repeat makes: the address space is limited to what the process has mapped
// already, the memory that the statement may use, and room for threads. The limits
// cannot be raised again.
func confine(q *inquiry) error {
	if !confined() {
		return nil
	}
	mapped, err := addressSpace()
	if err != nil {
		return err
	}
	const room = 512 << 20
	seconds := (q.timeout + grace + time.Second).Seconds() * float64(max(q.limits.Threads, runtime.NumCPU()))
	for _, limit := range []struct {
		name     string
		resource int
		most     uint64
	}{
		{"address space", unix.RLIMIT_AS, mapped + uint64(q.limits.Memory) + room},
		{"processor time", unix.RLIMIT_CPU, uint64(math.Ceil(seconds))},
		{"file size", unix.RLIMIT_FSIZE, uint64(q.limits.Temp)},
		{"core size", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, 1024},
	} {
		if err := unix.Setrlimit(limit.resource, &unix.Rlimit{Cur: limit.most, Max: limit.most}); err != nil {
			return fmt.Errorf("limit of %s: %w", limit.name, err)
		}
	}
	return nil
}

// addressSpace is how many bytes the process has mapped.
func addressSpace() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[0], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// dieWithParent ends the process when this one ends, however it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

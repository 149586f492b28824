package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A console is a command in a terminal of its own: what a person types, and all that
// comes back, escape sequences included.
type console struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu   sync.Mutex
	seen bytes.Buffer
}

func openConsole(t *testing.T, args ...string) *console {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlocked := 0
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, unlocked); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, master: master, cmd: exec.Command("servestat", args...)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_CACHE_HOME="+t.TempDir(), "PAGER=cat")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		master.Close()
	})
	return c
}

// read takes in what the command writes, and answers as a terminal does where the
// line editor asks for the place of the cursor.
func (c *console) read() {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		if err != nil { // the command has ended
			return
		}
		c.mu.Lock()
		c.seen.Write(buf[:n])
		c.mu.Unlock()
		if bytes.Contains(buf[:n], []byte("\x1b[6n")) {
			c.master.WriteString("\x1b[1;12R")
		}
	}
}

// waits waits until what has come since a place is as it is wanted.
func (c *console) waits(since int, what string, wanted func(text string) bool) {
	c.t.Helper()
	text := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		text = c.seen.String()[since:]
		c.mu.Unlock()
		if wanted(text) {
			return
		}
	}
	c.t.Fatalf("no %s:\n%q", what, text)
}

// presses sends keys and waits for what they bring.
func (c *console) presses(keys, want string) {
	c.t.Helper()
	c.mu.Lock()
	before := c.seen.Len()
	c.mu.Unlock()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
	c.waits(before, fmt.Sprintf("%q of %q", want, keys), func(text string) bool { return strings.Contains(text, want) })
}

// types is presses once the editor has drawn its line and shows the cursor: keys that
// come while it asks for the cursor's place are lost.
func (c *console) types(keys, want string) {
	c.t.Helper()
	const cursor = "\x1b[?25h"
	c.waits(0, "prompt", func(text string) bool { return strings.HasSuffix(text, cursor) })
	c.presses(keys, want)
}

// The prompt as it is used: letters beyond ASCII, completion, a statement on two lines,
// history, a mistake, a query that is cancelled, and the end.
func TestPromptInATerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	if code, _, talk := servestatHere(t, "ingest", "--quiet", "--lake", dir, "testdata/demo/logs/0.19.0/c2"); code != 0 {
		t.Fatal(talk)
	}
	c := openConsole(t, "sql", "--lake", dir)
	c.types("select 'größe, été' as word;\r", "│ größe, été │")
	c.types("select count(*) as n from reque\t;\r", "│ 40 │")
	c.types("select\r6 * 7 as answer;\r", "│     42 │")
	c.types("\x1b[A\r", "│     42 │") // the arrow up
	c.types("select ttft_n from requests;\r", "ttft_ns")
	c.types("select sum(a.range * b.range) from range(1000000) a, range(1000000) b;\r", "\n\x1b[0 q") // the editor hands over
	time.Sleep(time.Second)
	c.presses("\x03", "cancelled")
	c.types("select 'still ' || 'here' as it;\r", "│ still here │")
	c.types("\x04", "")
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("Ctrl-D does not end the prompt")
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/analyze/query"
)

// confinedEnv tells a process that it is the one that a contained statement runs in.
const confinedEnv = "SERVESTAT_CONFINED"

func confined() bool { return os.Getenv(confinedEnv) != "" }

// grace is how long after its deadline a contained statement has to end by itself.
const grace = 300 * time.Millisecond

// contain runs a statement in a process of its own, and ends it where it does not
// end in time. The process has no environment to tell, and limits of the operating
// system where there are such.
func (a *app) contain(ctx context.Context, q *inquiry, statement string, w io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	dir, done, err := a.staged(ctx, statement, q.params)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, q.timeout+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, q.arguments(dir)...)
	cmd.Args[0] = "servestat"
	cmd.Env = []string{confinedEnv + "=1", "TMPDIR=" + os.TempDir()}
	cmd.Dir = dir // where no servestat.yaml configures it
	cmd.Stdin, cmd.Stdout = strings.NewReader(statement), w
	talk := &head{most: 1 << 14}
	cmd.Stderr = talk
	cmd.WaitDelay = grace
	dieWithParent(cmd)
	err = cmd.Run()
	if err == nil {
		_, err = io.WriteString(a.stderr, talk.String())
		return err
	}
	if ctx.Err() != nil {
		return q.late(ctx, err)
	}
	return q.ended(err, talk.String())
}

// staged is the lake in a folder: that of the lake, or one with as much of it as the
// statement needs. The process for it reaches no bucket.
func (a *app) staged(ctx context.Context, statement string, params map[string]string) (dir string, done func() error, err error) {
	l, err := a.openLake()
	if err != nil {
		return "", nil, err
	}
	done = func() error { return nil }
	if dir = l.Dir(); dir == "" {
		if dir, done, err = query.Stage(ctx, l, statement, params); err != nil {
			return "", nil, err
		}
	}
	dir, err = filepath.Abs(dir)
	return dir, done, err
}

// arguments are the command line of the process for a statement.
func (q *inquiry) arguments(dir string) []string {
	args := []string{
		"sql", "--lake", dir, "--format", string(q.format), "--max-rows", strconv.Itoa(q.maxRows), "--timeout", q.timeout.String(), "--contained", "--no-progress",
		"--max-memory", strconv.FormatInt(q.limits.Memory, 10), "--max-temp", strconv.FormatInt(q.limits.Temp, 10),
		"--row-limit", strconv.FormatInt(q.limits.Rows, 10), "--threads", strconv.Itoa(q.limits.Threads),
	}
	if q.files {
		args = append(args, "--explain-files")
	}
	for name, value := range q.params {
		args = append(args, "--param", name+"="+value)
	}
	return append(args, "-")
}

// ended says why a contained statement came to no good end.
func (q *inquiry) ended(err error, talk string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if _, said, ok := strings.Cut(talk, "servestat: error: "); ok && exit.ExitCode() == exitFailed {
		said, hint, _ := strings.Cut(strings.TrimSpace(said), "\nservestat: hint: ")
		return usagef(hint, "%s", said)
	}
	if strings.Contains(talk, "out of memory") || strings.Contains(talk, "bad_alloc") || strings.Contains(talk, "cannot allocate") || exit.ExitCode() < 0 {
		return usagef("--max-memory allows more", "the statement was ended (%s): it used more than the %d bytes of memory that it may, or more processor time", exit, q.limits.Memory)
	}
	line, _, _ := strings.Cut(talk, "\n")
	return fmt.Errorf("the statement was ended (%w): %s", exit, line)
}

// A head keeps the beginning of what is written.
type head struct {
	bytes.Buffer
	most int
}

func (h *head) Write(p []byte) (int, error) {
	if room := h.most - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

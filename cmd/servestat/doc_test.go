package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/shlex"

	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// Every "$ servestat" line of the manual is run, and what it prints must be what
// the manual shows. A line "…" stands for any lines, and … at the end of a line
// for the rest of it.
func TestManualIsTrue(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	chdirTo(t, map[string]string{"logs": ".", "startup-mtp": "../vllm/startup-mtp/0.20.2/start01", "tool-calls": "../../tool-calls"})
	examples := readExamples(string(text))
	if len(examples) < 6 {
		t.Fatalf("found %d examples in the manual", len(examples))
	}
	for _, e := range examples {
		args, err := shlex.Split(strings.TrimPrefix(e.command, "servestat "))
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		got := stdout.String() + stderr.String()
		if code != 0 {
			got += fmt.Sprintf("exit code %d\n", code)
		}
		if !matches(strings.Split(strings.TrimRight(got, "\n"), "\n"), e.output) {
			t.Errorf("$ %s\nprints\n%s\nthe manual says\n%s", e.command, got, strings.Join(e.output, "\n"))
		}
	}
}

// Every "bin/servestat" line of the README runs, in order, in a folder that has
// the results it speaks of; only compare and gate may find something (exit code 1).
func TestReadmeCommandsRun(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	chdirTo(t, map[string]string{"results": ".", "old": "0.19.0", "new": "0.20.0"})
	runLines(t, string(text), 6, func(command string) bool { return !strings.Contains(command, "s3://") })
}

// The README's page about buckets ends with a weekly report in the bucket.
func TestReadmeBucketPageRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	server := buckettest.Start(t)
	t.Setenv("AWS_ENDPOINT_URL", server.Endpoint)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	if err := os.CopyFS(filepath.Join(server.Root, "inbox"), os.DirFS("testdata/demo/logs")); err != nil {
		t.Fatal(err)
	}
	chdirTo(t, nil)
	runLines(t, string(text), 3, func(command string) bool { return strings.Contains(command, "s3://") })
	page, err := os.ReadFile(filepath.Join(server.Root, "reports/2026-W47/README.md"))
	if err != nil || !strings.Contains(string(page), "0.20.0") {
		t.Errorf("no weekly report in the bucket: %v", err)
	}
}

// runLines runs those of the README's commands that are wanted, least of them or more.
func runLines(t *testing.T, text string, least int, wanted func(command string) bool) {
	t.Helper()
	ran := 0
	for _, line := range strings.Split(text, "\n") {
		command, ok := strings.CutPrefix(line, "bin/servestat ")
		if !ok || !wanted(command) {
			continue
		}
		ran++
		args, err := shlex.Split(command) // drops the comment
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		if code != exitOK && !((args[0] == "compare" || args[0] == "gate") && code == exitRegression) {
			t.Errorf("%s: exit code %d\n%s", line, code, stderr.String())
		}
	}
	if ran < least {
		t.Errorf("found %d commands in the README", ran)
	}
}

// chdirTo moves the test into an empty folder with links to folders of the
// bundled logs.
func chdirTo(t *testing.T, links map[string]string) {
	t.Helper()
	logs, err := filepath.Abs("testdata/demo/logs")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, target := range links {
		if err := os.Symlink(filepath.Join(logs, target), name); err != nil {
			t.Fatal(err)
		}
	}
}

type example struct {
	command string
	output  []string
}

func readExamples(text string) []example {
	var out []example
	open := false
	for _, line := range strings.Split(text, "\n") {
		body, indented := strings.CutPrefix(line, "\t")
		switch {
		case indented && strings.HasPrefix(body, "$ "):
			out = append(out, example{command: strings.TrimPrefix(body, "$ ")})
			open = true
		case indented && open:
			out[len(out)-1].output = append(out[len(out)-1].output, body)
		default:
			open = false
		}
	}
	return out
}

// matches compares lines with a pattern of lines.
func matches(got, want []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == "…":
		for i := range len(got) + 1 {
			if matches(got[i:], want[1:]) {
				return true
			}
		}
		return false
	case len(got) == 0:
		return false
	}
	prefix, elided := strings.CutSuffix(want[0], "…")
	if got[0] != want[0] && !(elided && strings.HasPrefix(got[0], prefix)) {
		return false
	}
	return matches(got[1:], want[1:])
}

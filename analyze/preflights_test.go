package analyze

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/analyze/preflight"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas"
)

// judgedLogs reads logs, each of a name and its lines, as the lake hands them over.
func judgedLogs(t *testing.T, logs ...[]string) []LogFinding {
	t.Helper()
	r := logReader{at: map[string]int{}}
	for i, lines := range logs {
		for n, message := range lines[1:] {
			e := &query.LoggedEvent{Upload: fmt.Sprint(i), SourceName: lines[0], LogEvent: schemas.LogEvent{Line: int64(n + 1), Message: message}}
			if err := r.take(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r.findings()
}

const (
	oom   = "RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests."
	noKV  = "ValueError: No available memory for the cache blocks."
	never = "Starting the engine"
)

// Seven logs that say the same are one line of a report, which names them and says of
// how many; the gravest rule is first, and of equally grave ones the most frequent.
func TestPreflightFindingsOfManyLogsAreOneLineARule(t *testing.T) {
	var logs [][]string
	for i := range 7 {
		logs = append(logs, []string{fmt.Sprintf("node-%d/server.log", i), never, oom, oom})
	}
	logs = append(logs, []string{"node-7/server.log", noKV}, []string{"node-8/server.log", never})
	found := judgedLogs(t, logs...)
	if len(found) < 3 {
		t.Fatalf("%+v", found)
	}
	for i, want := range []struct {
		rule string
		logs int
		line int64
	}{{"not_ready", 9, 3}, {"warmup_oom", 7, 2}, {"no_kv_blocks", 1, 1}} {
		f := found[i]
		if f.Severity != preflight.Fail || f.Rule != want.rule || len(f.Logs) != want.logs || f.Of != 9 || f.Line != want.line {
			t.Errorf("line %d is %+v, want %s of %d logs", i, f, want.rule, want.logs)
		}
	}
	if !strings.Contains(found[1].Text, "warming up") || !slices.Equal(found[2].Logs, []string{"node-7/server.log"}) {
		t.Errorf("%+v", found[1:3])
	}
	for i, f := range found {
		if f.Severity == preflight.Info {
			t.Errorf("%s is only worth knowing", f.Rule)
		}
		if i > 0 && rankOf(f.Severity) < rankOf(found[i-1].Severity) {
			t.Errorf("%s comes after what is less grave", f.Rule)
		}
	}
}

// One log that was uploaded under one name twice, or a server that was started twice
// into one log, is named once.
func TestPreflightNamesALogOnce(t *testing.T) {
	found := judgedLogs(t, []string{"server.log", oom}, []string{"server.log", oom})
	if len(found) == 0 || !slices.Equal(found[0].Logs, []string{"server.log"}) || found[0].Of != 2 {
		t.Errorf("%+v", found)
	}
	if found := judgedLogs(t); len(found) != 0 {
		t.Errorf("no log says %+v", found)
	}
}

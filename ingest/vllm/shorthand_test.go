package vllm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// shorthand writes a record as one or more lines that a person can check
// against the file it came from. Offsets are left out of all but rejects, for
// one more space in a file would move them.
func shorthand(rec schemas.Record) string {
	switch rec := rec.(type) {
	case *schemas.Gaps:
		return fmt.Sprintf("gaps r%d from chunk %d: %s\n", rec.Request, rec.FirstChunk, durations(rec.Nanos))
	case *schemas.Request:
		return requestShorthand(rec)
	case *schemas.Run:
		return runShorthand(rec)
	case *schemas.Reject:
		return rejectShorthand(rec)
	}
	panic(fmt.Sprintf("a record of type %T", rec))
}

func durations(ns []int64) string {
	var out []string
	for _, v := range ns {
		out = append(out, time.Duration(v).String())
	}
	return strings.Join(out, " ")
}

func requestShorthand(rec *schemas.Request) string {
	line := words{fmt.Sprintf("request r%d %s", rec.Index, rec.Status)}
	add(&line, "%s", rec.ErrorClass)
	add(&line, "%q", rec.Error)
	addTime(&line, "start", rec.Start)
	addTime(&line, "ttft", rec.TTFT)
	addTime(&line, "e2el", rec.E2EL)
	add(&line, "(%s)", rec.E2ELMethod)
	add(&line, "in=%d", rec.InputTokens)
	add(&line, "out=%d", rec.OutputTokens)
	add(&line, "chunks=%d", rec.Chunks)
	add(&line, "session=%s", rec.Session)
	add(&line, "turn=%d", rec.Turn)
	return line.String()
}

func runShorthand(rec *schemas.Run) string {
	head := words{fmt.Sprintf("run %d %s", rec.At.Run, rec.Producer), "bench=" + rec.Bench, "dialect=" + rec.Dialect}
	add(&head, "backend=%s", rec.Backend)
	if rec.Detailed {
		head = append(head, "detailed")
	}
	if rec.Truncated {
		head = append(head, "truncated")
	}
	when := words{"  when"}
	if rec.EndedAt.OK {
		when = append(when, "ended="+rec.EndedAt.V.Format(time.DateTime))
	}
	addTime(&when, "duration", rec.DurationNS)
	add(&when, "clock=%s", rec.Clock)
	asked := words{"  asked"}
	add(&asked, "model=%s", rec.Model)
	add(&asked, "tokenizer=%s", rec.Tokenizer)
	add(&asked, "num_prompts=%d", rec.NumPrompts)
	add(&asked, "request_rate=%v", rec.RequestRate)
	add(&asked, "burstiness=%v", rec.Burstiness)
	add(&asked, "max_concurrency=%d", rec.MaxConcurrency)
	add(&asked, "ramp_up=%s", rec.RampUp)
	found := words{"  found"}
	add(&found, "requests=%d", rec.Requests)
	add(&found, "completed=%d", rec.Completed)
	add(&found, "failed=%d", rec.Failed)
	add(&found, "suspect=%d", rec.Suspect)
	add(&found, "input_tokens=%d", rec.InputTokens)
	add(&found, "output_tokens=%d", rec.OutputTokens)
	add(&found, "workload=%.8s…", rec.WorkloadDigest)
	text := head.String() + when.String() + asked.String() + found.String() +
		pairs("label", rec.Labels) + pairs("engine", rec.EngineArgs) + pairs("reported", rec.Reported) + pairs("extra", rec.Extra)
	for _, note := range rec.Notes {
		text += "  note " + note + "\n"
	}
	return text
}

func rejectShorthand(rec *schemas.Reject) string {
	kind := "reject"
	if rec.Fatal {
		kind = "fatal"
	}
	at := fmt.Sprintf("run %d, byte %d", rec.At.Run, rec.At.Offset)
	if rec.At.Request >= 0 {
		at += fmt.Sprintf(", request %d", rec.At.Request)
	}
	text := fmt.Sprintf("%s (%s) %s\n", kind, at, rec.Reason)
	if rec.Hint != "" {
		text += "  hint " + rec.Hint + "\n"
	}
	return text
}

// words are the words of a line; a line of one word says nothing.
type words []string

func (w words) String() string {
	if len(w) < 2 && strings.HasPrefix(w[0], " ") {
		return ""
	}
	return strings.Join(w, " ") + "\n"
}

func add[T any](w *words, format string, v schemas.Opt[T]) {
	if v.OK {
		*w = append(*w, fmt.Sprintf(format, v.V))
	}
}

func addTime(w *words, name string, ns schemas.Opt[int64]) {
	if ns.OK {
		*w = append(*w, name+"="+time.Duration(ns.V).String())
	}
}

func pairs(name string, m map[string]string) string {
	line := words{"  " + name}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		line = append(line, key+"="+m[key])
	}
	return line.String()
}

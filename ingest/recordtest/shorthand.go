package recordtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas"
)

// Shorthand writes a record as one or more lines that a person can check
// against the file it came from. Offsets are left out of all but rejects, for
// one more space in a file would move them.
func Shorthand(rec schemas.Record) string {
	switch rec := rec.(type) {
	case *schemas.Gaps:
		return gapsShorthand(rec)
	case *schemas.Request:
		return requestShorthand(rec)
	case *schemas.Run:
		return runShorthand(rec)
	case *schemas.Reject:
		return rejectShorthand(rec)
	}
	panic(fmt.Sprintf("a record of type %T", rec))
}

func gapsShorthand(rec *schemas.Gaps) string {
	var out []string
	for i, v := range rec.Nanos {
		gap := time.Duration(v).String()
		if rec.Tokens != nil {
			gap += fmt.Sprintf("/%d", rec.Tokens[i])
		}
		out = append(out, gap)
	}
	return fmt.Sprintf("gaps r%d from chunk %d: %s\n", rec.Request, rec.FirstChunk, strings.Join(out, " "))
}

func requestShorthand(rec *schemas.Request) string {
	line := words{fmt.Sprintf("request r%d %s", rec.Index, rec.Status)}
	add(&line, "%s", rec.ErrorClass)
	add(&line, "%q", rec.Error)
	addTime(&line, "scheduled", rec.Scheduled)
	addTime(&line, "start", rec.Start)
	addTime(&line, "ttft", rec.TTFT)
	addTime(&line, "first_answer", rec.FirstAnswer)
	addTime(&line, "e2el", rec.E2EL)
	add(&line, "(%s)", rec.E2ELMethod)
	add(&line, "in=%d", rec.InputTokens)
	add(&line, "cached=%d", rec.CachedTokens)
	add(&line, "out=%d", rec.OutputTokens)
	add(&line, "reasoning=%d", rec.Reasoning)
	add(&line, "chunks=%d", rec.Chunks)
	add(&line, "session=%s", rec.Session)
	add(&line, "turn=%d", rec.Turn)
	add(&line, "finish=%s", rec.FinishReason)
	return line.String()
}

func runShorthand(rec *schemas.Run) string {
	head := words{fmt.Sprintf("run %d %s", rec.At.Run, rec.Producer), "bench=" + rec.Bench, "dialect=" + rec.Dialect}
	add(&head, "version=%s", rec.Version)
	add(&head, "backend=%s", rec.Backend)
	if rec.Detailed {
		head = append(head, "detailed")
	}
	if rec.GapKind != schemas.NoGaps {
		head = append(head, "gaps="+string(rec.GapKind))
	}
	if rec.Truncated {
		head = append(head, "TRUNCATED")
	}
	when := words{"  when"}
	if rec.EndedAt.OK {
		when = append(when, "ended="+rec.EndedAt.V.Format(time.DateTime))
	}
	addTime(&when, "duration", rec.DurationNS)
	add(&when, "clock=%s", rec.Clock)
	text := head.String() + when.String() + asked(rec) + found(rec) +
		pairs("label", rec.Labels) + pairs("arg", rec.EngineArgs) + pairs("reported", rec.Reported) + pairs("extra", rec.Extra)
	for _, note := range rec.Notes {
		text += "  note " + note + "\n"
	}
	return text
}

func asked(rec *schemas.Run) string {
	line := words{"  asked"}
	add(&line, "model=%s", rec.Model)
	add(&line, "tokenizer=%s", rec.Tokenizer)
	add(&line, "num_prompts=%d", rec.NumPrompts)
	add(&line, "request_rate=%v", rec.RequestRate)
	add(&line, "burstiness=%v", rec.Burstiness)
	add(&line, "max_concurrency=%d", rec.MaxConcurrency)
	add(&line, "ramp_up=%s", rec.RampUp)
	add(&line, "dataset=%s", rec.Dataset)
	add(&line, "seed=%d", rec.Seed)
	add(&line, "runtime=%s", rec.Runtime)
	add(&line, "runtime_version=%s", rec.RuntimeVersion)
	add(&line, "hardware=%s", rec.Hardware)
	add(&line, "image=%s", rec.Image)
	return line.String()
}

func found(rec *schemas.Run) string {
	line := words{"  found"}
	add(&line, "requests=%d", rec.Requests)
	add(&line, "completed=%d", rec.Completed)
	add(&line, "failed=%d", rec.Failed)
	add(&line, "suspect=%d", rec.Suspect)
	add(&line, "input_tokens=%d", rec.InputTokens)
	add(&line, "output_tokens=%d", rec.OutputTokens)
	add(&line, "workload=%.8s…", rec.WorkloadDigest)
	return line.String()
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

// pairs lists a map, but of a long one only its length and the first of it.
func pairs(name string, m map[string]string) string {
	const enough = 250
	line := words{"  " + name}
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i == enough {
			line = append(line, fmt.Sprintf("… %d in all", len(m)))
			break
		}
		line = append(line, key+"="+m[key])
	}
	return line.String()
}

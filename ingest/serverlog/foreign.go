package serverlog

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/servestat/servestat/schemas/wordset"
)

// complaint is what the command line of vLLM says about its arguments.
const complaint = "vllm: error: "

// A foreign is a line that did not come from vLLM's logger but from another
// program or library that writes into the same stream.
type foreign struct {
	level   string // "" where the line states none
	source  string
	stamp   string // as vLLM's, "" where the line has no time of its own
	message string
	kind    string
	facts   map[string]string
}

var (
	// glog is how PyTorch's C++ side logs: [rank0]:W0821 09:49:24.963000 552076 torch/_inductor/utils.py:1731] text
	glog = regexp.MustCompile(`^(?:\[rank\d+\]: ?)?([DIWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d)\.\d+ +\d+ ([^\s\]]+:\d+)\] (.*)`)
	// pythonLog is how FlashInfer logs: 2026-08-21 09:51:16,919 - WARNING - autotuner.py:651 - flashinfer.jit: text
	pythonLog = regexp.MustCompile(`^\d{4}-(\d\d-\d\d \d\d:\d\d:\d\d),\d{3} - (\w+) - (?:(\S+:\d+) - )?(.*)`)
	// pythonWarning is what Python's warnings look like: /path/tokenizer.py:2931: UserWarning: text
	pythonWarning = regexp.MustCompile(`^(?:\S*/)?([^\s/]+\.pyx?:\d+): (\w*Warning: .*)`)
	// access is uvicorn's line for a request.
	access = regexp.MustCompile(`^\S+ - "(\w+) (\S+) HTTP/[\d.]+" (\d{3})(?: (.*))?`)
	// ncclWarning: host:310:310 [0] NCCL WARN text
	ncclWarning = regexp.MustCompile(`^(?:\S+ \[\d+\] )?(?:\S+ )?NCCL WARN (.*)`)
)

// bareLevels are the levels of uvicorn and others, in front of a colon.
var bareLevels = map[string]string{"INFO": "INFO", "WARNING": "WARNING", "Warning": "WARNING", "ERROR": "ERROR", "CRITICAL": "CRITICAL"}

// crashes are words of lines without any level that say why a server died or
// computed nothing. They are printed by kernels, drivers and shells.
var crashes = wordset.New(
	"This kernel only supports", "no kernel image is available", "is not defined for option 'gpu-name'", "Unsupported tile shape config",
	"CUBLAS_STATUS_", "cudaErrorIllegalInstruction", "CUDA error", "CUDA out of memory", "OutOfMemoryError",
	"Segmentation fault", "Fatal Python error", "core dumped", "oom-kill", "Out of memory: Killed", "died with exit code",
)

// parseForeign reads a line without vLLM's form, of which the time in front and
// the process have been cut off. It returns false for what is not worth keeping.
func parseForeign(text []byte) (foreign, bool) {
	if word, rest, ok := bytes.Cut(text, []byte(":")); ok && len(word) <= len("CRITICAL") {
		if level, ok := bareLevels[string(word)]; ok && len(rest) > 0 && rest[0] == ' ' {
			return parseBare(level, string(bytes.TrimLeft(rest, " ")))
		}
	}
	if isProgress(text) {
		return foreign{}, false
	}
	if words, ok := bytes.CutPrefix(text, []byte(complaint)); ok {
		return foreign{kind: kindUsage, message: string(text), facts: map[string]string{"complaint": string(words)}}, true
	}
	if f, ok := parseLibrary(text); ok {
		return f, f.level == "WARNING" || f.level == "ERROR" || f.level == "CRITICAL"
	}
	if string(text) == "Killed" || wordset.Holds(crashes, text) {
		return foreign{kind: "crash", message: string(text)}, true
	}
	return foreign{}, false
}

// parseBare reads a line that begins with a level and a colon, as uvicorn's do.
func parseBare(level, message string) (foreign, bool) {
	f := foreign{level: level, message: message}
	if level != "INFO" {
		return f, true
	}
	switch {
	case strings.HasPrefix(message, "Application startup complete"):
		f.kind = kindReady
		return f, true
	case strings.HasPrefix(message, "Shutting down"):
		f.kind = kindShutdown
		return f, true
	}
	if !strings.Contains(message, `" 4`) && !strings.Contains(message, `" 5`) {
		return f, false
	}
	m := access.FindStringSubmatch(message)
	if m == nil {
		return f, false
	}
	path, _, _ := strings.Cut(m[2], "?")
	f.kind, f.facts = kindHTTPError, map[string]string{"method": m[1], "path": path, "status": m[3]}
	return f, true
}

// parseLibrary reads the lines of libraries that have loggers of their own.
func parseLibrary(text []byte) (foreign, bool) {
	if bytes.Contains(text, []byte("] ")) {
		if m := glog.FindSubmatch(text); m != nil {
			level := map[string]string{"W": "WARNING", "E": "ERROR", "F": "CRITICAL"}[string(m[1])]
			stamp := string(m[2]) + "-" + string(m[3]) + " " + string(m[4])
			return foreign{level: level, stamp: stamp, source: string(m[5]), message: string(m[6])}, true
		}
	}
	if bytes.Contains(text, []byte(" - ")) {
		if m := pythonLog.FindSubmatch(text); m != nil {
			return foreign{level: string(m[2]), stamp: string(m[1]), source: string(m[3]), message: string(m[4])}, true
		}
	}
	if bytes.Contains(text, []byte("Warning: ")) {
		if m := pythonWarning.FindSubmatch(text); m != nil {
			return foreign{level: "WARNING", source: string(m[1]), message: string(m[2])}, true
		}
	}
	if bytes.Contains(text, []byte("NCCL WARN ")) {
		if m := ncclWarning.FindSubmatch(text); m != nil {
			return foreign{level: "WARNING", source: "NCCL", message: string(m[1])}, true
		}
	}
	return foreign{}, false
}

// isProgress reports whether a line is a state of a progress bar.
func isProgress(text []byte) bool {
	if !bytes.Contains(text, []byte("%|")) && !bytes.Contains(text, []byte("% Completed | ")) {
		return false
	}
	return bytes.HasSuffix(bytes.TrimRight(text, " "), []byte("]"))
}

// bareFront finds what container runtimes and journald put in front of a line
// that vLLM did not format. Each has words or a form of its own:
//
//	2026-05-14T12:35:46.867123456Z text               docker logs -t
//	2026-05-14T12:35:46.867123456+02:00 stdout F text Kubernetes
//	2026-05-14 12:35:46.867 | text                    log viewers
//	vllm-1  | text                                    docker compose
//	May 14 12:35:46 host vllm[310]: text              journald
var bareFront = regexp.MustCompile(`^(?:[\w.-]+ +\| )?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)? ?(?:\| |(?:stdout|stderr) [FP] |[\w.-]+ [\w.@/-]+\[\d+\]: )?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? [\w.-]+ [\w.@/-]+\[\d+\]: )?`)

// mayHaveFront reports whether a line can begin with what bareFront finds: it has
// a bar, or begins with a date.
func mayHaveFront(text []byte) bool {
	if len(text) == 0 || text[0] == '(' || text[0] == ' ' {
		return false
	}
	month := len(text) > 3 && 'A' <= text[0] && text[0] <= 'Z' && text[3] == ' '
	return isDigit(text[0]) || month || bytes.Contains(text, []byte(" | "))
}

// cutFront cuts a line that vLLM did not format behind what others put in front
// of it, and behind the processes that wrote it.
func cutFront(text []byte) (lead, procs, rest []byte) {
	if mayHaveFront(text) {
		n := bareFront.FindIndex(text)[1]
		// Python's logging has a comma behind the seconds, and is no front.
		if n < len(text) && text[n] != ',' {
			lead, text = text[:n], text[n:]
		}
	}
	rest = text
	for len(rest) > 0 && rest[0] == '(' {
		end := bytes.Index(rest, []byte(") "))
		if end < 0 && rest[len(rest)-1] == ')' {
			end = len(rest) - 1
		}
		if end < 1 || !isProcess(rest[1:end]) {
			break
		}
		rest = rest[min(end+2, len(rest)):]
	}
	return lead, text[:len(text)-len(rest)], rest
}

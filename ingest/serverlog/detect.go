package serverlog

import "bytes"

// Format is the format of the logs that this package reads.
const Format = "vllm server log"

// Detect reports whether head, the beginning of an upload, is that of a server's
// log: some line has vLLM's form, or is the complaint of its command line. 64 KiB
// of head are enough. JSON is none, though a log may be quoted in it.
func Detect(head []byte) (format string, ok bool) {
	if begin := bytes.TrimLeft(head, "\ufeff \t\r\n"); len(begin) == 0 || begin[0] == '{' || begin[0] == '[' && !isBracketed(begin) {
		return "", false
	}
	head = stripColours(bytes.Clone(head))
	for len(head) > 0 {
		text, rest := cutLine(head)
		if _, ok := parseLine(text); ok || bytes.HasPrefix(text, []byte(complaint)) {
			return Format, true
		}
		head = rest
	}
	return "", false
}

// isBracketed reports whether a text that begins with a bracket goes on as a log
// does, [rank0]:W0821 …, and not as JSON.
func isBracketed(text []byte) bool {
	i := bytes.IndexAny(text, "]\n")
	return i > 1 && text[i] == ']' && i+1 < len(text) && (text[i+1] == ':' || text[i+1] == ' ') && text[1] > '9'
}

// cutLine cuts head behind its first line.
func cutLine(head []byte) (text, rest []byte) {
	i := bytes.IndexAny(head, "\r\n")
	if i < 0 {
		return head, nil
	}
	return head[:i], head[i+1:]
}

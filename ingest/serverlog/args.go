package serverlog

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/servestat/servestat/schemas/wordset"
)

// redacted stands in place of a secret.
const redacted = "[redacted]"

// maxArgs bounds the arguments of a line; there are some 200.
const maxArgs = 2000

// parseArgs parses arguments as Python prints them: a dict, {'model': 'm', …},
// or up to v0.8 a Namespace(model='m', …). Values are kept as text, for they may
// be reprs of any object; strings lose their quotes, secrets their value. It
// returns false where the text ends too early; the argument that was cut is left
// out then.
func parseArgs(text string) (args map[string]string, whole bool) {
	separator := ":"
	text, isDict := strings.CutPrefix(text, "{")
	if !isDict {
		separator = "="
		text = strings.TrimPrefix(text, "Namespace(")
	}
	return parsePairs(text, separator)
}

// parsePairs parses what stands inside the brackets: names, each with its value
// behind the separator. It returns false where no bracket closes the last.
func parsePairs(text, separator string) (args map[string]string, whole bool) {
	args = map[string]string{}
	for {
		text = strings.TrimLeft(text, ", ")
		if text == "" || len(args) == maxArgs {
			return args, false
		}
		if text[0] == '}' || text[0] == ')' {
			return args, true
		}
		key, rest, ok := strings.Cut(text, separator)
		if !ok {
			return args, false
		}
		key = unquote(strings.TrimSpace(key))
		rest = strings.TrimLeft(rest, " ")
		n := valueLength(rest)
		if n == len(rest) {
			return args, false // no comma or bracket ends it
		}
		args[key] = scrub(key, rest[:n])
		text = rest[n:]
	}
}

// valueLength returns the length of the Python value at the start of text: up
// to the comma or the bracket behind it.
func valueLength(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\'', '"':
			i += stringLength(text[i:]) - 1
		case '(', '[', '{':
			depth++
		case '<':
			// An enum, <CompilationMode.VLLM_COMPILE: 3>, or any object.
			depth++
		case ')', ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case '>':
			depth = max(depth-1, 0)
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// stringLength returns the length of the quoted string at the start of text.
func stringLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return len(text)
}

// unquote decodes a Python string; another value stays as it is.
func unquote(text string) string {
	if len(text) < 2 || text[0] != '\'' && text[0] != '"' || stringLength(text) != len(text) || text[len(text)-1] != text[0] {
		return text
	}
	quote, rest := text[0], text[1:len(text)-1]
	if strings.IndexByte(rest, '\\') < 0 && utf8.ValidString(rest) {
		return rest
	}
	var b strings.Builder
	for rest != "" {
		r, _, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil { // an escape that Python knows and Go does not, such as \" inside '…'
			rest = strings.TrimPrefix(rest, `\`)
			r, size := utf8.DecodeRuneInString(rest)
			b.WriteRune(r)
			rest = rest[size:]
			continue
		}
		b.WriteRune(r)
		rest = tail
	}
	return b.String()
}

// scrub returns the value of an argument without secrets.
func scrub(key, value string) string {
	if isSecret(key) && !isSwitch(value) {
		return redacted
	}
	return unquote(redact(value))
}

// redact replaces the secrets in any text.
func redact(text string) string {
	if !suspicious(text) {
		return text
	}
	if secretNames.In(text) || holdsToken(text) {
		text = scrubNested(text)
	}
	if strings.Contains(text, "://") {
		text = credentials.ReplaceAllString(text, "://"+redacted+"@")
	}
	if schemes.In(text) {
		text = bearer.ReplaceAllString(text, "${1} "+redacted)
	}
	if keyHeads.In(text) {
		text = knownKeys.ReplaceAllString(text, redacted)
	}
	return text
}

// The words, in small letters, of which a text with a secret has one: the name of
// the secret, the scheme of a header, how a key begins, or a token; and what stands
// in front of a user's name in an address.
var (
	nameWords = []string{
		"secret", "passw", "passphrase", "credential", "api_key", "api-key", "apikey", "access_key", "access-key", "private_key", "private-key", "authorization",
	}
	schemeWords = []string{"bearer ", "basic "}
	keyWords    = []string{"hf_", "sk-", "nvapi-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "akia"}

	tellTale    = wordset.NewFold(slices.Concat(nameWords, schemeWords, keyWords, []string{"token", "://"})...)
	secretNames = wordset.NewFold(nameWords...)
	schemes     = wordset.NewFold(schemeWords...)
	keyHeads    = wordset.NewFold(keyWords...)
	tokens      = wordset.NewFold("token")
)

// The words of tellTale that are in many texts without a secret.
var (
	tokenWord   = len(nameWords) + len(schemeWords) + len(keyWords)
	addressWord = tokenWord + 1
)

// suspicious reports whether a text may hold a secret. Most do not, and that is
// found out far sooner than they are redacted.
func suspicious(text string) bool {
	address := false
	for at, word := range wordset.All(tellTale, text) {
		switch {
		case word == addressWord:
			address = true
		case word != tokenWord || isToken(text, at):
			return true
		}
	}
	return address && strings.Contains(text, "@")
}

// holdsToken reports whether a text names a token.
func holdsToken(text string) bool {
	for at := range wordset.All(tokens, text) {
		if isToken(text, at) {
			return true
		}
	}
	return false
}

// isToken reports whether the word token at a place of text means one, and neither
// tokens nor a tokenizer.
func isToken(text string, at int) bool {
	behind := at + len("token")
	return behind == len(text) || !isWord(text[behind])
}

var (
	credentials = regexp.MustCompile(`://[^/\s'"@]+@`)
	// knownKeys are keys that give themselves away by how they begin.
	knownKeys = regexp.MustCompile(`\b(?:hf_|sk-|nvapi-|gh[pousr]_|AKIA)[A-Za-z0-9_-]{16,}`)
	bearer    = regexp.MustCompile(`(?i)\b(bearer|basic) [\w.~+/=-]{6,}`)
	// named finds what may be the name of a value: a key of a dict, of a JSON
	// text inside a string, or of a repr.
	named = regexp.MustCompile(`([\w-]+)\\?['"]?\s*[:=]\s*`)
)

// scrubNested replaces the values of secrets inside value.
func scrubNested(value string) string {
	var b strings.Builder
	for {
		m := named.FindStringSubmatchIndex(value)
		if m == nil {
			return b.String() + value
		}
		name, rest := value[m[2]:m[3]], value[m[1]:]
		b.WriteString(value[:m[1]])
		value = rest
		if !isSecret(name) {
			continue
		}
		n := secretLength(rest)
		if isSwitch(rest[:n]) {
			continue
		}
		b.WriteString(redacted)
		value = rest[n:]
	}
}

// secretLength returns the length of the value at the start of text, which may
// lie inside a string whose own quotes are escaped.
func secretLength(text string) int {
	switch {
	case text == "":
		return 0
	case text[0] == '\'' || text[0] == '"':
		return stringLength(text)
	case text[0] == '\\' && len(text) > 2:
		if i := strings.Index(text[2:], text[:2]); i >= 0 {
			return i + 4
		}
		return len(text)
	case strings.ContainsRune("[{(", rune(text[0])):
		return valueLength(text)
	}
	if i := strings.IndexAny(text, `,)}]'"`); i >= 0 {
		return i
	}
	return len(text)
}

// isSwitch reports whether a value says only whether there is one.
func isSwitch(value string) bool {
	switch value {
	case "None", "True", "False", "null", "true", "false", "''", `""`, "[]":
		return true
	}
	return false
}

// isSecret reports whether a value of this name must not be shown. Where tokens
// are counted the name is in the plural, or begins with max_; a tokenizer is none.
func isSecret(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if strings.HasPrefix(name, "max_") {
		return false
	}
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "credential", "api_key", "apikey", "access_key", "private_key"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "token" || strings.HasSuffix(name, "_token") || name == "authorization"
}

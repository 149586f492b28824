package escape

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain 文字 ±µ":         "plain 文字 ±µ",
		"a\x1b[2J\x07b":       `a\x1b[2J\x07b`, // clear the screen, ring the bell
		"two\nlines\r\tx":     `two\nlines\r\tx`,
		"abc\u202egnp.exe":    `abc\u202egnp.exe`, // right-to-left override
		"zero\u200bwidth":     `zero\u200bwidth`,
		"bad\xffutf8":         `bad\xffutf8`,
		"next\u0085line":      `next\u0085line`, // a C1 control, below 0xff
		"tag\U000e0041":       `tag\U000e0041`,
		`C:\logs`:             `C:\logs`,
		"no-break\u00a0space": "no-break\u00a0space",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"ITL mean of runtime_version 0.19":    "ITL mean of runtime_version 0.19",
		"ITL mean +4.0 % [+3.3, +4.8], worse": "ITL mean +4.0 % [+3.3, +4.8], worse",
		"*bold* _it_ `code` [l](u) ![i](u)":   "\\*bold\\* \\_it\\_ \\`code\\` [l\\](u) ![i\\](u)",
		"a [b c](d) [e][f] [g]: h":            `a [b c\](d) [e\][f] [g\]: h`,
		"[x]: /url":                           `\[x\]: /url`,
		"[ ] a box to tick":                   `\[ ] a box to tick`,
		"<img src=x> &amp; a|b":               `\<img src=x> \&amp; a\|b`,
		"need >= 3 runs":                      "need >= 3 runs",
		"> quotation":                         `\> quotation`,
		"~19 tok/s, later ~430":               `\~19 tok/s, later \~430`,
		"costs $5 or $6":                      `costs \$5 or \$6`,
		"# heading":                           `\# heading`,
		"- item":                              `\- item`,
		"-3.8 % is no item":                   "-3.8 % is no item",
		"1. item":                             `1\. item`,
		"1.5 ms":                              "1.5 ms",
		"===":                                 `\===`,
		"two\n\n# lines":                      "two # lines",
		"see http://evil.example/x_y and":     "see `http://evil.example/x_y` and",
		"mail me@example.org":                 "mail `me@example.org`",
		"image vllm/vllm-openai@sha256:12ab":  "image `vllm/vllm-openai@sha256:12ab`",
		"www.example.org":                     "`www.example.org`",
		"http://a|b":                          `http:\/\/a\|b`,
		"me@a|www.b":                          "me@\u2060a\\|www\\.b",
		`back\slash`:                          `back\\slash`,
		"":                                    "",
		"\x1b[31mred":                         `\\x1b[31mred`,
	} {
		if got := Markdown(in); got != want {
			t.Errorf("Markdown(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{"[1,2]": "[1,2]", "- a|b": `- a\|b`, "": ""} {
		if got := Cell(in); got != want {
			t.Errorf("Cell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAlt(t *testing.T) {
	for in, want := range map[string]string{
		"+4.0 % [+3.3, +4.8]": `+4.0 % \[+3.3, +4.8\]`,
		"a](http:x) ![b":      `a\](http:x) !\[b`,
		`\]`:                  `\\\]`,
	} {
		if got := Alt(in); got != want {
			t.Errorf("Alt(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCode(t *testing.T) {
	for in, want := range map[string]string{
		"v0.19.0":     "`v0.19.0`",
		"a`b":         "``a`b``",
		"`x``":        "``` `x`` ```",
		"a|b":         `a\|b`,
		"[a|b](c)":    `\[a\|b\](c)`,
		"a\nb":        "`a b`",
		"<script>":    "`<script>`",
		"":            "",
		"\u202eabc":   "`\\u202eabc`",
		"nvidia/x_y*": "`nvidia/x_y*`",
	} {
		if got := Code(in); got != want {
			t.Errorf("Code(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFence(t *testing.T) {
	got := Fence("sh", "echo 1\n```\nrm\x1b\n")
	want := "````sh\necho 1\n```\nrm\\x1b\n````\n"
	if got != want {
		t.Errorf("Fence = %q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"four five", 6, "four…"}, // no blank before the ellipsis
		{"日本語テキスト", 4, "日本語…"},
	} {
		if got := Cut(c.in, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// Whatever comes in: one line of valid UTF-8 comes out, without a control
// character or a pipe that could end a table cell.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a|b", "`", "\\|", "\x1b]0;title\a", "http://x|y", "\xff\xfe", "``|``"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{"Line": Line(s), "Markdown": Markdown(s), "Alt": Alt(s), "Cell": Cell(s), "Code": Code(s)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) }) {
				t.Errorf("%s(%q) = %q: not printable", name, s, got)
			}
			if name != "Line" && opensCell(got) {
				t.Errorf("%s(%q) = %q: a pipe is not escaped", name, s, got)
			}
		}
	})
}

// opensCell reports whether a table row would be split inside s: at a pipe that
// is preceded by an even number of backslashes.
func opensCell(s string) bool {
	for i := range len(s) {
		if s[i] != '|' {
			continue
		}
		backslashes := len(s[:i]) - len(strings.TrimRight(s[:i], `\`))
		if backslashes%2 == 0 {
			return true
		}
	}
	return false
}

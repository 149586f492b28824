package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/reeflective/readline"
	"golang.org/x/term"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/report/table"
)

// A prompt reads statements and commands, one after the other, and answers them.
type prompt struct {
	app    *app
	q      *inquiry
	db     *query.DB
	out    io.Writer
	timing bool
	page   func(text []byte) error // shows an answer
}

// A metaCommand is what begins with a backslash.
type metaCommand struct {
	name, usage, what string
	run               func(p *prompt, argument string) error
}

// metaCommands is a function because \? lists them.
func metaCommands() []metaCommand {
	return []metaCommand{
		{`\?`, `\?`, "this list", (*prompt).help},
		{`\d`, `\d [TABLE]`, "tables, views and macros, or the columns of one", (*prompt).describe},
		{`\timing`, `\timing`, "say how long each statement took, or no more", (*prompt).toggleTiming},
		{`\format`, `\format [NAME]`, "table, csv, json, jsonl, markdown, parquet, arrow", (*prompt).setFormat},
		{`\o`, `\o [FILE]`, "write the next answer to FILE", (*prompt).setOut},
		{`\files`, `\files STATEMENT`, "which blocks a statement reads, and how many bytes", (*prompt).files},
		{`\cookbook`, `\cookbook [N]`, "questions that people ask, or run number N", (*prompt).cookbook},
		{`\q`, `\q`, "leave, as Ctrl-D does", func(*prompt, string) error { return io.EOF }},
	}
}

// prompt talks with the person at the terminal until they leave.
func (a *app) prompt(q *inquiry) error {
	l, err := a.openLake()
	if err != nil {
		return err
	}
	db, err := query.OpenNarrow(context.Background(), l, q.limits)
	if err != nil {
		return err
	}
	defer db.Close()
	p := &prompt{app: a, q: q, db: db, out: a.stdout}
	p.page = p.throughPager
	a.adviseCompaction(db)
	shell := p.shell()
	fmt.Fprintf(a.stdout, "servestat %s, lake %s. A statement ends with a semicolon; \\? lists commands, Tab completes.\n", version, a.config.GetString("lake"))
	for {
		line, err := shell.Readline()
		if errors.Is(err, readline.ErrInterrupt) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if leave := p.handle(line); leave {
			return nil
		}
	}
}

// shell is the line editor, with history, completion and statements of many lines.
func (p *prompt) shell() *readline.Shell {
	shell := readline.NewShell()
	// The editor takes é for the Meta key with i unless it is told that terminals send
	// UTF-8, and so ran a command of its own for every such letter.
	for name, on := range map[string]bool{"convert-meta": false, "input-meta": true, "output-meta": true} {
		_ = shell.Config.Set(name, on) // fails for names that it does not have only
	}
	shell.Prompt.Primary(func() string { return "servestat> " })
	shell.Prompt.Secondary(func() string { return "       ..> " })
	shell.AcceptMultiline = func(line []rune) bool { return complete(string(line)) }
	shell.Completer = func(line []rune, cursor int) readline.Completions {
		before, candidates := suggest(string(line[:cursor]), string(line), p.db.Relations())
		pairs := make([]string, 0, 2*len(candidates))
		for _, c := range candidates {
			pairs = append(pairs, c.text, c.what)
		}
		// Not NoSpace, which takes the last letter away when the next key comes.
		return readline.CompleteValuesDescribed(pairs...).Prefix(before)
	}
	if dir, err := os.UserCacheDir(); err == nil {
		if err := os.MkdirAll(filepath.Join(dir, "servestat"), 0o700); err == nil {
			shell.History.AddFromFile("statements", filepath.Join(dir, "servestat", "sql_history"))
		}
	}
	return shell
}

// handle answers one input, and reports whether the person leaves.
func (p *prompt) handle(line string) (leave bool) {
	line = strings.TrimSpace(line)
	if line == "" {
		return false
	}
	var err error
	if command, ok := spelled(line); ok {
		line = command
	}
	if strings.HasPrefix(line, `\`) {
		err = p.meta(line)
	} else {
		err = p.statement(line)
	}
	if errors.Is(err, io.EOF) {
		return true
	}
	if err != nil {
		p.app.term.errorf("%s", err)
		var ee *exitError
		if errors.As(err, &ee) && ee.hint != "" {
			p.app.term.hintf("%s", ee.hint)
		}
	}
	return false
}

// spelled is the command that a line means which other prompts have as a word.
func spelled(line string) (command string, ok bool) {
	command, ok = map[string]string{"exit": `\q`, "quit": `\q`, "help": `\?`}[strings.ToLower(strings.TrimRight(strings.TrimSpace(line), "; "))]
	return command, ok
}

func (p *prompt) meta(line string) error {
	name, argument, _ := strings.Cut(strings.TrimRight(line, "; "), " ")
	for _, m := range metaCommands() {
		if m.name == name {
			return m.run(p, strings.TrimSpace(argument))
		}
	}
	return usagef(`\? lists the commands`, "there is no command %s", name)
}

// statement runs one. Ctrl-C ends it and not the prompt; being told to terminate
// ends both.
func (p *prompt) statement(statement string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	var told os.Signal
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case told = <-signals:
			cancel()
		case <-done:
		}
	}()
	begin := time.Now()
	err := p.answer(ctx, statement)
	took := time.Since(begin)
	close(done)
	<-finished
	switch {
	case told == syscall.SIGTERM:
		return io.EOF
	case told != nil && err != nil:
		fmt.Fprintln(p.app.stderr) // after the ^C that the terminal shows
		return errors.New("cancelled")
	case p.timing:
		p.app.term.infof("%s", took.Round(time.Millisecond/10))
	}
	return err
}

func (p *prompt) answer(ctx context.Context, statement string) error {
	ask := func(w io.Writer) error {
		if p.q.contained {
			return p.app.contain(ctx, p.q, statement, w)
		}
		return p.app.ask(ctx, p.q, p.db, statement, w)
	}
	if p.q.out != "" {
		out := p.q.out
		p.q.out = ""
		return writeFile(out, ask)
	}
	if p.q.format.Binary() {
		return usagef(`\o result.`+string(p.q.format)+" first", "%s is no text: it would garble the terminal", p.q.format)
	}
	var text bytes.Buffer
	p.q.width = width(p.app.stdout)
	if err := ask(&text); err != nil {
		return err
	}
	return p.page(text.Bytes())
}

// throughPager shows what is longer than the terminal through $PAGER.
func (p *prompt) throughPager(text []byte) error {
	f, ok := p.out.(*os.File)
	if !ok {
		_, err := p.out.Write(text)
		return err
	}
	_, height, err := term.GetSize(int(f.Fd()))
	pager := os.Getenv("PAGER")
	if pager == "" {
		pager = "less"
	}
	words := strings.Fields(pager)
	path, lookErr := exec.LookPath(words[0])
	if err != nil || lookErr != nil || bytes.Count(text, []byte("\n")) < height {
		_, err := p.out.Write(text)
		return err
	}
	cmd := exec.Command(path, words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), f, os.Stderr
	cmd.Env = append(os.Environ(), "LESS="+lessFlags())
	signal.Ignore(os.Interrupt) // it is the pager's
	defer signal.Reset(os.Interrupt)
	return cmd.Run()
}

// lessFlags are the person's own, or: leave short text, cut long lines, keep the screen.
func lessFlags() string {
	if flags := os.Getenv("LESS"); flags != "" {
		return flags
	}
	return "FSRX"
}

func (p *prompt) help(string) error {
	rows := &values{columns: textColumns("command", "what it does")}
	for _, m := range metaCommands() {
		rows.rows = append(rows.rows, []any{m.usage, m.what})
	}
	_, err := table.Write(p.out, rows, table.Table, table.Options{Width: width(p.app.stdout), MaxRows: -1})
	return err
}

func (p *prompt) describe(name string) error {
	all, err := query.Catalogue(context.Background())
	if err != nil {
		return err
	}
	if name != "" {
		if all, err = only(all, name, `\d`); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if err := writeRelations(&text, all, name != "", width(p.app.stdout)); err != nil {
		return err
	}
	return p.page(text.Bytes())
}

func (p *prompt) toggleTiming(string) error {
	p.timing = !p.timing
	_, err := fmt.Fprintf(p.out, "timing is %s\n", map[bool]string{true: "on", false: "off"}[p.timing])
	return err
}

func (p *prompt) setFormat(name string) error {
	if name == "" {
		_, err := fmt.Fprintf(p.out, "format is %s\n", p.q.format)
		return err
	}
	f, err := table.ParseFormat(name)
	if err == nil {
		p.q.format = f
	}
	return err
}

func (p *prompt) setOut(name string) error {
	p.q.out = name
	return nil
}

func (p *prompt) files(statement string) error {
	files := *p.q
	files.files = true
	l, err := p.app.openLake()
	if err != nil {
		return err
	}
	return p.app.answerFiles(context.Background(), &files, l, statement, p.out)
}

func (p *prompt) cookbook(number string) error {
	if number == "" {
		return p.app.listCookbook(p.q)
	}
	r, err := recipe(number)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "-- %s\n%s\n", r.Question, r.SQL)
	return p.statement(r.SQL)
}

// complete reports whether an input is whole: a command, or a statement up to a
// semicolon that is in no text, name or comment.
func complete(input string) bool {
	s := strings.TrimSpace(input)
	if s == "" || strings.HasPrefix(s, `\`) {
		return true
	}
	if _, ok := spelled(s); ok {
		return true
	}
	ended := false
	for len(s) > 0 {
		skip := 1
		switch {
		case s[0] == '\'' || s[0] == '"':
			skip = 2 + index(s[1:], s[:1])
		case strings.HasPrefix(s, "--"):
			skip = 3 + index(s[2:], "\n")
		case strings.HasPrefix(s, "/*"):
			skip = 4 + index(s[2:], "*/")
		case s[0] == ';':
			ended = true
		case !strings.ContainsRune(" \t\r\n", rune(s[0])):
			ended = false
		}
		if skip > len(s) {
			return ended && strings.HasPrefix(s, "--")
		}
		s = s[skip:]
	}
	return ended
}

// index is where sep is in s, or past its end.
func index(s, sep string) int {
	if i := strings.Index(s, sep); i >= 0 {
		return i
	}
	return len(s) + len(sep)
}

// A candidate is what may be completed.
type candidate struct{ text, what string }

// suggest completes the name at the end of typed: relations after FROM and JOIN,
// else the columns of the relations that the whole input names, macros and
// relations. before is what stands between the last blank and the name.
func suggest(typed, whole string, relations []query.Relation) (before string, found []candidate) {
	at := len(typed)
	for at > 0 && isName(typed[at-1]) {
		at--
	}
	name := strings.ToLower(typed[at:])
	blank := strings.LastIndexAny(typed[:at], " \t\n") + 1
	before = typed[blank:at]
	if strings.HasPrefix(typed, `\`) && !strings.Contains(typed, " ") {
		for _, m := range metaCommands() {
			found = append(found, candidate{strings.TrimPrefix(m.name, `\`), m.what})
		}
		return before, startingWith(found, name)
	}
	words := strings.Fields(strings.ToLower(typed[:at]))
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	tablesOnly := slices.Contains([]string{"from", "join", "describe", "summarize", `\d`}, last)
	named := strings.FieldsFunc(strings.ToLower(whole), func(r rune) bool { return r > 127 || !isName(byte(r)) })
	anyNamed := slices.ContainsFunc(relations, func(r query.Relation) bool { return len(r.Columns) > 0 && slices.Contains(named, r.Name) })
	for _, r := range relations {
		switch {
		case r.Kind == query.MacroKind && tablesOnly:
			continue
		case r.Kind == query.MacroKind || r.Kind == query.TableMacroKind:
			found = append(found, candidate{r.Name + "(", firstSentence(r.Doc)})
		default:
			found = append(found, candidate{r.Name, firstSentence(r.Doc)})
		}
		if tablesOnly || anyNamed && !slices.Contains(named, r.Name) { // before FROM is written, any column may be meant
			continue
		}
		for _, c := range r.Columns {
			found = append(found, candidate{c.Name, c.Doc})
		}
	}
	return before, startingWith(found, name)
}

// startingWith keeps the candidates that begin with a prefix, each once, by name.
func startingWith(all []candidate, prefix string) []candidate {
	all = slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.text, prefix) })
	slices.SortStableFunc(all, func(a, b candidate) int { return strings.Compare(a.text, b.text) })
	return slices.CompactFunc(all, func(a, b candidate) bool { return a.text == b.text })
}

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func firstSentence(doc string) string {
	paragraph, _, _ := strings.Cut(doc, "\n")
	first, _, _ := strings.Cut(paragraph+" ", ". ")
	return strings.TrimSuffix(strings.TrimSpace(first), ".")
}

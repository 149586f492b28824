package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/ingest/serverlog"
	"github.com/servestat/servestat/schemas"
)

// SidecarName is the file that says, beside results or above them, what the
// results cannot.
const SidecarName = "servestat.yaml"

// A sidecar is one servestat.yaml.
type sidecar struct {
	dir       string // folder it is in
	values    map[string]string
	path      *pathPattern // path of results below dir
	serverLog string       // path of the server log, relative to dir
	logPath   *pathPattern // the same, read backwards: what a log's path says; may be nil
	// checkpoint is the path of the config.json of the model, relative to dir.
	checkpoint string
}

// configKeys may share the file with identity: it is also the name of the
// command's configuration, whose keys are the names of its flags.
var configKeys = []string{
	"lake", "cache", "cache-size", "format", "quiet", "verbose", "no-progress", "path-pattern", "label", "relabel", "strict", "jobs", "memory",
	"preflight", "recipe", "concurrency", "tokens", "tools", "json", "sarif", "junit",
	"max-upload", "max-decompressed", "max-ratio", "max-entries", "max-archive-depth", "max-nesting", "max-string", "max-requests", "upload",
	"margin", "margin-p99", "min-effect", "metric", "max-bytes", "by", "cv", "runs", "effect", "tests", "allow", "where", "slo", "at",
	"plot", "residuals", "index", "html", "github", "out", "week", "baseline", "file", "max-rows",
	"param", "timeout", "max-memory", "max-temp", "row-limit", "threads", "contained", "explain-files", "cookbook",
	"target", "grace", "dry-run", "into", "shard", "inbox",
	"listen", "access", "bucket", "audit-log", "tls-cert", "tls-key", "max-uploads", "max-spool", "max-daily", "max-queries", "idle-timeout", "min-rate",
	"quiet-after", "drain", "scope", "tenant", "valid", "every", "settle", "once",
	"min-valid", "quality-margin",
	"require", "all",
}

// surroundings reads what lies around uploads, each file once.
type surroundings struct {
	sidecars map[string]*sidecar // by folder; nil where there is none
	logs     map[string]serverlog.Facts
	beside   map[string][]string               // server logs by folder
	dates    map[string]schemas.Opt[time.Time] // of a result, by folder
}

func newSurroundings() *surroundings {
	return &surroundings{sidecars: map[string]*sidecar{}, logs: map[string]serverlog.Facts{}, beside: map[string][]string{}, dates: map[string]schemas.Opt[time.Time]{}}
}

// identify collects what lies around a result: side-cars, the nearest overruling
// those above, then the path, then the server log. Around the members of an
// archive lie the other members, and above the archive what lies beside it.
func (s *surroundings) identify(id *Identity, up Upload) error {
	logPath := ""
	abs, err := s.eachSidecar(up, func(c *sidecar, rel string) error {
		c.identify(id, rel)
		if c.serverLog == "" {
			return nil
		}
		logPath = filepath.Join(c.dir, filepath.FromSlash(id.fill(c.serverLog)))
		if up.within.of(c.dir) != up.within.of(logPath) {
			return fmt.Errorf("side-car %s: server_log: %s leaves the archive", filepath.Join(c.dir, SidecarName), c.serverLog)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.identifyByLog(id, logPath, filepath.Dir(abs))
}

// eachSidecar calls f for the side-cars that apply to an upload, with its path
// below each: the farthest first, so that nearer ones overwrite.
func (s *surroundings) eachSidecar(up Upload, f func(c *sidecar, rel string) error) (abs string, err error) {
	if abs, err = filepath.Abs(up.Path); err != nil {
		return "", err
	}
	cars, err := s.above(filepath.Dir(abs), up.within)
	if err != nil {
		return "", err
	}
	for _, c := range slices.Backward(cars) {
		rel, err := filepath.Rel(up.within.place(c.dir), up.within.place(abs))
		if err != nil {
			return "", err
		}
		if err := f(c, filepath.ToSlash(rel)); err != nil {
			return "", err
		}
	}
	return abs, nil
}

// identify sets what the side-car says of the file at rel, below its folder.
func (c *sidecar) identify(id *Identity, rel string) {
	for k, v := range c.values {
		id.Set(k, v, FromSidecar)
	}
	if c.path != nil {
		c.path.identify(id, rel)
	}
}

// above returns the side-cars that apply to a folder, the nearest first.
func (s *surroundings) above(dir string, within *unpacked) ([]*sidecar, error) {
	var cars []*sidecar
	for {
		c, ok := s.sidecars[dir]
		if !ok {
			var err error
			if c, err = readSidecar(dir); err != nil {
				return nil, err
			}
			s.sidecars[dir] = c
		}
		if c != nil {
			cars = append(cars, c)
		}
		parent := filepath.Dir(dir)
		if within != nil && dir == within.root {
			parent, within = within.beside, within.outer
		}
		if parent == dir || parent == "" || isInbox(dir) {
			return cars, nil
		}
		dir = parent
	}
}

const (
	// maxSidecar bounds a servestat.yaml, and maxSaid one thing that it says.
	maxSidecar = 1 << 20
	maxSaid    = 64 << 10
)

func readSidecar(dir string) (*sidecar, error) {
	name := filepath.Join(dir, SidecarName)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxSidecar {
		return nil, fmt.Errorf("side-car %s: %d bytes, expected at most %d", name, info.Size(), maxSidecar)
	}
	text, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc, more map[string]any
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("side-car %s: %w", name, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("side-car %s: there is more behind the first document (---), which would go unheard: write one", name)
	}
	c := &sidecar{dir: dir, values: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if err := c.set(key, doc[key]); err != nil {
			return nil, fmt.Errorf("side-car %s: %s: %w", name, key, err)
		}
	}
	return c, nil
}

func (c *sidecar) set(key string, v any) error {
	if slices.Contains(configKeys, key) {
		return nil
	}
	if key == "labels" {
		labels, ok := v.(map[string]any)
		if !ok {
			return errors.New("want a mapping of label to value")
		}
		for _, k := range slices.Sorted(maps.Keys(labels)) {
			text, err := yamlText(labels[k])
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			c.values[k] = text
		}
		return nil
	}
	text, err := yamlText(v)
	if err != nil {
		return err
	}
	switch _, known := identityKeys[key]; {
	case key == "path":
		c.path, err = compilePath(text)
		return err
	case key == "server_log":
		c.serverLog = text
		if logPath, err := compilePath(text); err == nil { // it has placeholders, each once
			c.logPath = logPath
		}
	case key == "checkpoint_config":
		c.checkpoint = text
	case known:
		c.values[key] = text
	default:
		return fmt.Errorf("unknown key; want one of %s, path, server_log, checkpoint_config, or put it under labels:", strings.Join(IdentityKeys(), ", "))
	}
	return nil
}

func yamlText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		if len(v) > maxSaid {
			return "", fmt.Errorf("a text of %d bytes, want at most %d", len(v), maxSaid)
		}
		return v, nil
	case bool, int, int64, uint64:
		return fmt.Sprint(v), nil
	case float64:
		return "", fmt.Errorf("%v reads as a decimal number, which drops zeros (0.20 becomes 0.2): put it in quotes", v)
	}
	return "", fmt.Errorf("want a text, a number or a boolean, have %s", yamlKind(v))
}

func yamlKind(v any) string {
	switch v.(type) {
	case []any:
		return "a list"
	case time.Time:
		return "a date: put it in quotes"
	}
	return "a mapping"
}

// A pathPattern takes values out of a path: {name} stands for the shortest text
// without a slash that fits, … or ** for anything.
type pathPattern struct {
	text string
	re   *regexp.Regexp
}

var placeholder = regexp.MustCompile(`\{([a-z_][a-z0-9_]*)\}|…|\*\*|\*`)

func compilePath(text string) (*pathPattern, error) {
	var re strings.Builder
	re.WriteString(`(?:^|/)`)
	at, seen := 0, map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		re.WriteString(regexp.QuoteMeta(text[at:m[0]]))
		at = m[1]
		switch whole := text[m[0]:m[1]]; {
		case whole == "*":
			re.WriteString(`[^/]*?`)
		case m[2] < 0:
			re.WriteString(`.*?`)
		default:
			name := text[m[2]:m[3]]
			if seen[name] {
				return nil, fmt.Errorf("path pattern %q: {%s} stands twice", text, name)
			}
			seen[name] = true
			fmt.Fprintf(&re, `(?P<%s>[^/]+?)`, name)
		}
	}
	re.WriteString(regexp.QuoteMeta(text[at:]))
	re.WriteString(`$`)
	if len(seen) == 0 {
		return nil, fmt.Errorf("path pattern %q has no {placeholder}, as {runtime_version}/c{max_concurrency}/* has", text)
	}
	compiled, err := regexp.Compile(re.String())
	if err != nil {
		return nil, fmt.Errorf("path pattern %q: %w", text, err)
	}
	return &pathPattern{text: text, re: compiled}, nil
}

// identify sets what the pattern finds in the slash-separated path. Compression
// suffixes are no part of a name.
func (p *pathPattern) identify(id *Identity, path string) {
	m := p.re.FindStringSubmatch(strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), ".zst"))
	if m == nil {
		return
	}
	for i, name := range p.re.SubexpNames() {
		if name != "" {
			id.Set(name, m[i], FromPath)
		}
	}
}

// fill replaces each {name} in text by the value known for it. A name that is
// not known makes the whole text unknown: half an identity is worse than none.
func (id *Identity) fill(text string) string {
	missing := false
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		v, _, ok := id.Get(strings.Trim(m, "{}"))
		if !ok || strings.Contains(v, "{") {
			missing = true
		}
		return v
	})
	if missing {
		return ""
	}
	return out
}

// fillAll fills in the values of side-cars that refer to other values, once all
// sources have spoken. A reference to a value that itself refers on is not
// known: what comes out must not depend on an order.
func (id *Identity) fillAll() {
	filled := map[string]string{}
	for key, v := range id.values {
		if strings.Contains(v[FromSidecar], "{") {
			filled[key] = id.fill(v[FromSidecar])
		}
	}
	for key, text := range filled {
		if text == "" {
			id.notes = append(id.notes, fmt.Sprintf("%s: %s says %q, and not all of that is known", key, FromSidecar, id.values[key][FromSidecar]))
		}
		id.values[key][FromSidecar] = text
	}
	slices.Sort(id.notes)
}

// identifyByLog takes facts from the server log at path, or, where none is
// named, from the server logs in dir, as far as they agree.
func (s *surroundings) identifyByLog(id *Identity, path, dir string) error {
	if path != "" {
		facts, err := s.facts(path)
		if err != nil {
			return fmt.Errorf("server log named by a side-car: %w", err)
		}
		id.addFacts(facts)
		return nil
	}
	logs, err := s.logsIn(dir)
	if err != nil || len(logs) == 0 {
		return err
	}
	var all []serverlog.Facts
	for _, log := range logs {
		facts, err := s.facts(log)
		if err != nil {
			return err
		}
		all = append(all, facts)
	}
	for _, f := range all[1:] {
		if f.Version.V != all[0].Version.V {
			id.notes = append(id.notes, fmt.Sprintf("%d server logs lie beside the result and name different versions; none is used: name one with server_log in %s", len(all), SidecarName))
			return nil
		}
	}
	if len(all) == 1 {
		id.addFacts(all[0])
		return nil
	}
	id.addVersion(all[0])
	return nil
}

func (id *Identity) addFacts(f serverlog.Facts) {
	id.addVersion(f)
	id.engineArgs = f.Args
	id.notes = append(id.notes, f.Notes...)
}

func (id *Identity) addVersion(f serverlog.Facts) {
	if f.Version.OK {
		id.Set("runtime", "vllm", FromServerLog)
	}
	id.Set("runtime_version", f.Version.V, FromServerLog)
	id.Set("runtime_commit", f.Commit.V, FromServerLog)
}

func (s *surroundings) facts(path string) (serverlog.Facts, error) {
	if f, ok := s.logs[path]; ok {
		return f, nil
	}
	file, err := openFile(path)
	if err != nil {
		return serverlog.Facts{}, err
	}
	defer file.Close()
	f, err := serverlog.ReadFacts(file, filepath.Base(path))
	if err != nil {
		return f, err
	}
	s.logs[path] = f
	return f, nil
}

// logsIn lists the server logs of a folder, told by content.
func (s *surroundings) logsIn(dir string) ([]string, error) {
	if logs, ok := s.beside[dir]; ok {
		return logs, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var logs []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !logSuffix(e.Name()) {
			continue
		}
		head, err := readHead(filepath.Join(dir, e.Name()))
		if err == nil && isServerLog(head) {
			logs = append(logs, filepath.Join(dir, e.Name()))
		}
	}
	s.beside[dir] = logs
	return logs, nil
}

// isServerLog reports whether a file that begins with head is a server's log: it
// announces a start.
func isServerLog(head []byte) bool {
	facts, err := serverlog.ReadFacts(bytes.NewReader(head), "")
	return err == nil && len(facts.Starts) > 0
}

// logSuffix spares a look into files that are surely no logs.
func logSuffix(name string) bool {
	switch filepath.Ext(name) {
	case ".json", ".jsonl", ".gz", ".zst", ".csv", ".png", ".html", ".parquet", ".yaml", ".yml", ".md":
		return false
	}
	return true
}

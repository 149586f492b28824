package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/servestat/servestat/schemas/lake"
)

// What a report may be asked for by. Nothing else becomes an argument of a command.
var (
	weekName  = regexp.MustCompile(`^[0-9]{4}-W[0-9]{2}$`)
	runPrefix = regexp.MustCompile(`^[0-9a-f]{4,64}$`)
	// A selection as servestat compare takes it. What could be a folder is none.
	selection = regexp.MustCompile(`^[a-z_]+=[A-Za-z0-9 ._+:@-]+(,[a-z_]+=[A-Za-z0-9 ._+:@-]+)*$`)
)

// report gives a report as a page: made when it is asked for, and kept until the
// lake has other runs.
func (s *Server) report(c *call) error {
	args, err := reportArgs(c.PathValue("kind"), c.PathValue("of"), c.URL.Query())
	if err != nil {
		return err
	}
	state, err := s.stateOf(c.who.Tenant)
	if err != nil {
		return err
	}
	key := pageKey{c.who.Tenant, strings.Join(args, "\x00"), state}
	page, ok := s.pages.get(key)
	if !ok {
		release, err := s.queries.take(c.who.Tenant, "statements and reports")
		if err != nil {
			return err
		}
		defer release()
		ctx, end := s.cfg.Trace.Start(c.Context(), nil, "report")
		page, err = s.cfg.Commands.Report(ctx, c.who.Tenant, args...)
		end(0, err)
		if err != nil {
			return err
		}
		s.pages.put(key, page)
	}
	c.html(page)
	return nil
}

// html answers with a page that can do nothing.
func (c *call) html(page []byte) {
	c.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	c.Header().Set("Referrer-Policy", "no-referrer")
	c.send(http.StatusOK, "text/html; charset=utf-8", page)
}

// reportArgs are the arguments of servestat report for what is asked for.
func reportArgs(kind, of string, query url.Values) ([]string, error) {
	switch {
	case kind == "weekly" && of == "":
		return []string{"weekly"}, nil
	case kind == "weekly" && weekName.MatchString(of):
		return []string{"weekly", "--week", of}, nil
	case kind == "sweep" && of == "":
		return []string{"sweep"}, nil
	case kind == "run" && runPrefix.MatchString(of):
		return []string{"run", of}, nil
	case kind == "compare" && of == "":
		baseline, candidate := query.Get("baseline"), query.Get("candidate")
		if len(baseline)+len(candidate) > mostName || !selection.MatchString(baseline) || !selection.MatchString(candidate) {
			return nil, NewProblem(http.StatusBadRequest, "want baseline and candidate, each a selection of runs", "/v1/reports/compare?baseline=runtime_version=0.19.0&candidate=runtime_version=0.20.0")
		}
		return []string{"compare", baseline, candidate}, nil
	}
	return nil, NewProblem(http.StatusNotFound, "no such report", "GET /v1/reports/ lists them")
}

// stateOf is a digest of what readers see of a lake.
func (s *Server) stateOf(tenant string) (string, error) {
	if err := s.lakeThere(tenant); err != nil {
		return "", err
	}
	l, err := s.cfg.Lakes.Open(tenant)
	if err != nil {
		return "", err
	}
	all, err := l.Manifests()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, m := range lake.Effective(all) {
		sum.Write([]byte(m.Name() + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// mostPages bounds the memory of pages that are kept, in bytes.
const mostPages = 64 << 20

type pageKey struct{ tenant, args, state string }

// pages keeps pages that were asked for lately.
type pages struct {
	most int

	mu    sync.Mutex
	size  int
	order []pageKey // the one that was asked for last comes last
	of    map[pageKey][]byte
}

func (p *pages) get(key pageKey) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	page, ok := p.of[key]
	if ok {
		p.toEnd(key)
	}
	return page, ok
}

func (p *pages) put(key pageKey, page []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(page) > p.most {
		return
	}
	if p.of == nil {
		p.of = map[pageKey][]byte{}
	}
	p.size += len(page) - len(p.of[key])
	p.of[key] = page
	p.toEnd(key)
	for p.size > p.most {
		oldest := p.order[0]
		p.order = p.order[1:]
		p.size -= len(p.of[oldest])
		delete(p.of, oldest)
	}
}

func (p *pages) toEnd(key pageKey) {
	for i, k := range p.order {
		if k == key {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
	p.order = append(p.order, key)
}

//go:embed index.html
var indexText string

var indexPage = template.Must(template.New("index").Parse(indexText))

// indexed is what the index shows.
type indexed struct {
	Tenant     string
	Analysed   string
	Weeks      []string
	Runs, More int
	Latest     []latestRun
	Versions   []string
}

type latestRun struct {
	ID      string `json:"run_id"`
	Name    string `json:"source_name"`
	Started string `json:"started_at"`
	Model   string `json:"model"`
	Version string `json:"runtime_version"`
}

const (
	weeksThere = `select strftime(started_at, '%G-W%V') as week, count(*) as n from runs group by all order by week desc nulls last limit 520`
	runsLately = `select run_id, source_name, strftime(started_at, '%Y-%m-%d %H:%M') as started_at, model, runtime_version from runs order by runs.started_at desc nulls last, run_id limit 50`
)

// index lists the reports that there are.
func (s *Server) index(c *call) error {
	release, err := s.queries.take(c.who.Tenant, "statements and reports")
	if err != nil {
		return err
	}
	defer release()
	in := indexed{Tenant: c.who.Tenant}
	if done, ok := s.analyst.latest(c.who.Tenant); ok {
		in.Analysed = analysed(done.Units, done.Reused)
	}
	var weeks []struct {
		Week string `json:"week"`
		N    int    `json:"n"`
	}
	if err := s.rows(c.Context(), c.who.Tenant, weeksThere, &weeks); err != nil {
		return err
	}
	for _, w := range weeks {
		in.Runs += w.N
		if w.Week != "" {
			in.Weeks = append(in.Weeks, w.Week)
		}
	}
	if err := s.rows(c.Context(), c.who.Tenant, runsLately, &in.Latest); err != nil {
		return err
	}
	in.More = in.Runs - len(in.Latest)
	var page bytes.Buffer
	if err := indexPage.Execute(&page, in); err != nil {
		return err
	}
	c.html(page.Bytes())
	return nil
}

// rows asks one of our own questions.
func (s *Server) rows(ctx context.Context, tenant, statement string, into any) error {
	out, err := s.ask(ctx, tenant, Question{SQL: statement, Format: "json"})
	if err != nil {
		return err
	}
	text, err := out.read()
	if err != nil {
		return err
	}
	answer := struct {
		Rows any `json:"rows"`
	}{into}
	return errors.Join(json.Unmarshal(text, &answer))
}

package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/servestat/servestat/schemas/lake"
)

// media are the forms of an answer, by the name that servestat sql --format has for
// them.
var media = map[string]string{
	"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "markdown": "text/markdown; charset=utf-8",
	"parquet": "application/vnd.apache.parquet", "arrow": "application/vnd.apache.arrow.stream",
}

const (
	mostStatement = 1 << 20
	mostAnswer    = 256 << 20
)

// asked is a statement as JSON.
type asked struct {
	SQL     string            `json:"sql"`
	Params  map[string]string `json:"params"`
	Format  string            `json:"format"`
	Timeout float64           `json:"timeout_s"`
	Rows    int64             `json:"row_limit"`
}

var paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// sql answers a statement.
func (s *Server) sql(c *call) error {
	q, err := c.question()
	if err != nil {
		return err
	}
	c.entry.SQL = said(q.SQL)
	release, err := s.queries.take(c.who.Tenant, "statements and reports")
	if err != nil {
		return err
	}
	defer release()
	answer, err := s.ask(c.Context(), c.who.Tenant, *q)
	if err != nil {
		return err
	}
	defer answer.discard()
	c.warn(answer.talk.String())
	return c.stream(http.StatusOK, media[q.Format], answer.size, io.NewSectionReader(answer.file, 0, answer.size))
}

// warn passes on what a person at the command would have been told on stderr: which
// numbers must not be used, that results are of older runs.
func (c *call) warn(talk string) {
	const most = 10
	for i, line := range strings.Split(strings.TrimSpace(talk), "\n") {
		line = strings.TrimPrefix(line, "servestat: ")
		if line == "" || i == most {
			return
		}
		ascii := strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, line)
		c.Header().Add("Servestat-Warning", ascii[:min(len(ascii), 500)])
	}
}

// question reads what is asked, as JSON or as the bare statement.
func (c *call) question() (*Question, error) {
	body, err := c.readBody(mostStatement)
	if err != nil {
		return nil, err
	}
	given, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	in := asked{SQL: string(body)}
	switch given {
	case "application/json":
		in.SQL = ""
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, problemf(http.StatusBadRequest, "the body is not the JSON that is wanted: %v", err)
		}
	case "text/plain", "application/sql":
	default:
		return nil, NewProblem(http.StatusUnsupportedMediaType, "want application/json, application/sql or text/plain", `curl --json '{"sql": "select …"}'`)
	}
	q := &Question{SQL: in.SQL, Params: in.Params, Format: in.Format, Timeout: time.Duration(in.Timeout * float64(time.Second)), Rows: in.Rows}
	if q.Format == "" {
		q.Format = accepted(c.Request.Header.Get("Accept"))
	}
	return q, q.check()
}

func (q *Question) check() error {
	switch {
	case strings.TrimSpace(q.SQL) == "":
		return problemf(http.StatusBadRequest, "no statement")
	case media[q.Format] == "":
		return problemf(http.StatusBadRequest, "format %.40q: want json, jsonl, csv, markdown, parquet or arrow", q.Format)
	case q.Timeout < 0 || q.Rows < 0:
		return problemf(http.StatusBadRequest, "timeout_s and row_limit are not negative")
	case strings.Contains(q.SQL, "\x00"):
		return problemf(http.StatusBadRequest, "the statement holds a zero byte")
	}
	for name, value := range q.Params {
		if !paramName.MatchString(name) || strings.Contains(value, "\x00") || len(value) > 64<<10 {
			return problemf(http.StatusBadRequest, "parameter %.80q: want a name and a value of at most 64 KiB", name)
		}
	}
	return nil
}

// accepted is the form that a client would have, json if it does not say.
func accepted(header string) string {
	for _, part := range strings.Split(header, ",") {
		wanted, _, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		for _, format := range []string{"json", "jsonl", "csv", "markdown", "parquet", "arrow"} {
			if kind, _, _ := strings.Cut(media[format], ";"); kind == wanted {
				return format
			}
		}
	}
	return "json"
}

// ask runs a statement. Its answer is whole before the first byte of it goes out, so
// that a status can say how it went.
func (s *Server) ask(ctx context.Context, tenant string, q Question) (*answer, error) {
	if err := s.lakeThere(tenant); err != nil {
		return nil, err
	}
	out, err := newAnswer()
	if err != nil {
		return nil, err
	}
	err = s.cfg.Commands.Ask(ctx, tenant, q, out, &out.talk)
	if out.over {
		err = problemf(http.StatusBadRequest, "the answer has more than %d bytes: ask for less, or for parquet", mostAnswer)
	}
	if err != nil {
		out.discard()
		return nil, err
	}
	return out, nil
}

// lakeThere makes a lake where nothing came in yet: it has tables without rows.
func (s *Server) lakeThere(tenant string) error {
	_, err := s.cfg.Lakes.Open(tenant)
	if errors.Is(err, lake.ErrNotLake) {
		_, err = s.cfg.Lakes.Create(tenant)
	}
	return err
}

// An answer is a result on disk, in a file without a name.
type answer struct {
	file *os.File
	size int64
	over bool
	talk bytes.Buffer // what the person should know about it
}

func newAnswer() (*answer, error) {
	file, err := os.CreateTemp("", "servestat-answer-")
	if err != nil {
		return nil, err
	}
	return &answer{file: file}, os.Remove(file.Name())
}

func (a *answer) Write(p []byte) (int, error) {
	if a.size+int64(len(p)) > mostAnswer {
		a.over = true
		return 0, errors.New("the answer is too long")
	}
	n, err := a.file.Write(p)
	a.size += int64(n)
	return n, err
}

func (a *answer) discard() { a.file.Close() }

// read is a small answer whole.
func (a *answer) read() ([]byte, error) {
	defer a.discard()
	return io.ReadAll(io.NewSectionReader(a.file, 0, a.size))
}

// listRuns is what GET /v1/runs asks. Whoever wants another question has POST /v1/sql.
const listRuns = `select run_id, source_name, upload_sha256, started_at, producer, model, hardware, runtime, runtime_version, path_label,
  max_concurrency, request_rate, server_start, repeat, requests, completed, failed
from runs
where ($model = '' or model = $model) and ($hardware = '' or hardware = $hardware) and ($runtime_version = '' or runtime_version = $runtime_version)
order by started_at desc nulls last, run_id limit %d offset %d`

// runs lists runs, the newest first.
func (s *Server) runs(c *call) error {
	query := c.URL.Query()
	limit, err := whole(query.Get("limit"), 100, 10_000)
	if err != nil {
		return err
	}
	offset, err := whole(query.Get("offset"), 0, 1_000_000_000)
	if err != nil {
		return err
	}
	q := Question{SQL: fmt.Sprintf(listRuns, limit, offset), Format: "json", Params: map[string]string{}}
	for _, name := range []string{"model", "hardware", "runtime_version"} {
		q.Params[name] = query.Get(name)
	}
	if err := q.check(); err != nil {
		return err
	}
	release, err := s.queries.take(c.who.Tenant, "statements and reports")
	if err != nil {
		return err
	}
	defer release()
	rows, err := s.ask(c.Context(), c.who.Tenant, q)
	if err != nil {
		return err
	}
	text, err := rows.read()
	if err != nil {
		return err
	}
	c.send(http.StatusOK, media["json"], text)
	return nil
}

func whole(text string, byDefault, most int) (int, error) {
	if text == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, problemf(http.StatusBadRequest, "%.40q: want a whole number up to %d", text, most)
	}
	return n, nil
}

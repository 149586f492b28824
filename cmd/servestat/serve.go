package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"golang.org/x/net/netutil"

	"github.com/servestat/servestat/analyze"
	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/cmd/servestat/access"
	"github.com/servestat/servestat/cmd/servestat/events"
	"github.com/servestat/servestat/cmd/servestat/serve"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/report/html"
	"github.com/servestat/servestat/report/table"
	"github.com/servestat/servestat/schemas/lake"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

const serveLong = `Answer HTTP: take uploads and events into the lake, and give runs, reports and
answers to SQL out of it. Each is the same function as a command has, and the lake
is all that is kept.

  POST /v1/uploads          the body is the file; ?name=…&label=key=value
  POST /v1/events           S3, MinIO, SNS, EventBridge, CloudEvents, Pub/Sub, Event Grid
  GET  /v1/runs             runs, the newest first
  GET  /v1/reports/         reports as HTML, made when they are asked for
  POST /v1/sql              one statement, in a process of its own under limits
  GET  /v1/openapi.yaml     all of it, to the letter
  GET  /healthz /readyz /metrics

An upload is answered with 2xx when it is committed, and also when it was there
already: sending it again does no harm. What was answered survives a kill.

On loopback (the default) no credential is asked for. To listen elsewhere, --access
names the file that says who may do what; servestat token writes tokens into it.
Where it names tenants, each has a lake of its own below --lake.

An event is a hint: what it names is read out of a bucket that --bucket or the access
file lists, with what lies around it there, and no URL in it is followed.

After uploads, what their runs touch is analysed again, as servestat analyze does.
Who did what goes to --audit-log, a JSON object a line.`

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "take uploads and events over HTTP, and give reports and SQL",
		Long:  serveLong,
		Example: `  servestat serve
  servestat serve --listen :8443 --access access.yaml --tls-cert cert.pem --tls-key key.pem
  curl -T result.json "http://127.0.0.1:8080/v1/uploads?label=runtime_version=0.20.0&name=nightly/c8.json"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8080", "address to listen on; one that is not loopback wants --access")
	f.String("access", "", "file that says who may do what (see servestat token --help)")
	f.StringArray("bucket", nil, "bucket that events may speak of, s3://bucket/prefix or NAME=FOLDER; may be repeated")
	f.String("audit-log", "", "file to append a line about each request to (default: stderr)")
	f.String("tls-cert", "", "certificate, to speak HTTPS")
	f.String("tls-key", "", "key of --tls-cert")
	f.Int("jobs", 0, "uploads read at the same time; 0: one for each core")
	f.String("memory", bytesText(ingest.DefaultMemory), "what uploads read at the same time may need")
	f.Int("max-uploads", 256, "uploads on their way in at the same time; more are told to come again")
	f.String("max-spool", "16 GiB", "disk that uploads on their way in may take, in TMPDIR")
	f.String("max-daily", "0 B", "bytes that one tenant may upload on a day, in UTC; 0: any number")
	f.Int("max-queries", 4, "statements and reports answered at the same time")
	f.Duration("idle-timeout", serve.DefaultPatience.Idle, "longest pause in a body")
	f.String("min-rate", bytesText(uint64(serve.DefaultPatience.Rate)), "bytes a second that a body comes in with at least")
	f.Duration("quiet-after", serve.DefaultPatience.Quiet, "how long to wait after the last upload before analysing")
	f.Duration("drain", 30*time.Second, "how long to finish what was begun, when told to stop")
	f.Duration("timeout", 30*time.Second, "longest that a statement may run")
	f.String("max-memory", "1GB", "most memory that the database engine may use for a statement, or an analysis")
	f.String("max-temp", "4GB", "most disk that it may spill to")
	f.Int64("row-limit", 100_000, "most rows of a result")
	f.Int("threads", 0, "threads of a statement (default: one a core)")
	limitFlags(f)
	const most = "512 MiB"
	upload := f.Lookup("max-upload")
	upload.DefValue = most
	_ = upload.Value.Set(most)
	return cmd
}

func (a *app) serve(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		a.term.warnf("on %s the operating system does not bound a statement: give the scope sql to whom you would let at the lake itself", runtime.GOOS)
	}
	cfg, err := a.serveConfig()
	if err != nil {
		return err
	}
	listener, err := a.listen(cfg)
	if err != nil {
		return err
	}
	audit, err := a.auditLog()
	if err != nil {
		return err
	}
	defer audit.Close()
	cfg.Audit = audit
	stop, err := traced(ctx, cfg)
	if err != nil {
		return usagef("", "traces: %w", err)
	}
	defer stop()
	defer collectEarly()()
	a.term.infof("serving %s on %s", a.config.GetString("lake"), a.address(listener))
	return serve.New(*cfg).Serve(ctx, netutil.LimitListener(listener, cfg.MaxUploads+256), a.config.GetDuration("drain"), a.config.GetString("tls-cert"), a.config.GetString("tls-key"))
}

func (a *app) address(l net.Listener) string {
	if a.config.GetString("tls-cert") != "" {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// traced sends traces where the environment says, as OpenTelemetry names it.
func traced(ctx context.Context, cfg *serve.Config) (stop func(), err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return func() {}, nil
	}
	tracer, end, err := serve.NewTracer(ctx, version)
	if err != nil {
		return nil, err
	}
	cfg.Trace = tracer
	return end, nil
}

func (a *app) serveConfig() (*serve.Config, error) {
	v := a.config
	cfg := &serve.Config{
		MaxUploads: v.GetInt("max-uploads"), MaxQueries: v.GetInt("max-queries"), Patience: serve.DefaultPatience,
		Talk: talk{a.term},
	}
	if cfg.MaxUploads < 1 || cfg.MaxQueries < 1 {
		return nil, usagef("", "--max-uploads and --max-queries: want 1 or more")
	}
	cfg.Patience.Idle, cfg.Patience.Quiet = v.GetDuration("idle-timeout"), v.GetDuration("quiet-after")
	if cfg.Patience.Idle <= 0 || cfg.Patience.Quiet < 0 || v.GetDuration("drain") < 0 {
		return nil, usagef("--idle-timeout 30s", "--idle-timeout, --quiet-after and --drain: want a duration")
	}
	if (v.GetString("tls-cert") == "") != (v.GetString("tls-key") == "") {
		return nil, usagef("", "--tls-cert and --tls-key go together")
	}
	var err error
	if cfg.Patience.Rate, err = a.bytes("min-rate"); err != nil || cfg.Patience.Rate < 1 {
		return nil, usagef("--min-rate 8KiB", "--min-rate %s: want a number of bytes", v.GetString("min-rate"))
	}
	if cfg.MaxSpool, err = a.bytes("max-spool"); err != nil {
		return nil, err
	}
	if cfg.MaxDaily, err = a.bytes("max-daily"); err != nil {
		return nil, err
	}
	if cfg.Limits, err = a.limits(); err != nil {
		return nil, err
	}
	jobs, memory, err := a.resources()
	if err != nil {
		return nil, err
	}
	cfg.Resources = ingest.NewResources(jobs, memory)
	if err := a.serveAccess(cfg); err != nil {
		return nil, err
	}
	t := &tenants{a: a, separate: cfg.Guard != nil && cfg.Guard.Tenancy()}
	if t.limits, err = a.statementLimits(); err != nil {
		return nil, err
	}
	cfg.Lakes, cfg.Commands = t, t
	return cfg, t.check()
}

// serveAccess reads who may call, and which buckets events may speak of.
func (a *app) serveAccess(cfg *serve.Config) error {
	for _, text := range a.config.GetStringSlice("bucket") {
		b := events.Bucket{URI: text}
		if !bucket.Is(text) {
			name, folder, ok := strings.Cut(text, "=")
			if !ok {
				return usagef("--bucket results=/srv/results, or --bucket s3://lab/inbox", "--bucket %q: want NAME=FOLDER or s3://bucket/prefix", text)
			}
			b = events.Bucket{Name: name, Folder: folder}
		}
		if err := b.Settle(); err != nil {
			return usagef("--bucket results=/srv/results, or --bucket s3://lab/inbox", "--bucket %q: %w", text, err)
		}
		cfg.Allowed = append(cfg.Allowed, b)
	}
	if file := a.config.GetString("access"); file != "" {
		if len(cfg.Allowed) > 0 {
			return usagef("put it under buckets: of the access file", "--bucket does not go with --access")
		}
		guard, err := access.Open(file, func(s string) { a.term.warnf("%s", s) })
		if err != nil {
			return usagef("servestat token --access "+file+" makes one", "access file: %w", err)
		}
		cfg.Guard, cfg.Allowed = guard, guard.Buckets()
	}
	cfg.Buckets = buckets{a}
	for _, b := range cfg.Allowed {
		if err := a.checkBucket(b); err != nil {
			return err
		}
	}
	return nil
}

// checkBucket refuses a bucket that cannot be read, and one that holds what the server
// writes: it would take its own files for uploads.
func (a *app) checkBucket(b events.Bucket) error {
	if b.Folder != "" {
		if info, err := os.Stat(b.Folder); err != nil || !info.IsDir() {
			return usagef("", "bucket %s: %s is no folder", b.Name, b.Folder)
		}
		return nil
	}
	if _, err := a.bucketAt(b.URI); err != nil {
		return usagef("", "bucket %s: %w", b.Name, err)
	}
	uri := a.config.GetString("lake")
	if !bucket.Is(uri) {
		return nil
	}
	at, err := bucket.Parse(uri)
	if err != nil {
		return usagef("", "--lake: %w", err)
	}
	if at.Bucket == b.Name && strings.HasPrefix(at.Prefix+"/", b.Prefix) {
		return usagef("give uploads a prefix of their own", "--lake %s lies in the bucket that events may speak of, below %q", at, b.Prefix)
	}
	return nil
}

// buckets opens those of the configuration.
type buckets struct{ a *app }

// Open implements [serve.Buckets]. Objects have the names that a reconcile of the
// bucket gives them.
func (o buckets) Open(_ context.Context, b events.Bucket) (ingest.Objects, string, error) {
	if b.Folder != "" {
		return serve.Folder(b.Folder), b.Name, nil
	}
	at, err := o.a.bucketAt(b.URI)
	if err != nil {
		return nil, "", err
	}
	whole := at.At("")
	return whole, whole.String(), nil
}

// listen opens the address, unless everybody could call there.
func (a *app) listen(cfg *serve.Config) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", a.config.GetString("listen"))
	if err != nil {
		return nil, usagef("--listen 127.0.0.1:8080", "--listen: %w", err)
	}
	local := addr.IP != nil && addr.IP.IsLoopback()
	if !local && cfg.Guard == nil {
		return nil, usagef("servestat token --access FILE makes a file of who may do what", "--listen %s can be reached from other machines: that wants --access", a.config.GetString("listen"))
	}
	if !local && a.config.GetString("tls-cert") == "" {
		a.term.warnf("credentials go over the network in the clear, unless something in front speaks TLS: --tls-cert does")
	}
	return net.ListenTCP("tcp", addr)
}

func (a *app) auditLog() (io.WriteCloser, error) {
	name := a.config.GetString("audit-log")
	if name == "" {
		return unclosed{a.stderr}, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, usagef("", "--audit-log: %w", err)
	}
	return f, nil
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

type talk struct{ t *terminal }

func (t talk) Warn(format string, args ...any)   { t.t.warnf(format, args...) }
func (t talk) Detail(format string, args ...any) { t.t.detailf(format, args...) }

// over is the app over another lake, with what else it is set to.
func (a *app) over(uri string) *app {
	other := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, config: viper.New(), term: a.term}
	if a.ctx != nil {
		other.ctx = context.WithoutCancel(a.ctx) // what was begun is finished when the server is told to stop
	}
	_ = other.config.MergeConfigMap(a.config.AllSettings())
	other.config.Set("lake", uri)
	return other
}

// tenants are the lakes of a server, and what is done with them in processes of
// their own: one lake, or one for each tenant below it.
type tenants struct {
	a        *app
	separate bool
	limits   statementLimits
	apps     sync.Map // by tenant
}

// statementLimits bound what a statement may use.
type statementLimits struct {
	query.Limits
	timeout time.Duration
}

func (a *app) statementLimits() (l statementLimits, err error) {
	v := a.config
	l.timeout, l.Rows, l.Threads = v.GetDuration("timeout"), v.GetInt64("row-limit"), v.GetInt("threads")
	if l.timeout <= 0 || l.Rows <= 0 {
		return l, usagef("--timeout 30s --row-limit 100000", "--timeout and --row-limit: a server wants both")
	}
	for name, into := range map[string]*int64{"max-memory": &l.Memory, "max-temp": &l.Temp} {
		if *into, err = parseBytes(v.GetString(name)); err != nil {
			return l, usagef("--"+name+" 512MB", "--%s: %w", name, err)
		}
	}
	return l, nil
}

// check refuses a lake where the tenants' lakes were to be.
func (t *tenants) check() error {
	if !t.separate {
		return nil
	}
	_, err := t.a.openLake()
	if err == nil {
		return usagef("let --lake be where the tenants' lakes are to be, or take the tenants out of the access file", "%s is itself a lake, and the access file names tenants, who have a lake each below it", t.a.config.GetString("lake"))
	}
	return nil
}

func (t *tenants) of(tenant string) *app {
	root := t.a.config.GetString("lake")
	if !t.separate {
		return t.a.over(root)
	}
	at, query, _ := strings.Cut(root, "?") // how a bucket is reached stands behind
	if at = strings.TrimRight(at, "/") + "/" + tenant; query != "" {
		at += "?" + query
	}
	return t.a.over(at)
}

// kept is of, the same one each time: it keeps the connections to its bucket.
func (t *tenants) kept(tenant string) *app {
	if a, ok := t.apps.Load(tenant); ok {
		return a.(*app)
	}
	a, _ := t.apps.LoadOrStore(tenant, t.of(tenant))
	return a.(*app)
}

// Create implements [serve.Lakes].
func (t *tenants) Create(tenant string) (*lake.Lake, error) { return t.kept(tenant).createLake() }

// Open implements [serve.Lakes].
func (t *tenants) Open(tenant string) (*lake.Lake, error) { return t.kept(tenant).openLake() }

// Ask implements [serve.Commands]: a contained statement, as servestat sql runs it.
func (t *tenants) Ask(ctx context.Context, tenant string, asked serve.Question, w, talk io.Writer) error {
	format, err := table.ParseFormat(asked.Format)
	if err != nil {
		return serve.NewProblem(http.StatusBadRequest, err.Error(), "")
	}
	q := &inquiry{format: format, maxRows: -1, params: asked.Params, timeout: t.limits.timeout, limits: t.limits.Limits, contained: true}
	if asked.Timeout > 0 {
		q.timeout = min(q.timeout, asked.Timeout)
	}
	if asked.Rows > 0 {
		q.limits.Rows = min(q.limits.Rows, asked.Rows)
	}
	a := t.of(tenant)
	a.stderr = talk
	return t.problem(a, http.StatusBadRequest, a.contain(ctx, q, asked.SQL, w))
}

// Analyze implements [serve.Commands].
func (t *tenants) Analyze(ctx context.Context, tenant string) (done analyze.Updated, err error) {
	a := t.of(tenant)
	out, err := a.child(ctx, "analyze", "--format", "json", "--max-memory", fmt.Sprint(t.limits.Memory), "--max-temp", fmt.Sprint(t.limits.Temp))
	if err != nil {
		return done, t.problem(a, http.StatusServiceUnavailable, err)
	}
	return done, json.Unmarshal(out, &done)
}

// Report implements [serve.Commands].
func (t *tenants) Report(ctx context.Context, tenant string, args ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "servestat-report-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	a := t.of(tenant)
	if _, err := a.child(ctx, append(append([]string{"report"}, args...), "--out", dir, "--html")...); err != nil {
		return nil, t.problem(a, http.StatusUnprocessableEntity, err)
	}
	return os.ReadFile(filepath.Join(dir, html.File))
}

// problem tells the caller what it did wrong, and not where the lake lies.
func (t *tenants) problem(a *app, status int, err error) error {
	var ee *exitError
	if !errors.As(err, &ee) || ee.err == nil {
		return err
	}
	hide := strings.NewReplacer(a.config.GetString("lake"), "the lake")
	if dir, err := filepath.Abs(a.config.GetString("lake")); err == nil {
		hide = strings.NewReplacer(dir, "the lake", a.config.GetString("lake"), "the lake")
	}
	return serve.NewProblem(status, hide.Replace(ee.Error()), hide.Replace(ee.hint))
}

// childTimeout is how long an analysis or a report may take.
const childTimeout = 10 * time.Minute

// child runs another command of servestat over the same lake in a process of its
// own, and returns what it prints: what it does in the database engine cannot take
// this process along.
func (a *app) child(ctx context.Context, args ...string) ([]byte, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append(args, "--no-progress", "--lake", a.config.GetString("lake"))
	if used := a.config.GetString("config"); used != "" {
		args = append(args, "--config", used)
	}
	ctx, cancel := context.WithTimeout(ctx, childTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0] = "servestat"
	cmd.WaitDelay = grace
	var out bytes.Buffer
	said := &head{most: 1 << 14}
	cmd.Stdout, cmd.Stderr = &out, said
	dieWithParent(cmd)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, childError(err, said.String())
	}
	return out.Bytes(), nil
}

// childError is what a command said that failed.
func childError(err error, said string) error {
	_, message, ok := strings.Cut(said, "servestat: error: ")
	var exit *exec.ExitError
	if !ok || !errors.As(err, &exit) {
		line, _, _ := strings.Cut(said, "\n")
		return fmt.Errorf("%w: %s", err, line)
	}
	message, hint, _ := strings.Cut(strings.TrimSpace(message), "\nservestat: hint: ")
	return &exitError{code: exit.ExitCode(), err: errors.New(message), hint: hint}
}

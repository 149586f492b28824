package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/servestat/servestat/cmd/servestat/events"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake/bucket"
)

const lambdaLong = `Answer the invocations of an AWS Lambda function. Inside one, the binary called
bootstrap and started without arguments does this by itself; make lambda.zip builds
it, and deploy/lambda has a template.

An event of S3, direct, by way of SNS or EventBridge, or out of a queue of SQS, names
an object, which is read out of an --inbox and taken into the lake. An event is a
hint: an object outside the inboxes is refused, one that is gone is nothing to do,
one that was taken in already costs its reading. It is read with what lies around it,
as by a reconcile, and where it is a servestat.yaml or a server's log, the results that
it tells of are read again. Of a batch out of SQS, only the messages that could not be
done are given back, for SQS to bring again.

An event about the lake's own manifests brings the results that the lake keeps up to
date (servestat analyze), once for a batch: let a queue gather them for a minute, so
that a night's uploads are analysed once and not one by one.

A schedule, or {"task": "weekly-report"}, does a reconcile of the inboxes and then
writes the weekly report, with an index over weeks, to --out. {"task": "reconcile"}
and {"task": "analyze"} do that alone.

Settings come from the environment of the function, as SERVESTAT_LAKE, SERVESTAT_INBOX
(several with spaces), SERVESTAT_OUT, SERVESTAT_MEMORY. Only the folder for temporary
files is written to.`

// lambdaEnv names the address at which Lambda hands out invocations.
const lambdaEnv = "AWS_LAMBDA_RUNTIME_API"

// commandLine is what the process was asked to do. Lambda starts a program called
// bootstrap, and gives it no arguments.
func commandLine(args []string) []string {
	if os.Getenv(lambdaEnv) != "" && (len(args) == 1 || filepath.Base(args[0]) == "bootstrap") {
		return []string{"lambda"}
	}
	return args[1:]
}

func (a *app) lambdaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lambda [flags]",
		Short:   "answer the events of an AWS Lambda function",
		Long:    lambdaLong,
		Example: `  SERVESTAT_LAKE=s3://lab/lake SERVESTAT_INBOX=s3://lab/inbox SERVESTAT_OUT=s3://lab/reports ./bootstrap`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.lambda(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringArray("inbox", nil, "where uploads arrive, s3://bucket/prefix: of anything else no event is heeded; may be repeated")
	f.String("out", "", "where the weekly report goes, s3://bucket/prefix")
	return cmd
}

// lambda answers invocations for as long as the process lives.
func (a *app) lambda(ctx context.Context) error {
	if os.Getenv(lambdaEnv) == "" {
		return usagef("servestat serve takes events over HTTP, servestat reconcile goes through an inbox", "this is no AWS Lambda function: %s is not set", lambdaEnv)
	}
	fn, err := a.function()
	if err != nil {
		return err
	}
	if err := a.settleInTemp(); err != nil {
		return err
	}
	defer collectEarly()()
	lambda.StartWithOptions(fn.invoke, lambda.WithContext(ctx))
	return nil
}

// A function is what a Lambda function does.
type function struct {
	a       *app
	inboxes []bucket.Location
	uris    []string // of inboxes
	allowed events.Allowed
	lake    events.Bucket // its manifests
	out     string        // for reports
}

func (a *app) function() (*function, error) {
	fn := &function{a: a, uris: a.config.GetStringSlice("inbox"), out: a.config.GetString("out")}
	if len(fn.uris) == 0 {
		return nil, usagef("SERVESTAT_INBOX=s3://bucket/prefix", "a function wants an --inbox: from where may events have it read?")
	}
	for _, uri := range fn.uris {
		loc, err := bucket.Parse(uri)
		if err != nil {
			return nil, usagef("SERVESTAT_INBOX=s3://bucket/prefix", "--inbox: %w", err)
		}
		fn.inboxes = append(fn.inboxes, loc)
		fn.allowed = append(fn.allowed, events.Bucket{Name: loc.Bucket, Prefix: strings.TrimPrefix(loc.Prefix+"/", "/")})
	}
	lake, err := fn.target("lake", a.config.GetString("lake"))
	if err != nil {
		return nil, err
	}
	fn.lake = events.Bucket{Name: lake.Bucket, Prefix: strings.TrimPrefix(lake.Prefix+"/manifests/", "/")}
	if fn.out != "" {
		_, err = fn.target("out", fn.out)
	}
	return fn, err
}

// target reads where the function is to write. It is not where it is told of writes:
// each object that the function published would start it again, for ever and at the
// owner's expense.
func (fn *function) target(flag, uri string) (bucket.Location, error) {
	if !bucket.Is(uri) {
		return bucket.Location{}, usagef("SERVESTAT_"+strings.ToUpper(flag)+"=s3://bucket/prefix", "--%s %s: what a function writes to its disk is lost: want s3://bucket/prefix", flag, uri)
	}
	target, err := bucket.Parse(uri)
	if err != nil {
		return target, usagef("", "--%s: %w", flag, err)
	}
	for i, in := range fn.inboxes {
		if target.Bucket == in.Bucket && strings.HasPrefix(target.Prefix+"/", fn.allowed[i].Prefix) {
			return target, usagef("give uploads a prefix of their own", "--%s %s lies in the inbox %s: each object that the function writes would start it again", flag, target, in)
		}
	}
	return target, nil
}

// settleInTemp gives the process a folder of its own below the one for temporary
// files, empty, and the cache another, which stays. Lambda keeps the folder for the
// next process, with all that one left there which was ended for want of time.
func (a *app) settleInTemp() error {
	dir := filepath.Join(os.TempDir(), "servestat")
	if a.config.GetString("cache") == "" {
		a.config.Set("cache", dir+"-cache")
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if os.Getenv("HOME") == "" { // which the database engine asks for
		if err := os.Setenv("HOME", dir); err != nil {
			return err
		}
	}
	return os.Setenv("TMPDIR", dir)
}

// An invocation is as much as needs to be known of it to tell what it is.
type invocation struct {
	Task       string    `json:"task"`
	DetailType string    `json:"detail-type"`
	Records    []message `json:"Records"`
}

// A message is one of a batch out of a queue.
type message struct {
	Source string `json:"eventSource"`
	ID     string `json:"messageId"`
	Body   string `json:"body"`
}

// invoke answers one invocation.
func (fn *function) invoke(ctx context.Context, event json.RawMessage) (any, error) {
	ctx, cancel := withReserve(ctx)
	defer cancel()
	var in invocation
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	switch {
	case in.Task == "weekly-report", in.Task == "" && in.DetailType == "Scheduled Event":
		return fn.weeklyReport(ctx)
	case in.Task == "reconcile":
		return fn.reconcile(ctx)
	case in.Task == "analyze":
		return fn.analyze(ctx)
	case in.Task != "":
		return nil, fmt.Errorf("no task %q: want weekly-report, reconcile or analyze", in.Task)
	case len(in.Records) > 0 && in.Records[0].Source == "aws:sqs":
		return fn.batch(ctx, in.Records)
	}
	return fn.notice(ctx, event)
}

// withReserve leaves of the time of an invocation what it takes to answer: one that
// is ended for want of time loses its answer, and all of its batch comes again.
func withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/10, 5*time.Second)))
}

// notice does what one event asks for. A failure is Lambda's to bring again.
func (fn *function) notice(ctx context.Context, event []byte) (any, error) {
	asked, err := fn.read(event)
	if err != nil {
		return nil, err
	}
	d := &delivery{fn: fn}
	err = errors.Join(d.take(ctx, asked), d.close())
	if err == nil && asked.analyze {
		d.Analyzed, err = fn.analyze(ctx)
	}
	if err != nil {
		return nil, err
	}
	d.say()
	return d.delivered, nil
}

// failures are the messages that SQS is to bring again.
type failures struct {
	Items []failure `json:"batchItemFailures"`
}

type failure struct {
	ID string `json:"itemIdentifier"`
}

// batch does what the messages of a batch ask for, each by itself, and brings
// results up to date once for all of them.
func (fn *function) batch(ctx context.Context, messages []message) (any, error) {
	d, back := &delivery{fn: fn}, failures{Items: []failure{}}
	fail := func(m message, err error) {
		fn.a.term.warnf("message %s: %v", m.ID, err)
		back.Items = append(back.Items, failure{m.ID})
	}
	var analyze []message
	for _, m := range messages {
		asked, err := fn.read([]byte(m.Body))
		if err == nil {
			err = d.take(ctx, asked)
		}
		switch {
		case err != nil:
			fail(m, err)
		case asked.analyze:
			analyze = append(analyze, m)
		}
	}
	if err := d.close(); err != nil {
		return nil, err
	}
	if len(analyze) > 0 {
		var err error
		if d.Analyzed, err = fn.analyze(ctx); err != nil {
			for _, m := range analyze {
				fail(m, err)
			}
		}
	}
	d.say()
	return back, nil
}

// An errand is what a message asks for.
type errand struct {
	objects []wanted
	ignored int
	analyze bool // the lake has other runs than it had
}

// A wanted object lies in an inbox.
type wanted struct {
	inbox bucket.Location
	key   string
}

// read says what a message asks for, if all of it may be asked for.
func (fn *function) read(body []byte) (errand, error) {
	notice, err := events.Parse(nil, body)
	if err != nil {
		return errand{}, err
	}
	if len(notice.Refused) > 0 {
		r := notice.Refused[0]
		return errand{}, fmt.Errorf("%q in %q: %s", r.Key, r.Bucket, r.Why)
	}
	asked := errand{ignored: notice.Ignored}
	for _, o := range notice.Objects {
		if _, err := (events.Allowed{fn.lake}).Find("", o); err == nil {
			asked.analyze = true
			continue
		}
		from, err := fn.allowed.Find("", o)
		if err != nil {
			return errand{}, fmt.Errorf("%q: %w", o.Key, err)
		}
		asked.objects = append(asked.objects, wanted{fn.inboxes[slices.Index(fn.allowed, from)], o.Key})
	}
	return asked, nil
}

// A delivery takes the objects of one invocation into the lake.
type delivery struct {
	fn *function
	in *ingest.Ingester // nil until there is something to take in
	delivered
}

// delivered is what became of an invocation.
type delivered struct {
	Uploads     int             `json:"uploads"`
	Known       int             `json:"known"`
	Quarantined int             `json:"quarantined"`
	Skipped     int             `json:"skipped"`
	Runs        int             `json:"runs"`
	Gone        int             `json:"gone"`    // objects that are not there any more
	Ignored     int             `json:"ignored"` // events that are not of an object that was written
	Analyzed    json.RawMessage `json:"analyzed,omitempty"`
}

func (d *delivery) say() {
	d.fn.a.term.infof("%s: %d known, %d quarantined, %s; analyzed: %s", count(d.Uploads, "upload"), d.Known, d.Quarantined, count(d.Runs, "new run"), cmp.Or(string(d.Analyzed), "no"))
}

func (fn *function) ingester() (*ingest.Ingester, error) {
	limits, err := fn.a.limits()
	if err != nil {
		return nil, err
	}
	opts, err := fn.a.ingestOptions()
	if err != nil {
		return nil, err
	}
	opts.Limits = limits
	if opts.Jobs, opts.Memory, err = fn.a.resources(); err != nil {
		return nil, err
	}
	l, err := fn.a.createLake()
	if err != nil {
		return nil, err
	}
	return ingest.New(l, opts)
}

func (d *delivery) close() error {
	if d.in == nil {
		return nil
	}
	return d.in.Close()
}

// take takes in the objects of a message.
func (d *delivery) take(ctx context.Context, asked errand) (err error) {
	d.Ignored += asked.ignored
	if d.in == nil && len(asked.objects) > 0 {
		if d.in, err = d.fn.ingester(); err != nil {
			return err
		}
	}
	for _, o := range asked.objects {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.object(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// object takes in one object, with all that lies around it, as a reconcile does; and
// what it tells of, where it is a side-car or a server's log that came late.
func (d *delivery) object(ctx context.Context, o wanted) error {
	inbox, err := o.open(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		d.Gone++
		d.fn.a.term.infof("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer inbox.Close()
	uploads, skipped, err := inbox.Arrived(ctx)
	if err != nil {
		return err
	}
	skip := func(s ingest.Skipped) {
		d.Skipped++
		d.fn.a.term.detailf("skipped %s: %s", s.Name, s.Why)
	}
	for _, s := range skipped {
		skip(s)
	}
	return d.in.IngestAll(ctx, uploads, skip, d.told)
}

func (o wanted) open(ctx context.Context) (*ingest.Inbox, error) {
	b, err := bucket.Open(ctx, o.inbox)
	if err != nil {
		return nil, err
	}
	whole := b.At("")
	return ingest.OpenArrival(ctx, whole, whole.String(), o.key)
}

func (d *delivery) told(rep *ingest.Report) error {
	var t tally
	t.add(rep)
	d.Uploads, d.Known, d.Quarantined, d.Runs = d.Uploads+t.uploads, d.Known+t.known, d.Quarantined+t.quarantined, d.Runs+t.runs
	d.fn.a.tell(rep)
	return nil
}

// analyze brings results up to date.
func (fn *function) analyze(ctx context.Context) (json.RawMessage, error) {
	return fn.command(ctx, "analyze", "--format", "json")
}

// reconcile goes through the inboxes.
func (fn *function) reconcile(ctx context.Context) (json.RawMessage, error) {
	return fn.command(ctx, append([]string{"reconcile", "--format", "json"}, fn.uris...)...)
}

// weeklyReport reconciles, and writes the report of the newest week.
func (fn *function) weeklyReport(ctx context.Context) (any, error) {
	if fn.out == "" {
		return nil, usagef("SERVESTAT_OUT=s3://bucket/prefix", "a weekly report wants --out: where is it to go?")
	}
	reconciled, err := fn.reconcile(ctx)
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	out, err := fn.command(ctx, "report", "weekly", "--index", "--html", "--out", fn.out)
	if err != nil {
		return nil, fmt.Errorf("report weekly: %w", err)
	}
	return map[string]any{"reconcile": reconciled, "written": strings.Fields(string(out))}, nil
}

// command runs another command over the same lake and returns what it prints.
func (fn *function) command(ctx context.Context, args ...string) (json.RawMessage, error) {
	var out bytes.Buffer
	a := &app{ctx: ctx, stdin: strings.NewReader(""), stdout: &out, stderr: fn.a.stderr, config: viper.New(), term: &terminal{w: fn.a.stderr}}
	for _, name := range []string{"lake", "cache"} {
		args = append(args, "--"+name, fn.a.config.GetString(name))
	}
	err := a.execute(ctx, append(args, "--no-progress"))
	return bytes.TrimSpace(out.Bytes()), err
}

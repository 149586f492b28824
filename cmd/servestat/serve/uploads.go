package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/servestat/servestat/cmd/servestat/events"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/schemas/lake"
)

// What became of an upload.
const (
	ingested    = "ingested"    // something of it is new
	known       = "known"       // all of it was in the lake
	quarantined = "quarantined" // nothing of it could be used
)

// A receipt says what became of one file: the upload, or a member of it.
type receipt struct {
	*lake.Receipt
	Known    bool        `json:"known"`
	New      ingest.News `json:"new"`
	Warnings []string    `json:"warnings,omitempty"`
}

// uploaded is the answer to an upload.
type uploaded struct {
	Schema  string    `json:"schema"`
	Outcome string    `json:"outcome"`
	SHA256  string    `json:"sha256"` // of the body as it came
	Bytes   int64     `json:"bytes"`
	Files   []receipt `json:"files"`
	Skipped []skipped `json:"skipped,omitempty"` // members of an archive that are no results
}

type skipped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// upload takes in the body of a request.
func (s *Server) upload(c *call) error {
	name, labels, err := c.labels()
	if err != nil {
		return err
	}
	release, err := s.slots.take(c.who.Tenant, "uploads")
	if err != nil {
		return err
	}
	defer release()
	if err := checkStored(s.cfg.Limits, c.ContentLength); err != nil {
		return err
	}
	announced := max(c.ContentLength, 0)
	if err := s.quota.take(c.who.Tenant, announced); err != nil {
		return err
	}
	body := c.paced()
	sp, err := newSpool(s.room, body, s.cfg.Limits)
	c.entry.Bytes = body.n
	s.quota.giveBack(c.who.Tenant, max(0, announced-body.n))
	if failed := (*readError)(nil); errors.As(err, &failed) {
		return body.problem(failed)
	}
	if err != nil {
		return err
	}
	body.done()
	c.entry.SHA256 = sp.sum
	if more := body.n - announced; more > 0 { // it came without its length
		if err := s.quota.take(c.who.Tenant, more); err != nil {
			sp.discard()
			return err
		}
	}
	if sp.size == 0 {
		sp.discard()
		return NewProblem(http.StatusBadRequest, "the body is empty", "curl -T FILE URL/v1/uploads/ sends a file as the body")
	}
	answer, err := s.takeIn(c.Context(), c.who.Tenant, sp, name, labels)
	if err != nil {
		return err
	}
	c.entry.Outcome = answer.Outcome
	status := map[string]int{ingested: http.StatusCreated, known: http.StatusOK, quarantined: http.StatusUnprocessableEntity}[answer.Outcome]
	c.json(status, "application/json", answer)
	return nil
}

// takeIn takes a spooled upload into a tenant's lake.
func (s *Server) takeIn(ctx context.Context, tenant string, sp *spool, name string, labels map[string]string) (*uploaded, error) {
	sum, size := sp.sum, sp.size
	j, err := s.intake.take(ctx, tenant, []ingest.Upload{sp.upload(name, labels)}, sp.discard)
	if err != nil {
		return nil, err
	}
	answer := &uploaded{Schema: "servestat.upload/1", SHA256: sum, Bytes: size, Outcome: outcomeOf(j.reports), Files: []receipt{}}
	for _, rep := range j.reports {
		answer.Files = append(answer.Files, receipt{rep.Receipt, rep.Known, rep.News(), rep.Warnings})
	}
	for _, sk := range j.skipped {
		answer.Skipped = append(answer.Skipped, skipped{sk.Name, sk.Why})
	}
	s.count(answer.Outcome, size)
	return answer, nil
}

// count counts an upload in the server's own figures.
func (s *Server) count(outcome string, size int64) {
	s.metrics.uploads.WithLabelValues(outcome).Inc()
	s.metrics.bytes.Add(float64(size))
}

func outcomeOf(reports []*ingest.Report) string {
	outcome := quarantined
	for _, rep := range reports {
		switch {
		case rep.Quarantined != "" && len(rep.Runs) == 0 && rep.Observed == nil, rep.Archive:
		case !rep.Known:
			return ingested
		default:
			outcome = known
		}
	}
	return outcome
}

const (
	mostName   = 1024 // bytes
	mostLabels = 64
)

// labels are what the sender says of its upload. The name is one of them: it is what
// the upload is known by, and no place.
func (c *call) labels() (name string, labels map[string]string, err error) {
	if media, _, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type")); err == nil && strings.HasPrefix(media, "multipart/") {
		return "", nil, NewProblem(http.StatusUnsupportedMediaType, "the body has to be the file itself, and is a form", "curl -T FILE URL/v1/uploads/ instead of curl -F")
	}
	query := c.URL.Query()
	if name = cmp.Or(c.PathValue("name"), query.Get("name")); name == "" {
		if _, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Disposition")); err == nil {
			name = params["filename"]
		}
	}
	if name == "" {
		name = "upload"
	}
	c.entry.Name = said(name)
	if err := checkName(name); err != nil {
		return "", nil, problemf(http.StatusBadRequest, "name %.200q: %v", name, err)
	}
	if len(query["label"]) > mostLabels {
		return "", nil, problemf(http.StatusBadRequest, "more than %d labels", mostLabels)
	}
	labels = map[string]string{}
	for _, text := range query["label"] {
		key, value, _ := strings.Cut(text, "=")
		if err := errors.Join(ingest.CheckLabel(key, value), checkText(text)); err != nil {
			return "", nil, problemf(http.StatusBadRequest, "label: %v", err)
		}
		labels[key] = value
	}
	return name, labels, nil
}

// checkName wants a name to be a relative path that stays where it is: --path-pattern
// and people read it as one.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) {
		return errors.New("want a relative path, such as 0.20.0/c8/run1.json")
	}
	return checkText(name)
}

func checkText(text string) error {
	if len(text) > mostName {
		return fmt.Errorf("longer than %d bytes", mostName)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("not printable text")
	}
	return nil
}

// An objectOutcome says what became of an object that an event speaks of.
type objectOutcome struct {
	events.Object
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of what was read of it, decompressed
	Reread  int    `json:"reread,omitempty"` // uploads beside it or below, of which it tells something new
}

// What becomes of objects besides what becomes of uploads.
const (
	absent  = "absent"  // there is none, or an empty one
	refused = "refused" // of a bucket that is not on the list
	nothing = "skipped" // it is no result, server log or telemetry
)

// noticed is the answer to an event.
type noticed struct {
	Schema  string           `json:"schema"`
	Objects []objectOutcome  `json:"objects"`
	Refused []events.Refusal `json:"refused,omitempty"`
	Ignored int              `json:"ignored,omitempty"`
	// Validation is what Event Grid wants to read before it sends events.
	Validation string `json:"validationResponse,omitempty"`
}

// event takes in the objects that an event speaks of. What it says is a hint to look:
// nothing of an object is believed that is not read from its bucket.
func (s *Server) event(c *call) error {
	notice, err := events.Parse(c.Request.Header, c.body)
	if err != nil {
		return problemf(http.StatusBadRequest, "%v", err)
	}
	allowed := s.cfg.Allowed
	if s.cfg.Guard != nil {
		allowed = s.cfg.Guard.Buckets()
	}
	answer := noticed{Schema: "servestat.events/1", Objects: []objectOutcome{}, Refused: notice.Refused, Ignored: notice.Ignored, Validation: notice.Validation}
	c.entry.Refused = notice.Refused
	refusals := 0
	for _, o := range notice.Objects {
		out := objectOutcome{Object: o}
		if from, err := allowed.Find(c.who.Tenant, o); err != nil {
			out.Outcome, out.Why = refused, events.ErrNotAllowed.Error()
			refusals++
		} else if err := s.object(c, from, &out); err != nil {
			return err
		}
		answer.Objects = append(answer.Objects, out)
		c.entry.Objects = answer.Objects
	}
	if n := refusals + len(notice.Refused); n > 0 && n == len(notice.Objects)+len(notice.Refused) {
		return &Problem{Status: http.StatusForbidden, Title: "Forbidden", Detail: "none of the objects may be read", Hint: "buckets: of the access file, or --bucket, lists those that may"}
	}
	c.json(http.StatusOK, "application/json", answer)
	return nil
}

// object takes in one object, with all that lies around it in its bucket, as a
// reconcile does: both end in the same lake.
func (s *Server) object(c *call, from events.Bucket, out *objectOutcome) error {
	release, err := s.slots.take(c.who.Tenant, "uploads")
	if err != nil {
		return err
	}
	defer release()
	objects, name, err := s.cfg.Buckets.Open(c.Context(), from)
	if err != nil {
		return err
	}
	inbox, err := ingest.OpenArrival(c.Context(), objects, name, out.Key)
	if errors.Is(err, fs.ErrNotExist) {
		out.Outcome, out.Why = absent, "there is no such object now, or it is empty"
		return nil
	}
	if err != nil {
		return err
	}
	uploads, skipped, err := inbox.Arrived(c.Context())
	if err != nil || len(uploads) == 0 {
		inbox.Close()
		out.Outcome = nothing
		for _, sk := range skipped {
			out.Why = sk.Why
		}
		return err
	}
	return s.takeObjects(c, name+"/"+out.Key, inbox, uploads, out)
}

// takeObjects takes in what was found on account of the object called name.
func (s *Server) takeObjects(c *call, name string, inbox *ingest.Inbox, uploads []ingest.Upload, out *objectOutcome) error {
	j, err := s.intake.take(c.Context(), c.who.Tenant, uploads, func() { inbox.Close() })
	if err != nil {
		return err
	}
	var own []*ingest.Report
	for _, rep := range j.reports {
		if rep.SourceName == name || strings.HasPrefix(rep.SourceName, name+"/") { // a member of it
			own = append(own, rep)
			out.SHA256 = cmp.Or(out.SHA256, rep.UploadSHA256)
			out.Why = cmp.Or(out.Why, rep.Quarantined)
		} else if !rep.Known {
			out.Reread++
		}
	}
	out.Outcome = nothing
	if uploads[0].Name == name {
		out.Outcome = outcomeOf(own)
		s.count(out.Outcome, uploads[0].Size)
	}
	return nil
}

// consent answers the question of a CloudEvents sender whether it may send
// (CNCF, HTTP 1.1 Web Hooks for Event Delivery).
func (s *Server) consent(c *call) error {
	origin := c.Request.Header.Get("WebHook-Request-Origin")
	if origin == "" || len(origin) > 253 || strings.Trim(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
		return problemf(http.StatusBadRequest, "want a WebHook-Request-Origin")
	}
	c.Header().Set("WebHook-Allowed-Origin", origin)
	c.Header().Set("WebHook-Allowed-Rate", "*")
	c.Header().Set("Allow", "POST, OPTIONS")
	c.send(http.StatusOK, "text/plain; charset=utf-8", nil)
	return nil
}

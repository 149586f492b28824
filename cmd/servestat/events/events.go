package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Object is something in a bucket that an event speaks of.
type Object struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ETag   string `json:"etag,omitempty"` // as the sender says it; empty where it does not
}

// A Refusal is an object that no honest sender speaks of.
type Refusal struct {
	Object
	Why string `json:"why"`
}

// A Notice is what a message says.
type Notice struct {
	Objects []Object // written, each once, in the order of the message
	Refused []Refusal
	// Ignored counts events that are not of an object that was written: deletions,
	// tests of the connection.
	Ignored int
	// Validation is the code that an Event Grid subscription wants to have back
	// before it sends events.
	Validation string
}

// ErrUnknown is returned for a message in no envelope that this package knows.
var ErrUnknown = errors.New("not an event that servestat knows: want a notification of S3, MinIO, Ceph, SNS, SQS or EventBridge, a CloudEvent, a Pub/Sub push, or an Event Grid event")

const (
	mostObjects = 1000 // in one message; S3 sends one, a batch of Event Grid up to some hundred
	mostWraps   = 4    // envelopes inside each other: SQS holds SNS holds S3
	mostKey     = 1024 // bytes of a key, as S3 has it
	mostBucket  = 255
)

// Parse reads one message. The header may be nil, as it is for the body of a message
// out of a queue; CloudEvents in binary mode are told by it.
func Parse(header http.Header, body []byte) (Notice, error) {
	p := parser{seen: map[Object]bool{}}
	if header.Get("Ce-Specversion") != "" {
		err := p.cloudEvent(binaryEvent(header, body), 0)
		return p.Notice, err
	}
	err := p.message(body, 0)
	return p.Notice, err
}

type parser struct {
	Notice
	seen map[Object]bool
}

// message reads one message, or an array of them.
func (p *parser) message(body []byte, depth int) error {
	if depth > mostWraps {
		return fmt.Errorf("events are wrapped in each other more than %d times", mostWraps)
	}
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '[' {
		var all []json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			return fmt.Errorf("event: %w", err)
		}
		for i, m := range all {
			if err := p.message(m, depth+1); err != nil {
				return fmt.Errorf("event %d of the batch: %w", i, err)
			}
		}
		return nil
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return p.envelope(&e, depth)
}

// An envelope is the union of those that there are. They are told apart by the keys
// that they have; the names of keys that two share, in whatever case, stand once.
type envelope struct {
	Records []record `json:"Records"` // S3, MinIO, SQS, SNS
	Event   string   `json:"Event"`   // S3's test of the connection

	// CloudEvents; Type and Subject are SNS's and Event Grid's too.
	SpecVersion string          `json:"specversion"`
	Type        string          `json:"type"`
	Source      string          `json:"source"`
	Subject     string          `json:"subject"`
	Data        json.RawMessage `json:"data"`
	DataBase64  []byte          `json:"data_base64"`

	EventType  string          `json:"eventType"`   // Event Grid
	DetailType string          `json:"detail-type"` // EventBridge
	Detail     json.RawMessage `json:"detail"`
	Message    json.RawMessage `json:"message"` // of Pub/Sub an object, of SNS a string

	// An object of Google Cloud Storage as its own API shows it, and the same
	// without kind in CloudEvents; or nothing but a bucket and a key.
	Kind   string          `json:"kind"`
	Bucket json.RawMessage `json:"bucket"`
	Name   string          `json:"name"`
	Key    string          `json:"key"`
	ETag   string          `json:"etag"`

	S3 *s3Entity `json:"s3"` // a record of S3 by itself, as CloudEvents carry it
	// EventName is a record's, and MinIO's beside its records.
	EventName string `json:"eventName"`
}

func (p *parser) envelope(e *envelope, depth int) error {
	switch {
	case e.SpecVersion != "":
		return p.cloudEvent(e, depth)
	case e.Records != nil:
		return p.records(e.Records, depth)
	case e.S3 != nil:
		return p.s3(e.EventName, e.S3)
	case e.Event == "s3:TestEvent":
		p.Ignored++
		return nil
	case e.DetailType != "":
		return p.eventBridge(e)
	case e.EventType != "":
		return p.eventGrid(e.EventType, e.Subject, e.Data)
	case len(e.Message) > 0 && e.Message[0] == '"':
		return p.sns(e.Type, e.Message, depth)
	case len(e.Message) > 0 && e.Message[0] == '{':
		return p.pubSub(e.Message, depth)
	case e.Type == "SubscriptionConfirmation", e.Type == "UnsubscribeConfirmation":
		p.Ignored++ // its URL is not followed: a person confirms
		return nil
	}
	return p.plain(e)
}

// plain is an object without an envelope.
func (p *parser) plain(e *envelope) error {
	var bucket string
	if err := json.Unmarshal(e.Bucket, &bucket); err != nil || e.Name == "" && e.Key == "" || e.Kind != "" && e.Kind != "storage#object" {
		return ErrUnknown
	}
	key := e.Name
	if key == "" {
		key = e.Key
	}
	return p.add(Object{bucket, key, e.ETag})
}

// A record is one of S3's, or what Lambda hands over of a queue or a topic.
type record struct {
	EventSource string    `json:"eventSource"` // SNS writes EventSource
	EventName   string    `json:"eventName"`
	S3          *s3Entity `json:"s3"`
	Body        string    `json:"body"` // SQS
	SNS         *struct {
		Message string `json:"Message"`
	} `json:"Sns"`
}

type s3Entity struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key  string `json:"key"`
		ETag string `json:"eTag"`
	} `json:"object"`
}

func (p *parser) records(all []record, depth int) error {
	for i, r := range all {
		if err := p.record(r, depth); err != nil {
			return fmt.Errorf("Records[%d]: %w", i, err)
		}
	}
	return nil
}

func (p *parser) record(r record, depth int) error {
	switch {
	case r.S3 != nil:
		return p.s3(r.EventName, r.S3)
	case r.EventSource == "aws:sqs":
		return p.message([]byte(r.Body), depth+1)
	case r.SNS != nil:
		return p.message([]byte(r.SNS.Message), depth+1)
	}
	return ErrUnknown
}

// s3 is one entity of a notification. Keys in it are encoded as in a form.
func (p *parser) s3(name string, e *s3Entity) error {
	if !strings.HasPrefix(strings.TrimPrefix(name, "s3:"), "ObjectCreated:") {
		p.Ignored++
		return nil
	}
	o := Object{e.Bucket.Name, e.Object.Key, e.Object.ETag}
	key, err := url.QueryUnescape(o.Key)
	if err != nil {
		return p.refuse(o, "its key is not encoded as keys of notifications are")
	}
	o.Key = key
	return p.add(o)
}

// eventBridge is S3's event by way of EventBridge, where keys are as they are.
func (p *parser) eventBridge(e *envelope) error {
	if e.Source != "aws.s3" || e.DetailType != "Object Created" {
		p.Ignored++
		return nil
	}
	var d struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key  string `json:"key"`
			ETag string `json:"etag"`
		} `json:"object"`
	}
	if err := json.Unmarshal(e.Detail, &d); err != nil {
		return fmt.Errorf("detail: %w", err)
	}
	return p.add(Object{d.Bucket.Name, d.Object.Key, d.Object.ETag})
}

// sns unwraps a topic's message.
func (p *parser) sns(kind string, message json.RawMessage, depth int) error {
	if kind != "Notification" {
		p.Ignored++ // a confirmation, whose URL is not followed: a person confirms
		return nil
	}
	var text string
	if err := json.Unmarshal(message, &text); err != nil {
		return fmt.Errorf("Message: %w", err)
	}
	return p.message([]byte(text), depth+1)
}

// pubSub unwraps a push. Cloud Storage says in the attributes what it is about.
func (p *parser) pubSub(message json.RawMessage, depth int) error {
	var m struct {
		Attributes map[string]string `json:"attributes"`
		Data       []byte            `json:"data"` // base64
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if m.Attributes["bucketId"] == "" {
		return p.message(m.Data, depth+1)
	}
	if m.Attributes["eventType"] != "OBJECT_FINALIZE" {
		p.Ignored++
		return nil
	}
	o := Object{Bucket: m.Attributes["bucketId"], Key: m.Attributes["objectId"]}
	var resource struct {
		ETag string `json:"etag"`
	}
	if json.Unmarshal(m.Data, &resource) == nil {
		o.ETag = resource.ETag
	}
	return p.add(o)
}

// eventGrid is an event of Azure, in its own schema or as a CloudEvent.
func (p *parser) eventGrid(kind, subject string, data json.RawMessage) error {
	var d struct {
		ValidationCode string `json:"validationCode"`
		ETag           string `json:"eTag"`
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &d); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	switch kind {
	case "Microsoft.EventGrid.SubscriptionValidationEvent":
		if len(d.ValidationCode) > 256 || d.ValidationCode == "" {
			return fmt.Errorf("data.validationCode: %w", ErrUnknown)
		}
		p.Validation = d.ValidationCode
		return nil
	case "Microsoft.Storage.BlobCreated":
	default:
		p.Ignored++
		return nil
	}
	rest, ok := strings.CutPrefix(subject, "/blobServices/default/containers/")
	container, key, found := strings.Cut(rest, "/blobs/")
	if !ok || !found {
		return fmt.Errorf("subject %.200q: want /blobServices/default/containers/…/blobs/…", subject)
	}
	return p.add(Object{container, key, d.ETag})
}

// cloudEvent is an event of the CNCF's standard, told by its type.
func (p *parser) cloudEvent(e *envelope, depth int) error {
	data := []byte(e.Data)
	if len(e.DataBase64) > 0 {
		data = e.DataBase64
	}
	switch {
	case strings.HasPrefix(e.Type, "Microsoft."):
		return p.eventGrid(e.Type, e.Subject, data)
	case strings.HasPrefix(e.Type, "google.cloud.storage.object.v1.") && e.Type != "google.cloud.storage.object.v1.finalized":
		p.Ignored++
		return nil
	case len(data) == 0:
		return fmt.Errorf("CloudEvent of type %.200q has no data: %w", e.Type, ErrUnknown)
	case data[0] == '"': // JSON as text
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		data = []byte(text)
	}
	return p.message(data, depth+1)
}

// binaryEvent is a CloudEvent whose attributes are headers.
func binaryEvent(header http.Header, body []byte) *envelope {
	e := &envelope{
		SpecVersion: header.Get("Ce-Specversion"), Type: header.Get("Ce-Type"), Source: header.Get("Ce-Source"), Subject: header.Get("Ce-Subject"),
		Data: body,
	}
	if subject, err := url.PathUnescape(e.Subject); err == nil { // headers are percent-encoded
		e.Subject = subject
	}
	if media, _, err := mime.ParseMediaType(header.Get("Content-Type")); err == nil && media == "text/plain" {
		if decoded, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(body))); err == nil {
			e.Data = decoded
		}
	}
	return e
}

// add takes in an object that was written, once.
func (p *parser) add(o Object) error {
	if why := o.problem(); why != "" {
		return p.refuse(o, why)
	}
	if p.seen[o] {
		return nil
	}
	p.seen[o] = true
	p.Objects = append(p.Objects, o)
	return p.checkCount()
}

func (p *parser) refuse(o Object, why string) error {
	p.Refused = append(p.Refused, Refusal{shortened(o), why})
	return p.checkCount()
}

func (p *parser) checkCount() error {
	if len(p.Objects)+len(p.Refused) > mostObjects {
		return fmt.Errorf("the message speaks of more than %d objects", mostObjects)
	}
	return nil
}

// problem says what is wrong with an object's name. Stores allow more; but a key
// with a step upwards or a control character is no benchmark result's.
func (o Object) problem() string {
	switch {
	case o.Bucket == "" || len(o.Bucket) > mostBucket || !printable(o.Bucket) || strings.ContainsAny(o.Bucket, `/\`):
		return "no name of a bucket"
	case o.Key == "" || len(o.Key) > mostKey:
		return fmt.Sprintf("its key is empty or longer than %d bytes", mostKey)
	case !printable(o.Key):
		return "its key is not printable text"
	case !fs.ValidPath(o.Key) || o.Key == "." || strings.Contains(o.Key, `\`):
		return "its key leaves its bucket"
	case len(o.ETag) > mostKey || !printable(o.ETag):
		return "its ETag is not printable text"
	}
	return ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shortened is o as it may stand in a log.
func shortened(o Object) Object {
	short := func(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "\uFFFD") }
	return Object{short(o.Bucket), short(o.Key), short(o.ETag)}
}

// Package bucket keeps a lake in a bucket of S3, or of a store that speaks its
// protocol, and reads what others put there.
//
// Objects are published with If-None-Match: *, so that of any number of writers one
// is told that it was the first. A put whose answer was lost is resolved: every put
// bears a mark of its own, by which the object that is there says whose it is. That a
// store honours the condition is tried out whenever a session begins
// ([lake.ErrOverwrites]): some accept the header and replace the object all the same.
// Google Cloud Storage has conditions of another kind, which this package does not
// speak, and refuses or ignores this one: it is told apart in the same way.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/servestat/servestat/schemas/lake"
)

// A Location is a bucket, a prefix in it, and how to reach it.
type Location struct {
	Bucket string
	Prefix string // without slashes at its ends; empty for the whole bucket
	// Endpoint is the URL of a store other than AWS.
	Endpoint string
	Region   string
	// PathStyle has the bucket in the path, HostStyle in the host's name. Where
	// neither is said, AWS is asked by host name and another endpoint by path.
	PathStyle, HostStyle bool
}

// schemes are those of stores that are known, and not to be had here.
var schemes = map[string]string{
	"gs":    "Google Cloud Storage has no conditional writes of S3's kind, so two writers could lose each other's runs",
	"gcs":   "Google Cloud Storage has no conditional writes of S3's kind, so two writers could lose each other's runs",
	"az":    "Azure Blob Storage speaks another protocol",
	"abfs":  "Azure Blob Storage speaks another protocol",
	"http":  "a store is named s3://bucket/prefix?endpoint=http://host:port",
	"https": "a store is named s3://bucket/prefix?endpoint=https://host",
}

// Is reports whether text is the URI of a store, one of ours or not, and no path.
func Is(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, `/\.`)
}

// Parse reads s3://bucket/prefix?endpoint=URL&region=NAME&path-style=0|1.
func Parse(text string) (Location, error) {
	var loc Location
	u, err := url.Parse(text)
	if err != nil {
		return loc, fmt.Errorf("%s: no URI: %w", text, errors.Unwrap(err))
	}
	if u.Scheme != "s3" {
		why, ok := schemes[u.Scheme]
		if !ok {
			why = "want s3://bucket/prefix"
		}
		return loc, fmt.Errorf("%s: %s:// is not understood: %s", u.Redacted(), u.Scheme, why)
	}
	if u.User != nil {
		return loc, fmt.Errorf("%s: credentials have no place in a URI: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE", u.Redacted())
	}
	if u.Fragment != "" || u.Host == "" || u.Port() != "" {
		return loc, fmt.Errorf("%s: want s3://bucket/prefix", text)
	}
	loc.Bucket, loc.Prefix = u.Host, strings.Trim(u.Path, "/")
	if strings.Contains(loc.Prefix, "//") || slices.ContainsFunc(strings.Split(loc.Prefix, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return loc, fmt.Errorf("%s: a prefix has no empty part, and none that is . or ..", text)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return loc, fmt.Errorf("%s: %w", text, err)
	}
	return loc, loc.set(text, query)
}

func (loc *Location) set(text string, query url.Values) error {
	for key, values := range query {
		if len(values) != 1 {
			return fmt.Errorf("%s: %s stands %d times", text, key, len(values))
		}
		switch value := values[0]; key {
		case "endpoint":
			e, err := url.Parse(value)
			if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil {
				return fmt.Errorf("%s: endpoint %q: want http://host:port or https://host", text, value)
			}
			loc.Endpoint = strings.TrimSuffix(value, "/")
		case "region":
			loc.Region = value
		case "path-style":
			loc.PathStyle, loc.HostStyle = value == "1", value == "0"
			if !loc.PathStyle && !loc.HostStyle {
				return fmt.Errorf("%s: path-style=%s: want 0 or 1", text, value)
			}
		default:
			return fmt.Errorf("%s: unknown %q: want endpoint, region or path-style", text, key)
		}
	}
	return nil
}

// String is the location as people name it, without how to reach it.
func (loc Location) String() string {
	return strings.TrimSuffix("s3://"+loc.Bucket+"/"+loc.Prefix, "/")
}

// URI is the location with all that is needed to reach it.
func (loc Location) URI() string {
	query := url.Values{}
	if loc.Endpoint != "" {
		query.Set("endpoint", loc.Endpoint)
	}
	if loc.HostStyle {
		query.Set("path-style", "0")
	}
	if loc.PathStyle {
		query.Set("path-style", "1")
	}
	if loc.Region != "" {
		query.Set("region", loc.Region)
	}
	if len(query) == 0 {
		return loc.String()
	}
	return loc.String() + "?" + query.Encode()
}

// A Bucket is the objects at a location. It is a [lake.Store].
type Bucket struct {
	Location
	client *s3.Client
	pause  func(ctx context.Context, n int) error
}

var _ lake.Store = (*Bucket)(nil)

// Open returns the bucket at a location, with credentials as every tool for AWS finds
// them: the environment, profiles, the machine. It asks nothing of the bucket.
func Open(ctx context.Context, loc Location) (*Bucket, error) { return open(ctx, loc, nil) }

func open(ctx context.Context, loc Location, transport http.RoundTripper) (*Bucket, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
			t.ResponseHeaderTimeout = answerLimit
		})),
		// What is published has its digest in its name, and stores beside AWS do not
		// all know the newer checksums.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithLogger(logging.Nop{}), // what it warns of comes back as an error
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if loc.Region != "" {
		options = append(options, config.WithRegion(loc.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", loc, err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if transport != nil {
			o.HTTPClient, o.RetryMaxAttempts = &http.Client{Transport: transport}, 1
		}
		if loc.Endpoint != "" {
			o.BaseEndpoint = aws.String(loc.Endpoint)
		}
		o.UsePathStyle = loc.PathStyle || o.BaseEndpoint != nil && !loc.HostStyle
	})
	if loc.Endpoint == "" { // what the environment or a profile says
		loc.Endpoint = aws.ToString(client.Options().BaseEndpoint)
	}
	return &Bucket{Location: loc, client: client, pause: pause}, nil
}

// At is the same bucket at another prefix; at none it is the whole bucket.
func (b *Bucket) At(prefix string) *Bucket {
	other := *b
	other.Prefix = prefix
	return &other
}

// key is the object's key that a name stands for.
func (b *Bucket) key(name string) string {
	if b.Prefix == "" {
		return name
	}
	return b.Prefix + "/" + name
}

// Get implements [lake.Store].
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return b.get(ctx, name, nil)
}

// GetRange implements [lake.Store].
func (b *Bucket) GetRange(ctx context.Context, name string, from, n int64) (io.ReadCloser, error) {
	if n <= 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return b.get(ctx, name, aws.String(fmt.Sprintf("bytes=%d-%d", from, from+n-1)))
}

func (b *Bucket) get(ctx context.Context, name string, part *string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Bucket, Key: aws.String(b.key(name)), Range: part})
	if err != nil {
		cancel()
		return nil, b.explain("get", name, err)
	}
	return newPatient(out.Body, cancel), nil
}

// Stat implements [lake.Store].
func (b *Bucket) Stat(ctx context.Context, name string) (lake.Entry, error) {
	e, _, err := b.stat(ctx, name)
	return e, err
}

// stat also returns the mark of the put that made the object.
func (b *Bucket) stat(ctx context.Context, name string) (e lake.Entry, mark string, err error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Bucket, Key: aws.String(b.key(name))})
	if err != nil {
		return lake.Entry{}, "", b.explain("stat", name, err)
	}
	e = lake.Entry{Name: name, Size: aws.ToInt64(out.ContentLength), ModTime: aws.ToTime(out.LastModified), Version: aws.ToString(out.ETag)}
	return e, out.Metadata[markKey], nil
}

// List implements [lake.Store].
func (b *Bucket) List(ctx context.Context, folder string, each func(lake.Entry) error) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.Bucket, Prefix: aws.String(b.key(folder))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.explain("list", folder, err)
		}
		for _, o := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(o.Key), b.key(""))
			err := each(lake.Entry{Name: name, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified), Version: aws.ToString(o.ETag)})
			if errors.Is(err, fs.SkipAll) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete implements [lake.Store].
func (b *Bucket) Delete(ctx context.Context, name string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Bucket, Key: aws.String(b.key(name))})
	if err = b.explain("delete", name, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// explain makes of a store's answer what callers tell apart.
func (b *Bucket) explain(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	status, code := answer(err)
	what := fmt.Sprintf("%s s3://%s/%s", verb, b.Bucket, b.key(name))
	switch {
	case code == "NoSuchBucket":
		return fmt.Errorf("%s: there is no bucket %s: make it first", what, b.Bucket)
	case status == http.StatusNotFound:
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w (%s): these credentials may not", what, fs.ErrPermission, code)
	case status == http.StatusMovedPermanently || code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed":
		return fmt.Errorf("%s: the bucket is in another region: say ?region=…: %w", what, err)
	case code == "NotImplemented":
		return fmt.Errorf("%s: %w: %w", what, lake.ErrOverwrites, err)
	case noCredentials(err):
		return fmt.Errorf("%s: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// noCredentials reports whether a request was not made because there was nothing to
// sign it with.
func noCredentials(err error) bool {
	return strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity")
}

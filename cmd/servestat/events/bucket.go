package events

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrNotAllowed is returned for an object that nobody may read by way of an event.
var ErrNotAllowed = errors.New("not a bucket from which objects may be taken")

// A Bucket is one that events may speak of. It is a folder of this machine, or lies at
// a URI.
type Bucket struct {
	Name   string `yaml:"name"`   // as events say it
	Prefix string `yaml:"prefix"` // keys begin with it
	Tenant string `yaml:"tenant"` // whose lake its objects go to; only this tenant's events count
	Folder string `yaml:"folder"`
	URI    string `yaml:"uri"` // s3://bucket/prefix
}

// Settle takes from the URI what need not be said twice, and refuses what is said
// otherwise.
func (b *Bucket) Settle() error {
	if (b.Folder == "") == (b.URI == "") {
		return errors.New("want a folder or a uri")
	}
	if b.Folder != "" {
		if b.Name == "" {
			return errors.New("it has no name")
		}
		return nil
	}
	u, err := url.Parse(b.URI)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return fmt.Errorf("uri %q: want s3://bucket/prefix", b.URI)
	}
	if b.Name != "" && b.Name != u.Host {
		return fmt.Errorf("uri %q: events name the bucket %s, and it is called %s here", b.URI, u.Host, b.Name)
	}
	b.Name = u.Host
	below := strings.Trim(u.Path, "/")
	if below != "" {
		below += "/"
	}
	if !strings.HasPrefix(b.Prefix, below) {
		if b.Prefix != "" {
			return fmt.Errorf("uri %q: the prefix %s is not below it", b.URI, b.Prefix)
		}
		b.Prefix = below
	}
	return nil
}

// Allowed are the buckets that events may speak of: what is not listed is not read,
// whoever asks.
type Allowed []Bucket

// Find gives the bucket in which an event of a tenant may have an object read.
func (a Allowed) Find(tenant string, o Object) (Bucket, error) {
	for _, b := range a {
		if b.Name == o.Bucket && b.Tenant == tenant && strings.HasPrefix(o.Key, b.Prefix) {
			return b, nil
		}
	}
	return Bucket{}, fmt.Errorf("%s: %w", o.Bucket, ErrNotAllowed)
}

package access

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/cmd/servestat/events"
)

// A Scope is something that a caller may do.
type Scope string

const (
	Upload Scope = "upload" // hand in results, and events about them
	Read   Scope = "read"   // runs and reports
	SQL    Scope = "sql"    // any question
	Admin  Scope = "admin"  // the server's own figures; and everything else
)

// Scopes are all there are.
func Scopes() []Scope { return []Scope{Upload, Read, SQL, Admin} }

// A Principal is a caller whose credential was good.
type Principal struct {
	Name   string // by which the log knows it
	Kind   string // token, oidc, webhook or local
	Tenant string // whose lake its own is; empty where there is one lake
	scopes []Scope
}

// Local is who calls where no credential is asked for: this machine's user.
func Local() *Principal { return &Principal{Name: "local", Kind: "local", scopes: Scopes()} }

// May reports whether the caller may do something.
func (p *Principal) May(s Scope) bool {
	return slices.Contains(p.scopes, s) || slices.Contains(p.scopes, Admin)
}

// A File is what an access file holds.
type File struct {
	Tokens   []Token        `yaml:"tokens"`
	OIDC     []Rule         `yaml:"oidc"`
	Webhooks []Webhook      `yaml:"webhooks"`
	Buckets  events.Allowed `yaml:"buckets"`
}

// A Token is a bearer token, of which only the digest is known.
type Token struct {
	Name    string    `yaml:"name"`
	ID      string    `yaml:"id"`
	SHA256  string    `yaml:"sha256"`
	Scopes  []Scope   `yaml:"scopes,flow"`
	Tenant  string    `yaml:"tenant,omitempty"`
	Expires time.Time `yaml:"expires,omitempty"`
}

// A Rule lets in those to whom an issuer gave an identity token.
type Rule struct {
	Name     string            `yaml:"name"`
	Issuer   string            `yaml:"issuer"`
	Audience string            `yaml:"audience"`
	Subject  string            `yaml:"subject"` // * stands for anything
	Claims   map[string]string `yaml:"claims"`  // likewise
	Scopes   []Scope           `yaml:"scopes,flow"`
	Tenant   string            `yaml:"tenant"`
}

// A Webhook is a sender who signs as the Standard Webhooks specification says.
type Webhook struct {
	Name       string `yaml:"name"`
	SecretFile string `yaml:"secret_file"` // holds whsec_… or base64
	Tenant     string `yaml:"tenant"`

	key []byte
}

// mostFile is far more than a person maintains.
const mostFile = 4 << 20

func readFile(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostFile))
	if err != nil {
		return nil, err
	}
	file, err := parseFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range file.Webhooks {
		if err := file.Webhooks[i].readSecret(); err != nil {
			return nil, fmt.Errorf("%s: webhook %s: %w", name, file.Webhooks[i].Name, err)
		}
	}
	return file, nil
}

func parseFile(text []byte) (*File, error) {
	var f File
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &f, f.check()
}

// check refuses a file that lets in more than it seems to.
func (f *File) check() error {
	names, ids := map[string]bool{}, map[string]bool{}
	for i := range f.Tokens {
		t := &f.Tokens[i]
		if err := errors.Join(checkName(names, t.Name), checkScopes(t.Scopes), checkTenant(t.Tenant), t.check(ids)); err != nil {
			return fmt.Errorf("tokens[%d] %s: %w", i, t.Name, err)
		}
	}
	for i, r := range f.OIDC {
		if err := errors.Join(checkName(names, r.Name), checkScopes(r.Scopes), checkTenant(r.Tenant), r.check()); err != nil {
			return fmt.Errorf("oidc[%d] %s: %w", i, r.Name, err)
		}
	}
	for i, w := range f.Webhooks {
		if err := errors.Join(checkName(names, w.Name), checkTenant(w.Tenant)); err != nil {
			return fmt.Errorf("webhooks[%d] %s: %w", i, w.Name, err)
		}
	}
	for i := range f.Buckets {
		b := &f.Buckets[i]
		if err := errors.Join(checkTenant(b.Tenant), b.Settle()); err != nil {
			return fmt.Errorf("buckets[%d] %s: %w", i, b.Name, err)
		}
	}
	return f.checkTenants()
}

// checkTenants wants all to have a tenant, or none: a tenant's lake lies below the
// folder that would otherwise be the lake itself.
func (f *File) checkTenants() error {
	var with, without string
	for name, tenant := range f.tenants() {
		if tenant == "" {
			without = name
		} else {
			with = name
		}
	}
	if with != "" && without != "" {
		return fmt.Errorf("%s has a tenant and %s has none: either all have one, and a lake each, or none has", with, without)
	}
	return nil
}

// tenants yields everybody who has a tenant or none, with it.
func (f *File) tenants() func(yield func(name, tenant string) bool) {
	return func(yield func(name, tenant string) bool) {
		for _, t := range f.Tokens {
			if !yield(t.Name, t.Tenant) {
				return
			}
		}
		for _, r := range f.OIDC {
			if !yield(r.Name, r.Tenant) {
				return
			}
		}
		for _, w := range f.Webhooks {
			if !yield(w.Name, w.Tenant) {
				return
			}
		}
		for _, b := range f.Buckets {
			if !yield("bucket "+b.Name, b.Tenant) {
				return
			}
		}
	}
}

func checkName(names map[string]bool, name string) error {
	if name == "" {
		return errors.New("it has no name, by which the log would know it")
	}
	if names[name] {
		return errors.New("another has the same name")
	}
	names[name] = true
	return nil
}

func checkScopes(scopes []Scope) error {
	if len(scopes) == 0 {
		return errors.New("it has no scopes")
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return fmt.Errorf("unknown scope %q: want upload, read, sql or admin", s)
		}
	}
	return nil
}

// tenantName is what may be the name of a folder, and of a prefix in a bucket,
// everywhere.
var tenantName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkTenant(name string) error {
	if name != "" && !tenantName.MatchString(name) {
		return fmt.Errorf("tenant %q: want at most 63 small letters, digits and dashes", name)
	}
	return nil
}

func (t *Token) check(ids map[string]bool) error {
	if t.ID == "" || ids[t.ID] {
		return errors.New("it has no id of its own")
	}
	ids[t.ID] = true
	if sum, err := hex.DecodeString(t.SHA256); err != nil || len(sum) != 32 {
		return errors.New("sha256 is no digest of 64 hex digits")
	}
	return nil
}

// check wants a rule to say whose tokens it is about: an issuer such as GitHub
// gives tokens to everybody.
func (r *Rule) check() error {
	u, err := url.Parse(r.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return fmt.Errorf("issuer %q: want an https URL", r.Issuer)
	}
	if r.Audience == "" {
		return errors.New("it has no audience, so that a token for another service would do")
	}
	if strings.Trim(r.Subject, "*") == "" && len(r.Claims) == 0 {
		return errors.New("it has neither subject nor claims, so that everybody to whom the issuer gives tokens would be let in")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

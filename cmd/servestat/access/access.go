package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/servestat/servestat/cmd/servestat/events"
)

// ErrUnavailable is returned where nobody can say now whether a credential is good:
// its issuer does not answer.
var ErrUnavailable = errors.New("cannot tell now whether the credential is good")

// A Denied is a credential that is not good. Why is for the log: the caller is told
// no more than that.
type Denied struct{ Why string }

func (d *Denied) Error() string { return "denied: " + d.Why }

func denied(format string, args ...any) error { return &Denied{fmt.Sprintf(format, args...)} }

// A Guard knows who may call.
type Guard struct {
	name string
	warn func(string)
	now  func() time.Time

	mu      sync.Mutex
	file    *File
	looked  time.Time // at whether the file has changed
	changed stamp
	issuers map[string]*issuer
	seen    replays
}

// stamp tells one state of a file from the next.
type stamp struct {
	time time.Time
	size int64
}

// Open reads an access file. warn is told where the file was changed into one that
// cannot be used; what it said before holds on.
func Open(name string, warn func(string)) (*Guard, error) {
	g := &Guard{name: name, warn: warn, now: time.Now, issuers: map[string]*issuer{}}
	at, err := stampOf(name)
	if err != nil {
		return nil, err
	}
	if g.file, err = readFile(name); err != nil {
		return nil, err
	}
	g.changed, g.looked = at, g.now()
	return g, nil
}

func stampOf(name string) (stamp, error) {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// rereadEvery is how old what is known of the file may be.
const rereadEvery = time.Second

// current is what the file says, read again where it changed.
func (g *Guard) current() *File {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Sub(g.looked) < rereadEvery {
		return g.file
	}
	g.looked = now
	at, err := stampOf(g.name)
	if err == nil && at == g.changed {
		return g.file
	}
	var next *File
	if err == nil {
		next, err = readFile(g.name)
	}
	if err == nil && next.Tenancy() != g.file.Tenancy() {
		err = errors.New("tenants came or went: start the server again")
	}
	if err != nil {
		if at != g.changed { // once for each change
			g.warn(fmt.Sprintf("access file: %v; what it said before holds on", err))
		}
		g.changed = at
		return g.file
	}
	g.file, g.changed = next, at
	return g.file
}

// Tenancy reports whether each caller has a tenant.
func (f *File) Tenancy() bool {
	for _, tenant := range f.tenants() {
		return tenant != ""
	}
	return false
}

// Tenancy reports whether each caller has a tenant.
func (g *Guard) Tenancy() bool { return g.current().Tenancy() }

// Tenants are those that are named, sorted; the empty one where nobody has a tenant.
func (g *Guard) Tenants() []string {
	names := map[string]bool{}
	for _, tenant := range g.current().tenants() {
		names[tenant] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Buckets are those that events may speak of.
func (g *Guard) Buckets() events.Allowed { return g.current().Buckets }

// Bearer says who has a bearer token: one of the file, or an issuer's.
func (g *Guard) Bearer(ctx context.Context, token string) (*Principal, error) {
	if strings.Count(token, ".") == 2 {
		return g.oidc(ctx, token)
	}
	return g.static(token)
}

func (g *Guard) static(text string) (*Principal, error) {
	id, ok := tokenID(text)
	if !ok {
		return nil, denied("no token of servestat")
	}
	sum := sha256.Sum256([]byte(text))
	for _, t := range g.current().Tokens {
		if t.ID != id {
			continue
		}
		want, err := hex.DecodeString(t.SHA256)
		if err != nil || subtle.ConstantTimeCompare(sum[:], want) != 1 {
			return nil, denied("token %s: another secret than that of %s", id, t.Name)
		}
		if !t.Expires.IsZero() && !g.now().Before(t.Expires) {
			return nil, denied("token %s (%s) expired at %s", id, t.Name, t.Expires.Format(time.RFC3339))
		}
		return &Principal{Name: t.Name, Kind: "token", Tenant: t.Tenant, scopes: t.Scopes}, nil
	}
	return nil, denied("token %s is not in the access file", id)
}

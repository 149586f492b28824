package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// An issuer is one whose tokens are verified. What is asked of it is where its keys
// are, and the keys: both under the name that the access file gives, never under one
// that a token gives.
type issuer struct {
	url string

	mu       sync.Mutex
	provider *oidc.Provider
	failed   time.Time
	err      error
}

// issuerTimeout bounds how long an issuer may take to answer, and retryIssuer how
// soon it is asked again after it did not.
const (
	issuerTimeout = 10 * time.Second
	retryIssuer   = 10 * time.Second
)

func (i *issuer) verifier() (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.provider == nil && time.Since(i.failed) > retryIssuer {
		// The provider keeps its context for as long as it fetches keys, so that of the
		// request would not do.
		ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: issuerTimeout})
		if i.provider, i.err = oidc.NewProvider(ctx, i.url); i.err != nil {
			i.provider, i.failed = nil, time.Now()
		}
	}
	if i.provider == nil {
		return nil, fmt.Errorf("%w: issuer %s: %w", ErrUnavailable, i.url, i.err)
	}
	return i.provider.Verifier(&oidc.Config{SkipClientIDCheck: true}), nil // each rule has its audience
}

func (g *Guard) issuer(url string) *issuer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.issuers[url] == nil {
		g.issuers[url] = &issuer{url: url}
	}
	return g.issuers[url]
}

// oidc says who has an identity token: the first rule that fits says what it may do.
func (g *Guard) oidc(ctx context.Context, text string) (*Principal, error) {
	claimed, err := issuerOf(text)
	if err != nil {
		return nil, err
	}
	var rules []Rule
	for _, r := range g.current().OIDC {
		if r.Issuer == claimed {
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		return nil, denied("identity token: no rule for the issuer %.200q", claimed)
	}
	verifier, err := g.issuer(claimed).verifier()
	if err != nil {
		return nil, err
	}
	token, err := verifier.Verify(ctx, text)
	if err != nil {
		return nil, denied("identity token: %v", err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, denied("identity token: %v", err)
	}
	for _, r := range rules {
		if r.fits(token, claims) {
			return &Principal{Name: r.Name + ":" + token.Subject, Kind: "oidc", Tenant: r.Tenant, scopes: r.Scopes}, nil
		}
	}
	return nil, denied("identity token of %.200q for %.200q: no rule fits", token.Subject, token.Audience)
}

// issuerOf is what a token says of its issuer, before anything of it is known to be
// true: it selects the rules, and no more.
func issuerOf(text string) (string, error) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err = errors.Join(err, json.Unmarshal(payload, &claims)); err != nil {
		return "", denied("identity token: %v", err)
	}
	return claims.Issuer, nil
}

func (r *Rule) fits(token *oidc.IDToken, claims map[string]any) bool {
	if !slices.Contains(token.Audience, r.Audience) || r.Subject != "" && !glob(r.Subject, token.Subject) {
		return false
	}
	for name, pattern := range r.Claims {
		value, ok := claims[name].(string)
		if b, isBool := claims[name].(bool); isBool {
			value, ok = fmt.Sprint(b), true
		}
		if !ok || !glob(pattern, value) {
			return false
		}
	}
	return true
}

// glob matches with * for anything.
func glob(pattern, text string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	return regexp.MustCompile(`(?s)\A` + quoted + `\z`).MatchString(text)
}

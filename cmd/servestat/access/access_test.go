package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// guard opens an access file of this text, with a clock that the test moves.
func guard(t *testing.T, text string) (g *Guard, name string, clock *time.Time) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "access.yaml")
	write(t, name, text)
	g, err := Open(name, func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	g.now = func() time.Time { return now }
	return g, name, &now
}

func wantDenied(t *testing.T, err error, why string) {
	t.Helper()
	var d *Denied
	if !errors.As(err, &d) || !strings.Contains(d.Why, why) {
		t.Errorf("%v, want denied for %q", err, why)
	}
}

// A token is known by its id and let in by its secret; the file holds neither the
// token nor anything that it could be made of.
func TestTokens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.yaml")
	write(t, name, "# ours\ntokens: []\n")
	text, token := NewToken()
	token.Name, token.Scopes, token.Tenant = "nightly", []Scope{Upload, Read}, "team-a"
	token.Expires = time.Now().Add(time.Hour).UTC()
	if err := AddToken(name, token); err != nil {
		t.Fatal(err)
	}
	if err := AddToken(name, token); err == nil || !strings.Contains(err.Error(), "another has the same name") {
		t.Errorf("the same name twice: %v", err)
	}
	kept, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(kept), "# ours") || strings.Contains(string(kept), strings.Split(text, "_")[2]) {
		t.Errorf("the file is\n%s", kept)
	}
	g, err := Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.Bearer(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "nightly" || p.Tenant != "team-a" || !p.May(Upload) || !p.May(Read) || p.May(SQL) || p.May(Admin) {
		t.Errorf("%+v", p)
	}
	other, _ := NewToken()
	id, _ := tokenID(text)
	_, secret, _ := strings.Cut(strings.TrimPrefix(other, "svst_"), "_")
	for text, why := range map[string]string{
		"":                          "no token",
		"svst_":                     "no token",
		text[:len(text)-1]:          "no token",
		text + "x":                  "no token",
		other:                       "not in the access file",
		"svst_" + id + "_" + secret: "another secret",
		token.SHA256:                "no token",
	} {
		_, err := g.Bearer(t.Context(), text)
		wantDenied(t, err, why)
	}
	g.now = func() time.Time { return token.Expires }
	_, err = g.Bearer(t.Context(), text)
	wantDenied(t, err, "expired")
}

// A token that is taken out of the file is of no use a second later; a file that
// was broken while it was edited locks nobody out, and lets nobody in.
func TestTheFileIsReadAgain(t *testing.T) {
	text, token := NewToken()
	entry := fmt.Sprintf("tokens: [{name: ci, id: %s, sha256: %s, scopes: [upload]}]\n", token.ID, token.SHA256)
	g, name, clock := guard(t, entry)
	may := func() bool {
		*clock = clock.Add(2 * rereadEvery)
		_, err := g.Bearer(t.Context(), text)
		return err == nil
	}
	var said []string
	g.warn = func(s string) { said = append(said, s) }
	if !may() {
		t.Fatal("not let in")
	}
	write(t, name, entry+"nonsense: [\n")
	stays := []bool{may(), may()}
	if !stays[0] || !stays[1] || len(said) != 1 {
		t.Errorf("locked out by a broken file, or not told once: %q", said)
	}
	write(t, name, strings.Replace(entry, "}]", ", tenant: a}]", 1))
	if !may() || len(said) != 2 || !strings.Contains(said[1], "start the server again") {
		t.Errorf("tenants came: %q", said)
	}
	write(t, name, "tokens: []\n")
	if may() {
		t.Error("let in after the token was taken out")
	}
}

// What an access file may not say: each of these lets in more than its author meant.
func TestAccessFilesThatAreRefused(t *testing.T) {
	const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, c := range []struct{ text, want string }{
		{"token: []", "field token not found"},
		{"tokens: [{name: a, id: x, sha256: " + sum + "}]", "no scopes"},
		{"tokens: [{name: a, id: x, sha256: " + sum + ", scopes: [all]}]", `unknown scope "all"`},
		{"tokens: [{name: a, id: x, sha256: secret, scopes: [read]}]", "no digest"},
		{"tokens: [{id: x, sha256: " + sum + ", scopes: [read]}]", "no name"},
		{"tokens: [{name: a, id: x, sha256: " + sum + ", scopes: [read], tenant: ../b}]", "small letters"},
		{"tokens: [{name: a, id: x, sha256: " + sum + ", scopes: [read], tenant: a}, {name: b, id: y, sha256: " + sum + ", scopes: [read]}]", "a has a tenant and b has none"},
		{"tokens: [{name: a, id: x, sha256: " + sum + ", scopes: [read]}, {name: b, id: x, sha256: " + sum + ", scopes: [read]}]", "no id of its own"},
		{"oidc: [{name: a, issuer: 'http://issuer.example', audience: s, subject: x, scopes: [read]}]", "https"},
		{"oidc: [{name: a, issuer: 'https://issuer.example', subject: x, scopes: [read]}]", "no audience"},
		{"oidc: [{name: a, issuer: 'https://issuer.example', audience: s, subject: '*', scopes: [read]}]", "everybody"},
		{"webhooks: [{name: a}]", "secret_file"},
		{"buckets: [{name: a}]", "a folder or a uri"},
		{"buckets: [{name: a, uri: 's3://b/inbox'}]", "called a here"},
	} {
		name := filepath.Join(t.TempDir(), "access.yaml")
		write(t, name, c.text)
		if _, err := Open(name, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzAccessFile(f *testing.F) {
	f.Add("tokens: [{name: a, id: x, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, scopes: [upload], tenant: b}]")
	f.Add("oidc: [{name: a, issuer: 'https://issuer.example', audience: s, subject: 'repo:a/b:*', claims: {ref: x}, scopes: [read]}]")
	f.Add("buckets: [{name: a, folder: b, prefix: c, tenant: d}]")
	f.Add("buckets: [{uri: 's3://a/b', tenant: d}]")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseFile([]byte(text))
		if err != nil {
			return
		}
		for name, tenant := range file.tenants() {
			if (tenant != "") != file.Tenancy() || tenant != "" && !tenantName.MatchString(tenant) {
				t.Errorf("%s: tenant %q", name, tenant)
			}
		}
		for _, r := range file.OIDC {
			if r.Audience == "" || strings.Trim(r.Subject, "*") == "" && len(r.Claims) == 0 {
				t.Errorf("%+v lets everybody in", r)
			}
		}
	})
}

// An idp is an issuer of identity tokens.
type idp struct {
	*httptest.Server
	key   *rsa.PrivateKey
	asked atomic.Int64
}

func newIssuer(t *testing.T) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &idp{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// sign makes a token of claims, which overrule those of a good one.
func (i *idp) sign(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{
		"iss": i.URL, "aud": "servestat", "sub": "repo:acme/bench:ref:refs/heads/main", "repository_owner": "acme",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	for k, v := range claims {
		all[k] = v
	}
	text, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A workflow of GitHub Actions has no secret: its identity token says which
// repository and branch it is of, and the file says which may come in.
func TestIdentityTokens(t *testing.T) {
	good, evil := newIssuer(t), newIssuer(t)
	g, _, _ := guard(t, fmt.Sprintf(`
oidc:
  - {name: actions, issuer: %q, audience: servestat, subject: "repo:acme/bench:*", claims: {repository_owner: acme}, scopes: [upload], tenant: team-a}
`, good.URL))
	p, err := g.Bearer(t.Context(), good.sign(t, jose.RS256, good.key, nil))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "actions:repo:acme/bench:ref:refs/heads/main" || p.Tenant != "team-a" || !p.May(Upload) || p.May(Read) {
		t.Errorf("%+v", p)
	}
	public, err := json.Marshal(good.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good.sign(t, jose.RS256, good.key, nil), ".")[1] + "."
	for _, c := range []struct{ name, text, why string }{
		{"another repository of the same name's beginning", good.sign(t, jose.RS256, good.key, map[string]any{"sub": "repo:acme/bench-evil:ref:refs/heads/main"}), "no rule fits"},
		{"another owner", good.sign(t, jose.RS256, good.key, map[string]any{"repository_owner": "evil"}), "no rule fits"},
		{"another service's audience", good.sign(t, jose.RS256, good.key, map[string]any{"aud": "other"}), "no rule fits"},
		{"expired", good.sign(t, jose.RS256, good.key, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), "expired"},
		{"another's key", good.sign(t, jose.RS256, evil.key, nil), "identity token"},
		{"another's issuer", evil.sign(t, jose.RS256, evil.key, nil), "no rule for the issuer"},
		{"an issuer that is an address inside", good.sign(t, jose.RS256, good.key, map[string]any{"iss": "http://169.254.169.254/"}), "no rule for the issuer"},
		{"signed with the public key as a secret", good.sign(t, jose.HS256, public, nil), "identity token"},
		{"not signed", none, "identity token"},
		{"no JSON", "a.b.c", "identity token"},
	} {
		_, err := g.Bearer(t.Context(), c.text)
		if err == nil {
			t.Errorf("%s: let in", c.name)
			continue
		}
		wantDenied(t, err, c.why)
	}
	if n := evil.asked.Load(); n != 0 {
		t.Errorf("an issuer that no rule names was asked %d times: a token chose whom the server talks to", n)
	}
	if n := good.asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// An issuer that does not answer is no reason to let anybody in, nor to say that the
// token is bad, nor to be asked for each request.
func TestAnIssuerThatIsAway(t *testing.T) {
	away := newIssuer(t)
	g, _, _ := guard(t, fmt.Sprintf(`oidc: [{name: a, issuer: %q, audience: servestat, subject: x, scopes: [upload]}]`, away.URL))
	text := away.sign(t, jose.RS256, away.key, nil)
	away.Close()
	for range 3 {
		if _, err := g.Bearer(context.Background(), text); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
}

const webhookKey = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// signedBy makes the headers of a message as the Standard Webhooks specification
// says.
func signedBy(secret, id string, at time.Time, body string) http.Header {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return http.Header{
		webhookID: {id}, webhookTimestamp: {fmt.Sprint(at.Unix())},
		webhookSignature: {"v1,c29tZXRoaW5nIGVsc2U= v1a,x v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// A message counts if its sender signed it, lately, and only once; one that could
// not be acted upon may come again.
func TestWebhooks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, webhookKey+"\n")
	g, _, clock := guard(t, fmt.Sprintf("webhooks: [{name: inbox, secret_file: %q, tenant: team-a}]", secret))
	const body = `{"Records":[]}`
	h := signedBy(webhookKey, "msg_1", *clock, body)
	for range 2 { // not acted upon: it may come again
		p, _, err := g.Webhook(h, []byte(body))
		if err != nil || p.Name != "inbox" || p.Tenant != "team-a" || !p.May(Upload) || p.May(Read) {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	_, done, err := g.Webhook(h, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	done()
	_, _, err = g.Webhook(h, []byte(body))
	wantDenied(t, err, "replay")
	*clock = clock.Add(window - time.Second)
	_, _, err = g.Webhook(h, []byte(body))
	wantDenied(t, err, "replay")
	*clock = clock.Add(2 * time.Second)
	_, _, err = g.Webhook(h, []byte(body))
	wantDenied(t, err, "away from now")

	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of enough bytes"))
	twice := signedBy(webhookKey, "msg_3", *clock, body)
	twice.Add(webhookTimestamp, "1")
	dotted := signedBy(webhookKey, "msg.4", *clock, body)
	for _, c := range []struct {
		name string
		h    http.Header
		body string
		why  string
	}{
		{"another body", signedBy(webhookKey, "msg_2", *clock, body), body + " ", "no signature"},
		{"another secret", signedBy(other, "msg_2", *clock, body), body, "no signature"},
		{"from the future", signedBy(webhookKey, "msg_2", clock.Add(window+time.Minute), body), body, "away from now"},
		{"two times", twice, body, "one Webhook-Timestamp"},
		{"what is signed could be read two ways", dotted, body, "without a dot"},
		{"no time", http.Header{webhookID: {"m"}, webhookTimestamp: {"now"}, webhookSignature: {"v1,x"}}, body, "no number"},
		{"no signature", http.Header{webhookID: {"m"}, webhookTimestamp: {"1"}, webhookSignature: {""}}, body, "no signature"},
		{"a thousand signatures", http.Header{webhookID: {"m"}, webhookTimestamp: {"1"}, webhookSignature: {strings.Repeat("v1,eA== ", 1000)}}, body, "no signature"},
	} {
		_, _, err := g.Webhook(c.h, []byte(c.body))
		if err == nil {
			t.Errorf("%s: let in", c.name)
			continue
		}
		wantDenied(t, err, c.why)
	}
}

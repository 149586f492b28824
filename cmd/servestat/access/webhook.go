package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The headers of the Standard Webhooks specification: an id of the message, the
// second at which it was sent, and signatures of "id.timestamp.body".
const (
	webhookID        = "Webhook-Id"
	webhookTimestamp = "Webhook-Timestamp"
	webhookSignature = "Webhook-Signature"
)

// window is how far the sender's clock may be from ours, and so how long a message
// can be sent again by somebody who overheard it.
const window = 5 * time.Minute

// Signed reports whether a request carries a webhook's signature.
func Signed(h http.Header) bool { return h.Get(webhookSignature) != "" }

// readSecret reads the key that the sender signs with.
func (w *Webhook) readSecret() error {
	if w.SecretFile == "" {
		return errors.New("it has no secret_file")
	}
	text, err := os.ReadFile(w.SecretFile)
	if err != nil {
		return err
	}
	w.key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_"))
	if err != nil || len(w.key) < 24 {
		return fmt.Errorf("%s: want whsec_ and at least 24 random bytes as base64", w.SecretFile)
	}
	return nil
}

// Webhook says who signed a message. A message counts once: call done when it was
// acted upon, after which the same is refused as a replay; one that failed may be
// sent again. (A sender that tries again by itself signs again, with the time of
// that attempt.)
func (g *Guard) Webhook(h http.Header, body []byte) (p *Principal, done func(), err error) {
	id, at := h.Get(webhookID), h.Get(webhookTimestamp)
	if len(h.Values(webhookID)) != 1 || len(h.Values(webhookTimestamp)) != 1 || id == "" || len(id) > 256 || strings.Contains(id, ".") {
		return nil, nil, denied("webhook: want one %s without a dot and one %s", webhookID, webhookTimestamp)
	}
	second, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, nil, denied("webhook: %s %.30q is no number of seconds", webhookTimestamp, at)
	}
	signed := sign(id, at, body)
	w := g.signer(h.Values(webhookSignature), signed)
	if w == nil {
		return nil, nil, denied("webhook: no signature of its own")
	}
	now := g.now()
	if off := now.Sub(time.Unix(second, 0)); off > window || off < -window {
		return nil, nil, denied("webhook %s: sent %v away from now: the window is %v", w.Name, off.Round(time.Second), window)
	}
	key := sha256.Sum256(signed(w.key))
	if err := g.seen.check(key, now); err != nil {
		return nil, nil, fmt.Errorf("webhook %s: %w", w.Name, err)
	}
	return &Principal{Name: w.Name, Kind: "webhook", Tenant: w.Tenant, scopes: []Scope{Upload}}, func() { g.seen.add(key, now) }, nil
}

// sign gives a message's signature under a key.
func sign(id, at string, body []byte) func(key []byte) []byte {
	return func(key []byte) []byte {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, at)
		mac.Write(body)
		return mac.Sum(nil)
	}
}

// signer finds the sender one of whose signatures is among those of a message.
func (g *Guard) signer(headers []string, signed func(key []byte) []byte) *Webhook {
	given := strings.Fields(strings.Join(headers, " "))
	if len(given) > 16 { // a sender that changes its key has two
		return nil
	}
	file := g.current()
	for i := range file.Webhooks {
		want := signed(file.Webhooks[i].key)
		for _, text := range given {
			encoded, ok := strings.CutPrefix(text, "v1,")
			sum, err := base64.StdEncoding.DecodeString(encoded)
			if ok && err == nil && hmac.Equal(sum, want) {
				return &file.Webhooks[i]
			}
		}
	}
	return nil
}

// replays remembers what was acted upon, for as long as it could be sent again.
// It is in memory: after a restart a message can be replayed for what is left of
// its window, which does nothing that was not done already.
type replays struct {
	mu   sync.Mutex
	seen map[[32]byte]time.Time
}

const mostReplays = 1 << 17

func (r *replays) check(key [32]byte, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.seen[key]; ok && now.Sub(at) <= 2*window {
		return denied("a replay: the same message was acted upon already")
	}
	if len(r.seen) < mostReplays {
		return nil
	}
	for k, at := range r.seen {
		if now.Sub(at) > 2*window {
			delete(r.seen, k)
		}
	}
	if len(r.seen) >= mostReplays {
		return fmt.Errorf("%d messages in %v: %w", mostReplays, 2*window, ErrUnavailable)
	}
	return nil
}

func (r *replays) add(key [32]byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[[32]byte]time.Time{}
	}
	r.seen[key] = now
}

package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

const (
	inboxDir    = "inboxes/v1"
	inboxSchema = "servestat.inbox/1"
)

// A Settled says of the parts of an inbox that all of each, as it was when it had this
// print, is in the lake. It spares reading what has not changed and decides nothing
// else: without it, everything is read again and found to be known.
type Settled struct {
	Schema string                 `json:"schema"`
	Inbox  string                 `json:"inbox"` // for people
	Place  string                 `json:"place"` // a digest of which inbox, and how it was read
	Parts  map[string]SettledPart `json:"parts"` // by name
}

// A SettledPart counts what there was.
type SettledPart struct {
	Print       string `json:"print"` // a digest of what it follows from
	Uploads     int    `json:"uploads"`
	Quarantined int    `json:"quarantined,omitempty"`
	Skipped     int    `json:"skipped,omitempty"`
}

// Settled returns what is known of the inbox of a place; nil where that is nothing.
func (l *Lake) Settled(place string) (*Settled, error) {
	entries, err := l.settled(place)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	all := &Settled{Parts: map[string]SettledPart{}}
	for _, e := range entries { // one, unless two processes found different things at once
		one := &Settled{}
		if err := l.readJSON(e, inboxSchema, one); err != nil {
			return nil, err
		}
		all.Inbox, all.Place = one.Inbox, one.Place
		for name, part := range one.Parts {
			all.Parts[name] = part
		}
	}
	return all, nil
}

// settled lists the files about a place, by name.
func (l *Lake) settled(place string) ([]Entry, error) {
	entries, err := l.list(inboxDir)
	var of []Entry
	for _, e := range entries {
		if strings.HasPrefix(path.Base(e.Name), place+"-") {
			of = append(of, e)
		}
	}
	return of, err
}

// Settle publishes what is known of an inbox, and then removes what was known before.
// Where that may not be removed it stays, and does no harm.
func (l *Lake) Settle(known *Settled) error {
	before, err := l.settled(known.Place)
	if err != nil {
		return err
	}
	known.Schema = inboxSchema
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	name := fmt.Sprintf("%s/%s-%s.json", inboxDir, known.Place, hex.EncodeToString(sum[:8]))
	s, err := l.Begin()
	if err != nil {
		return err
	}
	_, err = s.Put(name, append(text, '\n'))
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	for _, e := range before {
		if e.Name == name {
			continue
		}
		if err := l.store.Delete(l.ctx, e.Name); err != nil && !ReadOnly(err) {
			return err
		}
	}
	return nil
}

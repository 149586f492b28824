package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/servestat/servestat/schemas"
)

// A Source says where an identity value came from. Sources are listed by
// authority, the highest first.
type Source int

// The sources of identity.
const (
	FromLabel     Source = iota // --label on the command line
	FromSidecar                 // servestat.yaml in the file's folder or above
	FromMetadata                // a --metadata key inside the result
	FromServerLog               // the server log beside the result
	FromPath                    // a path pattern
	numSources
)

func (s Source) String() string {
	return [...]string{"label", "sidecar", "metadata", "server_log", "path"}[s]
}

// Identity collects what is said about a run's server, by key and source. For
// each key the source of highest authority wins, and a disagreement is noted.
type Identity struct {
	values     map[string]*[numSources]string
	engineArgs map[string]string
	notes      []string
}

// NewIdentity returns an Identity in which nothing is known.
func NewIdentity() *Identity {
	return &Identity{values: map[string]*[numSources]string{}}
}

// Set records that source says key is value. An empty value says nothing.
func (id *Identity) Set(key, value string, from Source) {
	if value == "" {
		return
	}
	v := id.values[key]
	if v == nil {
		v = new([numSources]string)
		id.values[key] = v
	}
	v[from] = value
}

// Get returns the value of key with the highest authority.
func (id *Identity) Get(key string) (value string, from Source, ok bool) {
	v := id.values[key]
	if v == nil {
		return "", 0, false
	}
	for s, text := range v {
		if text != "" {
			return text, Source(s), true
		}
	}
	return "", 0, false
}

// clone returns a copy that can be added to.
func (id *Identity) clone() *Identity {
	c := &Identity{values: make(map[string]*[numSources]string, len(id.values)), engineArgs: id.engineArgs, notes: slices.Clone(id.notes)}
	for k, v := range id.values {
		w := *v
		c.values[k] = &w
	}
	return c
}

// digest identifies everything that the identity says.
func (id *Identity) digest(extra ...string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", extra)
	for _, k := range slices.Sorted(maps.Keys(id.values)) {
		fmt.Fprintf(h, "%q %q\n", k, *id.values[k])
	}
	for _, k := range slices.Sorted(maps.Keys(id.engineArgs)) {
		fmt.Fprintf(h, "arg %q %q\n", k, id.engineArgs[k])
	}
	fmt.Fprintf(h, "%q\n", id.notes)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// A setter writes an identity value into a run, or says what is wrong with it.
type setter func(r *schemas.Run, text string) error

// identityKeys are the keys that have a column; every other key is a free label.
var identityKeys = map[string]setter{
	"model":           setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Model }),
	"tokenizer":       setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Tokenizer }),
	"runtime":         setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Runtime }),
	"runtime_version": setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.RuntimeVersion }),
	"runtime_commit":  setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.RuntimeCommit }),
	"hardware":        setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Hardware }),
	"image":           setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Image }),
	"server_start":    setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.ServerStart }),
	"path_label":      setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.PathLabel }),
	"dataset":         setText(func(r *schemas.Run) *schemas.Opt[string] { return &r.Dataset }),
	"repeat":          setInt(func(r *schemas.Run) *schemas.Opt[int64] { return &r.Repeat }),
	"seed":            setInt(func(r *schemas.Run) *schemas.Opt[int64] { return &r.Seed }),
	"simulated":       setBool(func(r *schemas.Run) *schemas.Opt[bool] { return &r.Simulated }),
	"max_concurrency": setMaxConcurrency,
}

// metadataKeys are names under which people put identity into --metadata, and
// the key that each means.
var metadataKeys = map[string]string{
	"vllm_version": "runtime_version", "gpu": "hardware", "gpu_type": "hardware",
	"docker_image": "image", "container_image": "image", "commit": "runtime_commit", "vllm_commit": "runtime_commit",
	"run_number": "repeat",
}

// IdentityKeys returns the keys that have a column of their own, sorted.
func IdentityKeys() []string { return slices.Sorted(maps.Keys(identityKeys)) }

func setText(field func(*schemas.Run) *schemas.Opt[string]) setter {
	return func(r *schemas.Run, text string) error {
		*field(r) = schemas.Some(text)
		return nil
	}
}

func setInt(field func(*schemas.Run) *schemas.Opt[int64]) setter {
	return func(r *schemas.Run, text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*field(r) = schemas.Some(n)
		return nil
	}
}

func setBool(field func(*schemas.Run) *schemas.Opt[bool]) setter {
	return func(r *schemas.Run, text string) error {
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*field(r) = schemas.Some(b)
		return nil
	}
}

// setMaxConcurrency fills in a load that the result file does not state. What
// the file states was measured under, and nothing outside overrules it.
func setMaxConcurrency(r *schemas.Run, text string) error {
	var said schemas.Opt[int64]
	if err := setInt(func(*schemas.Run) *schemas.Opt[int64] { return &said })(r, text); err != nil {
		return err
	}
	if r.MaxConcurrency.OK && r.MaxConcurrency.V != said.V {
		return fmt.Errorf("%d contradicts the result file, which says %d and is believed", said.V, r.MaxConcurrency.V)
	}
	r.MaxConcurrency = said
	return nil
}

// CheckLabel reports what is wrong with a label given by the user, if anything.
func CheckLabel(key, value string) error {
	switch {
	case key == "":
		return fmt.Errorf("label %q=%.100q: want key=value", key, value)
	case value == "":
		return fmt.Errorf("label %s has no value: leave out what is not known", key)
	case len(value) > maxSaid:
		return fmt.Errorf("label %s: a text of %d bytes, want at most %d", key, len(value), maxSaid)
	}
	set, ok := identityKeys[key]
	if !ok {
		return nil
	}
	if err := set(&schemas.Run{}, value); err != nil {
		return fmt.Errorf("label %s: %w", key, err)
	}
	return nil
}

// addMetadata takes identity out of the keys of the result that are not the
// producer's own.
func (id *Identity) addMetadata(extra map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		key := name
		if meant, ok := metadataKeys[name]; ok {
			key = meant
		}
		if _, ok := identityKeys[key]; !ok {
			continue
		}
		if text, ok := scalarText(extra[name]); ok {
			id.Set(key, text, FromMetadata)
		}
	}
	if text, ok := scalarText(extra["simulator"]); ok && text != "" {
		id.Set("simulated", "true", FromMetadata)
	}
}

// scalarText returns a JSON string's value, or the text of a number or boolean.
func scalarText(raw string) (string, bool) {
	var s string
	if json.Unmarshal([]byte(raw), &s) == nil {
		return s, raw != "null"
	}
	if raw == "" || strings.ContainsAny(raw[:1], "{[n") {
		return "", false
	}
	return raw, true
}

// apply writes the identity into r: values, provenance, labels and notes. It
// returns the values that were used.
func (id *Identity) apply(r *schemas.Run) map[string]string {
	used := map[string]string{}
	r.Provenance = map[string]string{}
	r.Notes = append(r.Notes, id.notes...)
	if r.EngineArgs == nil { // a sweep may have said some
		r.EngineArgs = id.engineArgs
	} else {
		for k, v := range id.engineArgs { // the server's own log knows better
			r.EngineArgs[k] = v
		}
	}
	for _, key := range slices.Sorted(maps.Keys(id.values)) {
		text, from, _ := id.Get(key)
		set, known := identityKeys[key]
		if !known {
			if r.Labels == nil {
				r.Labels = map[string]string{}
			}
			r.Labels[key] = text
			used[key] = text
			r.Provenance[key] = from.String()
			continue
		}
		if err := set(r, text); err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s from %s: %v", key, from, err))
			continue
		}
		used[key] = text
		r.Provenance[key] = from.String()
		if note := id.disagreement(key); note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	sort.Strings(r.Notes)
	return used
}

// disagreement says which sources contradict the one that is used for key.
func (id *Identity) disagreement(key string) string {
	text, from, _ := id.Get(key)
	for s := from + 1; s < numSources; s++ {
		if other := id.values[key][s]; other != "" && other != text {
			return fmt.Sprintf("%s: %s says %q, %s says %q; the %s is used", key, from, text, s, other, from)
		}
	}
	return ""
}

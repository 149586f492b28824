// Package checkpoint reads what a model's config.json says that decides how it can
// be served. The log of a server does not repeat it: that a speculative method was
// refused is in the log, and that the checkpoint has no layers for it only here.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Name is what checkpoints call the file.
const Name = "config.json"

// maxSize bounds the bytes of the file that are read.
const maxSize = 4 << 20

// A Config is what a checkpoint's config.json says of it.
type Config struct {
	Type          string
	Architectures []string
	// MTPLayers are those for multi-token prediction; 0: it has none.
	MTPLayers int64
}

// file is the part of the file that is read. Families of models name their layers
// for multi-token prediction differently.
type file struct {
	Type          string   `json:"model_type"`
	Architectures []string `json:"architectures"`
	Nextn         int64    `json:"num_nextn_predict_layers"`
	MTPHidden     int64    `json:"mtp_num_hidden_layers"`
}

func (f *file) mtpLayers() int64 { return max(f.Nextn, f.MTPHidden) }

// Read reads a checkpoint's config.json. A model of several parts keeps what is
// asked here in its text part.
func Read(r io.Reader) (*Config, error) {
	var m struct {
		file
		Text *file `json:"text_config"`
	}
	err := json.NewDecoder(io.LimitReader(r, maxSize)).Decode(&m)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, fmt.Errorf("not a checkpoint's config.json: empty, cut short, or of more than %d bytes", maxSize)
	case errors.As(err, &kind):
		return nil, fmt.Errorf("not a checkpoint's config.json: byte %d: %s is a %s", kind.Offset, strings.TrimPrefix(kind.Field, "file."), kind.Value)
	case err != nil:
		return nil, fmt.Errorf("not a checkpoint's config.json: %w", err)
	}
	if m.Type == "" && len(m.Architectures) == 0 {
		return nil, errors.New("not a checkpoint's config.json: it names neither model_type nor architectures")
	}
	c := &Config{Type: m.Type, Architectures: m.Architectures, MTPLayers: m.mtpLayers()}
	if m.Text != nil && c.MTPLayers == 0 {
		c.MTPLayers = m.Text.mtpLayers()
	}
	return c, nil
}

// The labels by which a lake keeps what lay beside a server's log.
const (
	typeLabel   = "checkpoint_model_type"
	layersLabel = "checkpoint_mtp_layers"
)

// Labels are what the configuration says, for the lake.
func (c *Config) Labels() map[string]string {
	return map[string]string{typeLabel: c.Type, layersLabel: strconv.FormatInt(c.MTPLayers, 10)}
}

// OfLabels is the configuration that labels keep; nil where they keep none.
func OfLabels(labels map[string]string) *Config {
	layers, err := strconv.ParseInt(labels[layersLabel], 10, 64)
	if err != nil {
		return nil
	}
	return &Config{Type: labels[typeLabel], MTPLayers: layers}
}

package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tokenPrefix lets scanners for leaked secrets know what they have found.
const tokenPrefix = "svst"

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// tokenID is the part of a token by which it is found.
func tokenID(text string) (string, bool) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 || parts[0] != tokenPrefix || len(parts[1]) != 10 || len(parts[2]) != 52 || strings.Trim(parts[1], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return parts[1], true
}

// NewToken makes a token of 256 random bits: its text, which is shown once, and what
// is kept of it. A digest without salt and stretching will do, for there is nothing
// to guess.
func NewToken() (text string, t Token) {
	random := make([]byte, 6+32)
	rand.Read(random) // never fails
	t.ID = tokenText.EncodeToString(random[:6])
	text = tokenPrefix + "_" + t.ID + "_" + tokenText.EncodeToString(random[6:])
	sum := sha256.Sum256([]byte(text))
	t.SHA256 = hex.EncodeToString(sum[:])
	return text, t
}

// AddToken writes a token into an access file, which it makes where there is none.
// What else is in the file stays, comments too.
func AddToken(name string, t Token) error {
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if doc.Kind == 0 {
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	tokens, err := tokensIn(doc.Content[0])
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var entry yaml.Node
	if err := entry.Encode(t); err != nil {
		return err
	}
	tokens.Content = append(tokens.Content, &entry)
	if text, err = yaml.Marshal(&doc); err != nil {
		return err
	}
	if _, err := parseFile(text); err != nil { // with the token in it
		return fmt.Errorf("%s: %w", name, err)
	}
	return replace(name, text)
}

// tokensIn finds the list of tokens, or adds an empty one.
func tokensIn(file *yaml.Node) (*yaml.Node, error) {
	if file.Kind != yaml.MappingNode {
		return nil, errors.New("want a mapping of tokens, oidc, webhooks and buckets")
	}
	for i := 0; i+1 < len(file.Content); i += 2 {
		if file.Content[i].Value != "tokens" {
			continue
		}
		list := file.Content[i+1]
		if list.Tag == "!!null" {
			*list = yaml.Node{Kind: yaml.SequenceNode}
		}
		if list.Kind != yaml.SequenceNode {
			return nil, errors.New("tokens: want a list")
		}
		list.Style = 0
		return list, nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	file.Content = append(file.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "tokens"}, list)
	return list, nil
}

// replace writes a file whole or not at all, for its owner alone.
func replace(name string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".access-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.Rename(tmp.Name(), name)
}

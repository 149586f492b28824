package llmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/ingest/jsonrun"
	"github.com/servestat/servestat/ingest/jsonscan"
)

// documents are those of one upload.
type documents struct {
	text  []byte
	dec   *yaml.Decoder
	lines []int64 // where each line begins
	cut   bool    // the last line does not end
}

func newDocuments(text []byte) *documents {
	d := &documents{text: text, dec: yaml.NewDecoder(bytes.NewReader(text)), lines: []int64{0}}
	for i, b := range text {
		if b == '\n' {
			d.lines = append(d.lines, int64(i+1))
		}
	}
	isJSON := bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
	d.cut = len(text) > 0 && text[len(text)-1] != '\n' && !isJSON
	return d
}

// next reads the next document. It returns false behind the last.
func (d *documents) next(u *jsonrun.Upload) bool {
	var node yaml.Node
	err := d.decode(&node)
	if errors.Is(err, io.EOF) {
		return false
	}
	if err != nil {
		u.Lose(d.faultAt(err), "cannot be read as YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		d.dec = yaml.NewDecoder(strings.NewReader("")) // what follows cannot be told apart
		return true
	}
	if len(node.Content) == 0 || node.Content[0].Kind != yaml.MappingNode {
		u.Lose(d.offset(&node), "expected the object of a Benchmark Report")
		return true
	}
	d.report(u, node.Content[0])
	return true
}

// decode reads a document. The package panics on some texts that are no YAML.
func (d *documents) decode(node *yaml.Node) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the text is malformed")
		}
	}()
	return d.dec.Decode(node)
}

var faultLine = regexp.MustCompile(`line (\d+)`)

// faultAt is the beginning of the line that an error tells of.
func (d *documents) faultAt(err error) int64 {
	if m := faultLine.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return d.line(n)
	}
	return int64(len(d.text))
}

func (d *documents) line(n int) int64 { return d.lines[max(0, min(n-1, len(d.lines)-1))] }

// offset is where a node begins.
func (d *documents) offset(node *yaml.Node) int64 {
	return min(d.line(node.Line)+int64(max(node.Column-1, 0)), int64(len(d.text)))
}

// maxText bounds a text, such as the name of a model.
const maxText = 64 << 10

// prune leaves out texts that are too long, wherever they are.
func (d *documents) prune(u *jsonrun.Upload, node *yaml.Node, path string) {
	for i, n := range node.Content {
		name := path
		switch {
		case node.Kind == yaml.SequenceNode:
			name += strconv.Itoa(i) + "."
		case i%2 == 1:
			name += node.Content[i-1].Value + "."
		}
		if len(n.Value) <= maxText {
			d.prune(u, n, name)
			continue
		}
		u.Reject(d.offset(n), -1, "%s: found a text of %d bytes, expected at most %d", jsonrun.Shorten(strings.TrimSuffix(name, ".")), len(n.Value), maxText)
		n.Tag, n.Value, n.Style = "!!null", "null", 0
	}
}

// maxNesting bounds how far mappings are taken apart.
const maxNesting = 12

// flatten takes in the members of a mapping, under dotted keys.
func (d *documents) flatten(v *jsonrun.Values, node *yaml.Node, prefix string, depth int) {
	if len(node.Content) == 0 && prefix != "" {
		v.Set(strings.TrimSuffix(prefix, "."), "{}", d.offset(node))
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode && depth < maxNesting {
			d.flatten(v, value, name+".", depth+1)
			continue
		}
		v.Set(name, jsonText(value, depth), d.offset(value))
	}
}

// jsonText returns a node as JSON. What is nested without end, and a reference
// to another place, is told by its name only.
func jsonText(node *yaml.Node, depth int) string {
	const deepest = 50
	switch {
	case node.Kind == yaml.ScalarNode:
		return scalarText(node)
	case depth > deepest || node.Kind == yaml.AliasNode:
		return quote("*" + node.Value)
	}
	var b strings.Builder
	open, end := "[", "]"
	if node.Kind == yaml.MappingNode {
		open, end = "{", "}"
	}
	b.WriteString(open)
	for i, n := range node.Content {
		isKey := node.Kind == yaml.MappingNode && i%2 == 0
		switch {
		case i > 0 && node.Kind == yaml.MappingNode && !isKey:
			b.WriteByte(':')
		case i > 0:
			b.WriteByte(',')
		}
		if isKey {
			b.WriteString(quote(n.Value))
			continue
		}
		b.WriteString(jsonText(n, depth+1))
	}
	b.WriteString(end)
	return b.String()
}

// scalarText returns a scalar as JSON: a number as it is written, where JSON
// writes it so.
func scalarText(node *yaml.Node) string {
	switch node.ShortTag() {
	case "!!null":
		return "null"
	case "!!bool":
		return strconv.FormatBool(strings.EqualFold(node.Value, "true"))
	case "!!int", "!!float":
		return numberText(node)
	}
	return quote(node.Value)
}

func numberText(node *yaml.Node) string {
	if _, ok := jsonscan.ParseFloat([]byte(node.Value)); ok {
		return node.Value
	}
	var f float64
	if node.Decode(&f) != nil {
		return quote(node.Value)
	}
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// child returns the value of a key of a mapping, nil where there is none.
func child(node *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		if node == nil || node.Kind != yaml.MappingNode {
			return nil
		}
		var found *yaml.Node
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				found = node.Content[i+1]
			}
		}
		node = found
	}
	return node
}

// text returns the scalar at path, "" where there is none.
func text(node *yaml.Node, path ...string) string {
	n := child(node, path...)
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return ""
	}
	return n.Value
}

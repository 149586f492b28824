package lake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	manifestDir = "manifests/v1"
	receiptDir  = "receipts/v1"

	manifestSchema = "servestat.manifest/1"
	receiptSchema  = "servestat.receipt/1"
)

// BlockName returns the name of a table's block with digest sha256, in the day
// partition day (YYYY-MM-DD, or "unknown").
func BlockName(table, day, sha256 string) string {
	return fmt.Sprintf("blocks/v1/%s/day=%s/%s.parquet", table, day, sha256)
}

// RawName returns the name of the kept upload whose decompressed bytes have the
// digest sha256.
func RawName(sha256 string) string {
	return fmt.Sprintf("raw/sha256/%s/%s.zst", sha256[:2], sha256)
}

// A Block is one published Parquet file of a run.
type Block struct {
	Table  string `json:"table"`
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
}

// A Manifest commits one run under one identity: its presence in the lake makes
// the run visible. A server log and a telemetry file have one too, which names no
// block of runs; its run id stands for the upload.
type Manifest struct {
	Schema        string `json:"schema"`
	RunID         string `json:"run_id"`
	ContentDigest string `json:"content_digest"`
	UploadSHA256  string `json:"upload_sha256"`
	SourceName    string `json:"source_name"`
	ParserVersion string `json:"parser_version"`
	// Identity is a digest of the values that say what was measured (Values and
	// where each came from); Known counts them.
	Identity string            `json:"identity"`
	Known    int               `json:"known"`
	Values   map[string]string `json:"values,omitempty"`
	// Revision orders deliberate corrections: a higher one replaces a lower one.
	Revision int     `json:"revision"`
	Blocks   []Block `json:"blocks"`
}

// Name returns the manifest's name in the lake.
func (m *Manifest) Name() string {
	return fmt.Sprintf("%s/%s-%s-r%d.json", manifestDir, m.RunID, m.Identity, m.Revision)
}

// Commit publishes m, whose blocks must be published already, and reports
// whether it was new.
func (s *Session) Commit(m *Manifest) (created bool, err error) {
	for _, b := range m.Blocks {
		ok, err := s.lake.Has(b.Name)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, fmt.Errorf("commit of run %s: block %s is not published", m.RunID, b.Name)
		}
	}
	m.Schema = manifestSchema
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return false, err
	}
	return s.Put(m.Name(), append(text, '\n'))
}

// Manifests returns every manifest of the lake, by name.
func (l *Lake) Manifests() ([]*Manifest, error) {
	names, err := l.list(manifestDir)
	if err != nil {
		return nil, err
	}
	ms := make([]*Manifest, 0, len(names))
	for _, name := range names {
		m := &Manifest{}
		if err := l.readJSON(name, manifestSchema, m); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// Effective picks, among manifests of the same content, the one that readers
// see: the highest revision, then the one that knows most, then the first by
// name. The choice depends on nothing but the set, so it is the same in
// whatever order the manifests arrived. The result is ordered by run id.
func Effective(ms []*Manifest) []*Manifest {
	best := map[string]*Manifest{}
	for _, m := range ms {
		if b, ok := best[m.ContentDigest]; !ok || m.beats(b) {
			best[m.ContentDigest] = m
		}
	}
	out := make([]*Manifest, 0, len(best))
	for _, m := range best {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *Manifest) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

func (m *Manifest) beats(o *Manifest) bool {
	if m.Revision != o.Revision {
		return m.Revision > o.Revision
	}
	if m.Known != o.Known {
		return m.Known > o.Known
	}
	return m.Name() < o.Name()
}

// A Receipt says what became of an upload. It is published after everything
// that it names.
type Receipt struct {
	Schema        string `json:"schema"`
	UploadSHA256  string `json:"upload_sha256"`
	Context       string `json:"context"` // digest of the identity sources it was ingested with
	SourceName    string `json:"source_name"`
	Format        string `json:"format"`
	ParserVersion string `json:"parser_version"`
	Bytes         int64  `json:"bytes"` // decompressed
	Raw           string `json:"raw,omitempty"`
	// Quarantined says why nothing of the upload, or not all of it, was used.
	Quarantined string     `json:"quarantined,omitempty"`
	Runs        []RunEntry `json:"runs"`
	// Observed is what a server log or telemetry gave, which has no runs.
	Observed *Observed `json:"observed,omitempty"`
	Rejects  []Reject  `json:"rejects,omitempty"`
}

// Observed counts the rows of an upload of what a server or its machine did.
type Observed struct {
	Manifest         string `json:"manifest"`
	LogEvents        int64  `json:"log_events"`
	Samples          int64  `json:"samples"`
	Evals            int64  `json:"evals,omitempty"`
	Starts           int    `json:"starts,omitempty"`   // of a server, in its log
	ServerStartKnown bool   `json:"server_start_known"` // its rows join with runs
}

// Rows says what there is: 214 log events, 1020 samples.
func (o *Observed) Rows() string {
	if o.Evals > 0 {
		return fmt.Sprintf("%d judged answers", o.Evals)
	}
	return fmt.Sprintf("%d log events, %d samples", o.LogEvents, o.Samples)
}

// A RunEntry is a run of an upload.
type RunEntry struct {
	RunID    string `json:"run_id"`
	Manifest string `json:"manifest"`
	Requests int64  `json:"requests"`
	Gaps     int64  `json:"gaps"`
}

// A Reject is something in an upload that could not be used.
type Reject struct {
	Member  string `json:"member,omitempty"` // of an archive, where the receipt is the archive's own
	Offset  int64  `json:"offset"`           // -1: not at one byte
	Run     int    `json:"run"`              // -1: not about one run
	Request int    `json:"request"`          // -1: not about one request
	Reason  string `json:"reason"`
	Hint    string `json:"hint,omitempty"`
	Fatal   bool   `json:"fatal,omitempty"` // the run was not used
}

// ReceiptName returns the name of a receipt.
func ReceiptName(uploadSHA256, context string) string {
	return fmt.Sprintf("%s/%s-%s.json", receiptDir, uploadSHA256, context)
}

// PutReceipt publishes r.
func (s *Session) PutReceipt(r *Receipt) error {
	r.Schema = receiptSchema
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = s.Put(ReceiptName(r.UploadSHA256, r.Context), append(text, '\n'))
	return err
}

// Receipt returns the receipt of an upload ingested under context, or nil where
// there is none.
func (l *Lake) Receipt(uploadSHA256, context string) (*Receipt, error) {
	r := &Receipt{}
	err := l.readJSON(ReceiptName(uploadSHA256, context), receiptSchema, r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Receipts returns every receipt of the lake, by name.
func (l *Lake) Receipts() ([]*Receipt, error) {
	names, err := l.list(receiptDir)
	if err != nil {
		return nil, err
	}
	rs := make([]*Receipt, 0, len(names))
	for _, name := range names {
		r := &Receipt{}
		if err := l.readJSON(name, receiptSchema, r); err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// list returns the names of the files in a folder of the lake, sorted. A folder
// that is not there is empty.
func (l *Lake) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(l.Path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// readJSON decodes the file name, which must declare the schema want.
func (l *Lake) readJSON(name, want string, into any) error {
	text, err := os.ReadFile(l.Path(name))
	if err != nil {
		return err
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("%s: %w", l.Path(name), err)
	}
	if head.Schema != want {
		return fmt.Errorf("%s: schema %q, and this servestat reads %q: upgrade servestat", l.Path(name), head.Schema, want)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", l.Path(name), err)
	}
	return nil
}

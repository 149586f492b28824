package lake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	manifestDir = "manifests/v1"
	receiptDir  = "receipts/v1"
	rawDir      = "raw/sha256"
	blockDir    = "blocks/v1"

	manifestSchema = "servestat.manifest/1"
	receiptSchema  = "servestat.receipt/1"
)

// BlockName returns the name of a table's block with digest sha256, in the day
// partition day (YYYY-MM-DD, or "unknown").
func BlockName(table, day, sha256 string) string {
	return fmt.Sprintf("%s/%s/day=%s/%s.parquet", blockDir, table, day, sha256)
}

// RawName returns the name of the kept upload whose decompressed bytes have the
// digest sha256.
func RawName(sha256 string) string {
	return fmt.Sprintf("%s/%s/%s.zst", rawDir, sha256[:2], sha256)
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
	// UploadBytes is the decompressed size of an upload without runs. One of the same
	// name that begins with it, as a log does that grew, has its ContentDigest.
	UploadBytes int64 `json:"upload_bytes,omitempty"`
	// Identity is a digest of the values that say what was measured (Values and
	// where each came from); Known counts them.
	Identity string            `json:"identity"`
	Known    int               `json:"known"`
	Values   map[string]string `json:"values,omitempty"`
	// Revision orders deliberate corrections: a higher one replaces a lower one.
	Revision int     `json:"revision"`
	Blocks   []Block `json:"blocks"`
}

// Rows counts the rows of a table.
func (m *Manifest) Rows(table string) int64 {
	n := int64(0)
	for _, b := range m.Blocks {
		if b.Table == table {
			n += b.Rows
		}
	}
	return n
}

// Name returns the manifest's name in the lake.
func (m *Manifest) Name() string {
	return fmt.Sprintf("%s/%s-%s-r%d.json", manifestDir, m.RunID, m.Identity, m.Revision)
}

// Commit publishes m, whose blocks must be published already, and reports
// whether it was new.
func (s *Session) Commit(m *Manifest) (created bool, err error) {
	for _, b := range m.Blocks {
		ok, err := s.has(b.Name)
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
	ms, _, err := l.manifests()
	return ms, err
}

// manifests also counts those that are in no checkpoint.
func (l *Lake) manifests() (ms []*Manifest, loose int, err error) {
	entries, err := l.manifestEntries()
	if err != nil {
		return nil, 0, err
	}
	known := l.checkpointed()
	ms = make([]*Manifest, len(entries))
	var missing []int
	for i, e := range entries {
		if ms[i] = known[e.Name]; ms[i] == nil {
			missing = append(missing, i)
		}
	}
	err = l.inParallel(len(missing), func(i int) error {
		at := missing[i]
		m, err := l.manifest(entries[at])
		ms[at] = m
		return err
	})
	return ms, len(missing), err
}

// manifestEntries lists the manifests, and refuses a lake that needs a newer
// servestat.
func (l *Lake) manifestEntries() ([]Entry, error) {
	entries, err := l.list(manifestDir)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, e := range entries {
		feature, required := requirement(e.Name)
		switch {
		case !required:
			out = append(out, e)
		case !slices.Contains(features, feature):
			return nil, fmt.Errorf("%s: the lake uses %q, which this servestat does not know: upgrade servestat", l.name, feature)
		}
	}
	return out, nil
}

func (l *Lake) manifest(e Entry) (*Manifest, error) {
	m := &Manifest{}
	return m, l.readJSON(e, manifestSchema, m)
}

// inParallel calls do for 0 to n-1, several at a time, and returns the first error
// by number.
func (l *Lake) inParallel(n int, do func(i int) error) error {
	at := 2 * runtime.GOMAXPROCS(0)
	if l.cache != nil { // they wait, and do not work
		at = 32
	}
	errs := make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, at) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Effective picks the manifests that readers see: those that no other beats. Two
// manifests compete where they are of the same content, or of the same run of an
// upload, which another parser may have read differently. The higher revision
// wins, then the later parser, then the one that knows most, then the first by
// name.
//
// The choice depends on nothing but the set, so it is the same in whatever order
// the manifests arrived; and since a lake only grows, what is beaten once is
// never seen again. The result is ordered by name.
func Effective(ms []*Manifest) []*Manifest {
	byContent, byRun := winners(ms)
	var out []*Manifest
	names := map[*Manifest]string{}
	for _, m := range ms {
		if byContent[m.ContentDigest] == m && byRun[m.RunID] == m {
			out = append(out, m)
			names[m] = m.Name()
		}
	}
	slices.SortFunc(out, func(a, b *Manifest) int { return strings.Compare(names[a], names[b]) })
	return out
}

// winners returns the best manifest of each content and of each run.
func winners(ms []*Manifest) (byContent, byRun map[string]*Manifest) {
	byContent, byRun = make(map[string]*Manifest, len(ms)), make(map[string]*Manifest, len(ms))
	for _, m := range ms {
		if b, ok := byContent[m.ContentDigest]; !ok || m.beats(b) {
			byContent[m.ContentDigest] = m
		}
		if b, ok := byRun[m.RunID]; !ok || m.beats(b) {
			byRun[m.RunID] = m
		}
	}
	return byContent, byRun
}

func (m *Manifest) beats(o *Manifest) bool {
	if m.Revision != o.Revision {
		return m.Revision > o.Revision
	}
	if a, b := parserNumber(m.ParserVersion), parserNumber(o.ParserVersion); a != b {
		return a > b
	}
	if m.Known != o.Known {
		return m.Known > o.Known
	}
	return m.Name() < o.Name()
}

// parserNumber is the number that a parser version ends in. A format that moves
// to another reader goes on counting, so that the later one wins.
func parserNumber(version string) int {
	digits := strings.TrimLeftFunc(version[strings.LastIndexAny(version, "-/")+1:], func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
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
	// Inputs is what besides the upload's bytes the runs were made of; receipts
	// written before it was kept have none.
	Inputs *Inputs `json:"inputs,omitempty"`
}

// Inputs are what an upload was read with that its bytes do not hold, so that the
// same can be read again when the folder that it came from is gone.
type Inputs struct {
	// Identity is every value of every source, by key and source.
	Identity   map[string]map[string]string `json:"identity,omitempty"`
	EngineArgs map[string]string            `json:"engine_args,omitempty"`
	Notes      []string                     `json:"notes,omitempty"`
	// Problem is why the identity could not be established, if it could not.
	Problem string `json:"problem,omitempty"`
	// Damage is what kept the compressed upload from being read whole; Cut says
	// that it ended early. What is kept is what could be decompressed.
	Damage string `json:"damage,omitempty"`
	Cut    bool   `json:"cut,omitempty"`
	// Continues is the content digest of an upload that this one begins with.
	Continues string `json:"continues,omitempty"`
	// Clock is what was known of times that the upload prints in part.
	Clock map[string]string `json:"clock,omitempty"`
	// Beside are the files that lay beside the upload and were read for it.
	Beside []Companion `json:"beside,omitempty"`
}

// A Companion is a file that lay beside an upload, kept like an upload.
type Companion struct {
	Name string `json:"name"`
	Raw  string `json:"raw"`
}

// Uploads returns the names of the kept uploads that the receipt needs.
func (r *Receipt) Uploads() []string {
	var names []string
	if r.Raw != "" {
		names = append(names, r.Raw)
	}
	if r.Inputs != nil {
		for _, c := range r.Inputs.Beside {
			names = append(names, c.Raw)
		}
	}
	return names
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

// Entries are what the upload gave: its runs, or what was observed.
func (r *Receipt) Entries() []RunEntry {
	if r.Observed == nil {
		return r.Runs
	}
	return append(slices.Clone(r.Runs), RunEntry{Manifest: r.Observed.Manifest})
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
	err := l.readJSON(Entry{Name: ReceiptName(uploadSHA256, context)}, receiptSchema, r)
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
	return readAll[Receipt](l, receiptDir, receiptSchema)
}

// readAll decodes every file of a folder, by name.
func readAll[T any](l *Lake, folder, schema string) ([]*T, error) {
	entries, err := l.list(folder)
	if err != nil {
		return nil, err
	}
	all := make([]*T, len(entries))
	err = l.inParallel(len(entries), func(i int) error {
		all[i] = new(T)
		return l.readJSON(entries[i], schema, all[i])
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// list returns the files in a folder of the lake, by name. A folder that is not
// there is empty.
func (l *Lake) list(folder string) ([]Entry, error) {
	var found []Entry
	err := l.store.List(l.ctx, folder+"/", func(e Entry) error {
		if path.Dir(e.Name) == folder && strings.HasSuffix(e.Name, ".json") {
			found = append(found, e)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return found, err
}

// readJSON decodes a file, which must declare the schema want.
func (l *Lake) readJSON(e Entry, want string, into any) error {
	text, err := l.text(e)
	if err != nil {
		return err
	}
	schema, err := decodeSchema(text)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Path(e.Name), err)
	}
	if schema != want {
		return fmt.Errorf("%s: schema %q, and this servestat reads %q: upgrade servestat", l.Path(e.Name), schema, want)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", l.Path(e.Name), err)
	}
	return nil
}

// decodeSchema reads the value of "schema", with which every file of a lake
// begins, so that a large one is not decoded twice.
func decodeSchema(text []byte) (schema string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	for range 2 { // the brace, the key
		if _, err := d.Token(); err != nil {
			return "", err
		}
	}
	return schema, d.Decode(&schema)
}

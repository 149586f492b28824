package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/servestat/servestat/ingest/aiperf"
	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/lake"
)

// maxCompanion is how large a file beside a result may be to be read for it.
const maxCompanion = 64 << 20

// companions lists the files beside an upload that may know more about its runs.
func (f format) companionsOf(up Upload) []string {
	if up.Path == "" || f.complete == nil {
		return nil
	}
	var out []string
	for _, pattern := range f.companions {
		matches, err := filepath.Glob(filepath.Join(globLiteral(filepath.Dir(up.Path)), pattern))
		if err != nil {
			continue // a pattern is ours: it is well formed
		}
		for _, m := range matches {
			info, err := os.Stat(m)
			if err == nil && info.Mode().IsRegular() && info.Size() <= maxCompanion && m != up.Path && up.within.holds(m) && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// globLiteral makes a folder's name stand for itself in a pattern.
func globLiteral(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// A companion is a file beside an upload, which is kept like one: what is read is
// the copy, so that it is the same when the upload is read again.
type companion struct {
	name string
	raw  string     // its name in the lake
	blob *lake.Blob // on its way there; nil where it is there
	open func() (io.ReadCloser, error)
}

// besideOf lists the companions of an upload: those that lie beside it, or were
// kept with it.
func (f format) besideOf(up Upload) []companion {
	var out []companion
	if up.recorded != nil {
		for _, c := range up.recorded.Inputs.Beside {
			out = append(out, companion{name: c.Name, open: func() (io.ReadCloser, error) { return openKept(context.Background(), up.recorded.kept, c.Raw) }})
		}
		return out
	}
	for _, path := range f.companionsOf(up) {
		out = append(out, companion{name: filepath.Base(path), open: func() (io.ReadCloser, error) { return openFile(path) }})
	}
	return out
}

// keepBeside copies companions into the session, from where they are read then.
// One that cannot be read stays as it is, to be noted with the runs.
func (in *Ingester) keepBeside(cs []companion) error {
	for i := range cs {
		if err := in.keepCompanion(&cs[i]); err != nil {
			discard(cs)
			return fmt.Errorf("%s: %w", cs[i].name, err)
		}
	}
	return nil
}

func (in *Ingester) keepCompanion(c *companion) error {
	file, unreadable := c.open()
	if unreadable != nil {
		c.open = func() (io.ReadCloser, error) { return nil, unreadable }
		return nil
	}
	defer file.Close()
	blob, err := in.session.Create()
	if err != nil {
		return err
	}
	c.blob = blob
	z, err := zstd.NewWriter(blob, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	sum := newDigest()
	if _, err := io.Copy(io.MultiWriter(z, sum), onlyReader{file}); err != nil {
		return err
	}
	c.raw = lake.RawName(sum.hex())
	c.open = func() (io.ReadCloser, error) { return openRaw(context.Background(), blob.Path(), nil) }
	return z.Close()
}

func publishBeside(cs []companion) error {
	for _, c := range cs {
		if c.blob == nil {
			continue
		}
		if _, err := c.blob.Publish(c.raw); err != nil {
			return err
		}
	}
	return nil
}

func discard(cs []companion) {
	for _, c := range cs {
		if c.blob != nil {
			c.blob.Discard()
		}
	}
}

// completed fills in what companions know about a run. What cannot be read of one
// costs the run nothing else: it is noted there, and rejected.
func (f format) completed(run *schemas.Run, companions []companion) (rejects []*schemas.Reject) {
	for _, c := range companions {
		file, err := c.open()
		if err == nil {
			err = f.complete(run, c.name, file)
			file.Close()
		}
		for _, err := range eachOf(err) {
			reason := fmt.Sprintf("%s, which lies beside it, was not used, or not all of it: %v", c.name, err)
			run.Notes = append(run.Notes, reason)
			rejects = append(rejects, &schemas.Reject{At: schemas.Pos{File: run.SourceName, Offset: -1, Run: run.At.Run, Request: -1}, Reason: reason})
		}
	}
	return rejects
}

// eachOf returns the errors that were joined into one.
func eachOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// digestOf identifies what companions say, so that a change in one makes another
// upload of the same result.
func digestOf(companions []companion) string {
	h := sha256.New()
	for _, c := range companions {
		fmt.Fprintf(h, "%q\n", c.name)
		file, err := c.open()
		if err != nil {
			continue
		}
		_, _ = io.Copy(h, file) // what cannot be read has no part in it
		file.Close()
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// partOf says which upload a file met in a folder belongs to, where it is one
// tool's second account of the same run.
func partOf(path string) (upload string, ok bool) {
	dir, name := filepath.Split(path)
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case name == "profile_export_aiperf.json" && exists(phasesAbove):
		return "../../profile_export.jsonl", true
	case strings.HasSuffix(name, ".parquet") && strings.Contains(name, "server_metrics") && exists(strings.TrimSuffix(name, ".parquet")+".jsonl"):
		return strings.TrimSuffix(name, ".parquet") + ".jsonl", true // which has the scrapes before the benchmark, too
	}
	if upload, ok = aiperfAccount(dir, name); ok {
		return upload, true
	}
	return inferencePerfAccount(dir, name)
}

// phasesAbove lies two folders above the results of one phase of AIPerf.
const phasesAbove = "../../phase_manifest.json"

// aiperfAccount says which of AIPerf's accounts counts: its records, of which the raw
// ones and the summary beside them tell again. --profile-export-prefix gives them
// any name: foo.jsonl, foo_raw.jsonl and foo.json.
func aiperfAccount(dir, name string) (upload string, ok bool) {
	var want string
	switch {
	case strings.HasPrefix(name, "raw_records_") && filepath.Base(dir) == "raw_records": // what a worker wrote of it
		upload, want = "../profile_export.jsonl", aiperf.FormatRaw
	case strings.HasSuffix(name, "_raw.jsonl"):
		upload, want = strings.TrimSuffix(name, "_raw.jsonl")+".jsonl", aiperf.FormatRaw
	case name == "profile_export_aiperf.json":
		upload, want = "profile_export.jsonl", aiperf.FormatSummary
	case strings.HasSuffix(name, ".json"):
		upload, want = strings.TrimSuffix(name, ".json")+".jsonl", aiperf.FormatSummary
	default:
		return "", false
	}
	return upload, isAIPerf(filepath.Join(dir, upload), aiperf.FormatRecords) && isAIPerf(filepath.Join(dir, name), want)
}

func isAIPerf(path, format string) bool {
	head, err := readHead(path)
	if err != nil {
		return false
	}
	found, ok := aiperf.Detect(head)
	return ok && found == format
}

var (
	stageFile   = regexp.MustCompile(`^stage_\d+_(lifecycle|prometheus)_metrics\.json$`)
	summaryFile = regexp.MustCompile(`^(?:summary|adapter_.+)_(lifecycle|prometheus)_metrics\.json$`)
)

const requestsFile = "per_request_lifecycle_metrics.json"

// inferencePerfAccount says which account of one benchmark counts, of those that
// inference-perf leaves side by side: each request is in its list, in the file of
// its stage and in the summary. Of several stages, their files: each is a load
// point, and neither the list nor the summary says which request is of which. Of
// one, the list, which has the times of every request. The files of adapters are
// parts of stages. What the server's metrics said is another account, and counts
// likewise.
func inferencePerfAccount(dir, name string) (upload string, ok bool) {
	stage, kind := false, "lifecycle"
	if m := stageFile.FindStringSubmatch(name); m != nil {
		stage, kind = true, m[1]
	} else if m := summaryFile.FindStringSubmatch(name); m != nil {
		kind = m[1]
	} else if name != requestsFile {
		return "", false
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	var stages []string
	list := false
	for _, e := range entries {
		if m := stageFile.FindStringSubmatch(e.Name()); m != nil && m[1] == kind {
			stages = append(stages, e.Name())
		}
		list = list || e.Name() == requestsFile && kind == "lifecycle"
	}
	switch {
	case len(stages) > 1:
		return stages[0] + " and the other stages", !stage
	case list:
		return requestsFile, name != requestsFile
	case len(stages) == 1:
		return stages[0], !stage
	}
	return "", false // a summary alone
}

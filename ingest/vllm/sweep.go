package vllm

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// vllm bench sweep runs every combination of server and client parameters a few
// times, in a folder each:
//
//	SERVE--max_num_seqs=4-BENCH--max_concurrency=2/run=0.json, run=1.json, summary.json
//	summary.csv
//
// To a result it appends run_number and the parameters, under their own names: in
// the files and lists of JSON, and as columns of the table. What is in the name of
// a folder cannot be taken apart, for values may hold a dash or an equals sign;
// but of a parameter that is known it tells whether it was one of the server.

const keyRunNumber = "run_number"

var (
	runFile      = regexp.MustCompile(`^run=(\d+)\.json(\.gz|\.zst)?$`)
	comboFolders = regexp.MustCompile(`^SERVE--(.*?)(-(BENCH|STARTUP|WL)--.*)?$`)
)

// noteInterrupted goes when a companion has filled in what it misses.
const noteInterrupted = "a run of a sweep that was interrupted: its parameters are not in its file; they may be in summary.csv or in the name of its folder"

// setSweep fills in what the place of the file says about a run of a sweep.
func (u *run) setSweep() {
	rec := u.record
	if m := runFile.FindStringSubmatch(path.Base(rec.At.File)); m != nil && !u.has(keyRunNumber) {
		rec.Extra[keyRunNumber] = m[1]
		rec.Notes = append(rec.Notes, noteInterrupted)
	}
	if name, ok := plain(rec.Extra["_benchmark_name"]); ok {
		setLabel(rec, "benchmark_name", name)
	}
	setServerParameters(rec)
}

// setServerParameters copies to the engine's arguments what the folder of a sweep
// says to be a parameter of the server.
func setServerParameters(rec *schemas.Run) {
	server := ""
	for part := range strings.SplitSeq(path.Dir(rec.At.File), "/") {
		if m := comboFolders.FindStringSubmatch(part); m != nil {
			server = "-" + m[1] + "-"
		}
	}
	if server == "" {
		return
	}
	for key, raw := range rec.Extra {
		value, ok := plain(raw)
		// The sweep's way to make a name of a folder out of any text.
		pair := strings.NewReplacer("/", "_", "..", "__").Replace(key + "=" + value)
		if ok && strings.Contains(server, "-"+pair+"-") {
			setEngineArg(rec, key, value)
		}
	}
}

func setLabel(rec *schemas.Run, key, value string) {
	if rec.Labels == nil {
		rec.Labels = map[string]string{}
	}
	rec.Labels[key] = value
}

func setEngineArg(rec *schemas.Run, key, value string) {
	if rec.EngineArgs == nil {
		rec.EngineArgs = map[string]string{}
	}
	rec.EngineArgs[key] = value
}

// plain returns a JSON value as Python's str would write it, if it is a scalar.
func plain(raw string) (string, bool) {
	switch raw {
	case "":
		return "", false
	case "null":
		return "None", true
	case "true":
		return "True", true
	case "false":
		return "False", true
	}
	if raw[0] == '{' || raw[0] == '[' {
		return "", false
	}
	if text, ok := jsonscan.Unquote([]byte(raw)); ok {
		return text, true
	}
	return raw, true
}

// Companions are the names of files, relative to the folder of a result, that may
// know more about its runs: the table of a sweep, in its own folder or one or two
// above; the list of the folder's runs; and the same result in the PyTorch
// benchmark format, which has the client's arguments.
var Companions = []string{"summary.json", "../summary.csv", "../../summary.csv", "summary.csv", "*.pytorch.json"}

// Complete fills in what the companion that r reads, called name, knows about run
// and run's own file does not: parameters of a sweep, arguments of the client.
// A companion that tells of other runs changes nothing. What is there already
// stays. The error is that of r, or says why the companion cannot be read.
func Complete(run *schemas.Run, name string, r io.Reader) error {
	known := len(run.Extra)
	if err := completeFrom(run, name, r); err != nil {
		return err
	}
	if len(run.Extra) > known {
		run.Notes = slices.DeleteFunc(run.Notes, func(note string) bool { return note == noteInterrupted })
		setServerParameters(run)
	}
	return nil
}

func completeFrom(run *schemas.Run, name string, r io.Reader) error {
	switch base := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".gz"), ".zst"); {
	case base == "summary.csv":
		return completeFromTable(run, r)
	case strings.HasSuffix(base, ".pytorch.json"):
		return completeFromPyTorch(run, r)
	}
	return completeFromList(run, name, r)
}

// completeFromList takes what the list of a folder's runs says of this one.
func completeFromList(run *schemas.Run, name string, r io.Reader) error {
	list := NewReader(r, name)
	for list.Scan() {
		other, ok := list.Record().(*schemas.Run)
		if !ok || !other.EndedAt.OK || other.EndedAt != run.EndedAt || other.DurationNS != run.DurationNS {
			continue
		}
		for key, value := range other.Extra {
			complete(run, key, value)
		}
		if slices.Contains(run.Notes, noteInterrupted) { // the list has the run too, as it would have been
			run.ContentDigest = other.ContentDigest
		}
	}
	return list.Err()
}

// completeFromTable takes what the row of this run says in the table of a sweep.
func completeFromTable(run *schemas.Run, r io.Reader) error {
	table := csv.NewReader(r)
	table.ReuseRecord = true
	head, err := table.Read()
	if err != nil {
		return fmt.Errorf("no table of a sweep: %w", err)
	}
	keys := slices.Clone(head)
	if twice := firstTwice(keys); twice != "" {
		return fmt.Errorf("no table of a sweep: it has two columns %.100q", twice)
	}
	var tooLong []error
	for {
		row, err := table.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the table of a sweep: %w", err)
		}
		cells := map[string]string{}
		for i, key := range keys {
			cells[key] = row[i]
		}
		if !isRow(run, cells) {
			continue
		}
		for i, key := range keys {
			// The first column counts the rows, and has no name.
			if key == "" || cells[key] == "" || identityKeys[key] || isSummary(key) || slices.Contains(columnKeys, key) || isText(key) {
				continue
			}
			if len(cells[key]) > maxSetting {
				line, _ := table.FieldPos(i)
				tooLong = append(tooLong, fmt.Errorf("line %d: %.100s: found a longer value, expected at most %d bytes", line, key, maxSetting))
				continue
			}
			complete(run, key, jsonOf(cells[key]))
		}
		return errors.Join(tooLong...)
	}
}

// firstTwice returns a name that is there twice, "" where none is.
func firstTwice(names []string) string {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] && name != "" {
			return name
		}
		seen[name] = true
	}
	return ""
}

// isRow reports whether a row of a sweep's table is of this run: it ended at the
// same second and took the same time, to the nanosecond.
func isRow(run *schemas.Run, cells map[string]string) bool {
	ended, err := time.Parse("20060102-150405", cells["date"])
	took, ok := jsonscan.ParseNanos([]byte(cells["duration"]))
	return err == nil && ok && run.EndedAt.OK && run.EndedAt.V.Equal(ended) && run.DurationNS.OK && run.DurationNS.V == took
}

// complete adds a value that the run's own file lacks. A run number from the name
// of its file gives way, for it is the same.
func complete(run *schemas.Run, key, value string) {
	if _, ok := run.Extra[key]; !ok {
		run.Extra[key] = value
	}
}

// jsonOf returns the JSON text of a cell.
func jsonOf(cell string) string {
	switch cell {
	case "True":
		return "true"
	case "False":
		return "false"
	}
	if _, ok := jsonscan.ParseFloat([]byte(cell)); ok {
		return cell
	}
	text, _ := json.Marshal(cell) // of a string: cannot fail
	return string(text)
}

// completeFromPyTorch takes the arguments of the client. The file repeats what
// else the result says; that is how it is known to be of this run.
func completeFromPyTorch(run *schemas.Run, r io.Reader) error {
	s := jsonscan.NewScanner(r, jsonscan.Options{})
	if err := s.Array(); err != nil {
		return err
	}
	same := false
	var args map[string][]byte
	for s.Next() {
		const most = 16 << 20
		text, err := s.Raw(nil, most)
		if err != nil {
			return err
		}
		record := members(text)
		metric := members(record["metric"])
		name, _ := jsonscan.Unquote(metric["name"])
		value, ok := run.Reported[name]
		same = same || ok && "["+value+"]" == string(metric["benchmark_values"])
		more := members(metric["extra_info"])
		for _, key := range []string{"duration", "avg_latency", "elapsed_time"} {
			if value, ok := more[key]; ok && run.Reported[key] != string(value) {
				return nil // of another run
			}
		}
		if args == nil {
			args = members(members(members(record["benchmark"])["extra_info"])["args"])
		}
	}
	if s.Err() == nil && same {
		setArgs(run, args)
	}
	return s.Err()
}

// members returns the members of the object that text is, or none.
func members(text []byte) map[string][]byte {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	all := map[string][]byte{}
	s := jsonscan.NewScanner(bytes.NewReader(text), jsonscan.Options{Buffer: len(text)})
	s.Object()
	for name, ok := s.Key(); ok; name, ok = s.Key() {
		key := string(name)
		value, err := s.Raw(nil, len(text))
		if err != nil {
			return nil
		}
		all[key] = value
	}
	return all
}

// setArgs fills in what the client's arguments say. Of the arguments of an engine
// that the benchmark started itself, those are kept that change what it does.
func setArgs(run *schemas.Run, args map[string][]byte) {
	if seed, ok := jsonscan.ParseInt(args["seed"]); ok && !run.Seed.OK {
		run.Seed = schemas.Some(seed)
	}
	if name, ok := jsonscan.Unquote(args["dataset_name"]); ok && !run.Dataset.OK {
		run.Dataset = schemas.Some(name)
	}
	if model, ok := jsonscan.Unquote(args["model"]); ok && !run.Model.OK {
		run.Model = schemas.Some(model)
	}
	for _, key := range engineArgs {
		if value, ok := plain(string(args[key])); ok && value != "None" && run.EngineArgs[key] == "" {
			setEngineArg(run, key, value)
		}
	}
	for _, key := range loadArgs {
		if value, ok := args[key]; ok && string(value) != "null" {
			complete(run, key, string(value))
		}
	}
}

var (
	engineArgs = strings.Fields(`
		tensor_parallel_size pipeline_parallel_size data_parallel_size enable_expert_parallel dtype quantization kv_cache_dtype
		max_model_len max_num_seqs max_num_batched_tokens gpu_memory_utilization block_size enforce_eager load_format
		enable_prefix_caching enable_chunked_prefill async_scheduling stream_interval`)
	loadArgs = strings.Fields(`
		batch_size input_len output_len num_iters num_iters_warmup num_prompts num_warmups ignore_eos temperature
		random_input_len random_output_len random_range_ratio random_prefix_len`)
)

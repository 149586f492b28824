package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/telemetry"
	"github.com/servestat/servestat/schemas"
)

// Keys of identity that say what times mean. They are free labels.
const (
	offsetKey  = "utc_offset" // how far east of UTC the local clock is: +02:00
	startedKey = "started_at" // when the server was started
)

// yearBeside finds about when a server log was written, which decides its year:
// what the identity says, or else the date of a result in its folder or one below.
func (in *Ingester) yearBeside(up Upload, id *Identity) (clock, error) {
	if text, _, ok := id.Get(startedKey); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return clock{near: schemas.Some(t)}, nil
		}
	}
	if up.Path == "" {
		return clock{}, nil
	}
	t, err := in.around.dateIn(filepath.Dir(up.Path))
	return clock{near: t}, err
}

// maxDated bounds how many files are looked into for a date.
const maxDated = 200

// dateIn returns the date of the first result in a folder, or in those in it.
func (s *surroundings) dateIn(dir string) (schemas.Opt[time.Time], error) {
	if t, ok := s.dates[dir]; ok {
		return t, nil
	}
	var found schemas.Opt[time.Time]
	looked := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && p == dir:
			return err
		case err != nil:
			return nil // a folder that cannot be read has no date
		case d.IsDir() && strings.Count(strings.TrimPrefix(p, dir), string(filepath.Separator)) > 1:
			return fs.SkipDir
		case d.IsDir() || !resultSuffix(d.Name()):
			return nil
		}
		if looked++; looked > maxDated {
			return fs.SkipAll
		}
		head, err := readHead(p)
		if err != nil {
			return nil
		}
		if found = dateOf(head); found.OK {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	s.dates[dir] = found
	return found, nil
}

func resultSuffix(name string) bool {
	name = strings.TrimSuffix(name, ".gz")
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl")
}

// dated is the date of a result of vllm bench.
var dated = regexp.MustCompile(`"date": ?"(\d{8}-\d{6})"`)

func dateOf(head []byte) schemas.Opt[time.Time] {
	m := dated.FindSubmatch(head)
	if m == nil {
		return schemas.Opt[time.Time]{}
	}
	t, err := time.Parse("20060102-150405", string(m[1]))
	return schemas.Opt[time.Time]{V: t, OK: err == nil}
}

// zoneBeside finds how far east of UTC the clock of a telemetry file was that
// prints no zone: from the identity, or else from a manifest beside it.
func (in *Ingester) zoneBeside(up Upload, id *Identity) (clock, error) {
	if text, from, ok := id.Get(offsetKey); ok {
		east, err := parseOffset(text)
		if err != nil {
			return clock{}, fmt.Errorf("%s from %s: %w", offsetKey, from, err)
		}
		return clock{east: schemas.Some(east)}, nil
	}
	if up.Path == "" {
		return clock{}, nil
	}
	for _, name := range telemetry.Companions {
		file, err := openFile(filepath.Join(filepath.Dir(up.Path), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return clock{}, err
		}
		east, err := telemetry.ReadOffset(file)
		file.Close()
		if err == nil && east.OK { // another program's manifest is none of ours
			return clock{east: east}, nil
		}
	}
	return clock{}, nil
}

// parseOffset reads +02:00, -0700, Z or UTC.
func parseOffset(text string) (time.Duration, error) {
	if text == "UTC" {
		return 0, nil
	}
	for _, layout := range []string{"Z07:00", "Z0700", "-07"} {
		if t, err := time.Parse(layout, text); err == nil {
			_, seconds := t.Zone()
			return time.Duration(seconds) * time.Second, nil
		}
	}
	return 0, fmt.Errorf("%q is no offset from UTC; want the form +02:00", text)
}

func formatOffset(east time.Duration) string {
	return time.Unix(0, 0).In(time.FixedZone("", int(east/time.Second))).Format("-07:00")
}

// recordedClock is the clock whose values were recorded.
func recordedClock(values map[string]string) (c clock, err error) {
	if text, ok := values["near"]; ok {
		near, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return c, err
		}
		c.near = schemas.Some(near)
	}
	if text, ok := values[offsetKey]; ok {
		east, err := parseOffset(text)
		if err != nil {
			return c, err
		}
		c.east = schemas.Some(east)
	}
	return c, nil
}

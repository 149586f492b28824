package main

import (
	"strconv"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/ingest"
	"github.com/servestat/servestat/ingest/archive"
)

// limitFlags adds the flags that bound what one upload can cost. Commands without
// them read the same names from the environment and the configuration.
func limitFlags(f *pflag.FlagSet) {
	f.String("max-upload", bytesText(archive.DefaultStored), "largest upload, as it is stored")
	f.String("max-decompressed", bytesText(archive.DefaultUnpacked), "most that an upload may decompress or unpack to")
	f.Float64("max-ratio", archive.DefaultRatio, "most times its size that an upload may decompress or unpack to")
	f.Int("max-entries", archive.DefaultEntries, "most members of an archive")
	f.Int("max-archive-depth", ingest.DefaultArchiveDepth, "archives inside each other")
	f.Int("max-nesting", ingest.DefaultNesting, "JSON values inside each other")
	f.String("max-string", bytesText(ingest.DefaultString), "longest JSON string that is looked at (prompts and answers are not)")
	f.Int("max-requests", ingest.DefaultRequests, "most requests of a run")
}

// engineFlags add the flags that bound the database engine. Commands without them read
// the same names from the environment and the configuration.
func engineFlags(f *pflag.FlagSet, memory string) {
	f.String("max-memory", memory, "most memory that the database engine may use; what does not fit goes to disk")
	f.String("max-temp", "20GB", "most disk that it may use for that")
}

// engineMemory is what the engine may use where nothing is said, for reports and
// otherwise.
const (
	engineMemory = "2GB"
	reportEngine = "160MB"
)

// engine is what engineFlags say.
func (a *app) engine() (query.Limits, error) {
	limits := query.DefaultLimits
	for name, into := range map[string]*int64{"max-memory": &limits.Memory, "max-temp": &limits.Temp} {
		text := a.config.GetString(name)
		if text == "" {
			continue
		}
		n, err := parseBytes(text)
		if err != nil {
			return limits, usagef("--"+name+" 512MB", "--%s: %w", name, err)
		}
		*into = n
	}
	return limits, nil
}

// limits reads what limitFlags says. What is not set has its default.
func (a *app) limits() (l ingest.Limits, err error) {
	if l.Stored, err = a.bytes("max-upload"); err != nil {
		return l, err
	}
	if l.Unpacked, err = a.bytes("max-decompressed"); err != nil {
		return l, err
	}
	length, err := a.bytes("max-string")
	if err != nil {
		return l, err
	}
	l.String = int(length)
	if l.Ratio, err = strconv.ParseFloat(a.setting("max-ratio"), 64); err != nil || l.Ratio < 0 {
		return l, usagef("", "--max-ratio %s: want a number", a.setting("max-ratio"))
	}
	for name, into := range map[string]*int{
		"max-entries": &l.Entries, "max-archive-depth": &l.ArchiveDepth, "max-nesting": &l.Nesting, "max-requests": &l.Requests,
	} {
		if *into, err = strconv.Atoi(a.setting(name)); err != nil || *into < 0 {
			return l, usagef("", "--%s %s: want a whole number", name, a.setting(name))
		}
	}
	return l, nil
}

// setting returns a setting's text, 0 where there is none.
func (a *app) setting(name string) string {
	if text := a.config.GetString(name); text != "" {
		return text
	}
	return "0"
}

// bytes reads a setting that is a number of bytes: 512MiB, 1GB, 4096.
func (a *app) bytes(name string) (int64, error) {
	n, err := humanize.ParseBytes(a.setting(name))
	if err != nil || n > 1<<62 {
		return 0, usagef("--"+name+" 16GiB", "--%s %s: want a number of bytes", name, a.setting(name))
	}
	return int64(n), nil
}

func bytesText(n uint64) string { return humanize.IBytes(n) }

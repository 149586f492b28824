package archive

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// Limits bound what an upload may be and become. The zero value of a field means
// its default.
type Limits struct {
	Stored   int64   // bytes of it, as it is stored; 16 GiB
	Unpacked int64   // bytes that it may become; 16 GiB
	Ratio    float64 // of unpacked to stored bytes; 200. The first MiB is free
	Entries  int     // members of an archive, folders included; 10,000
}

// The defaults of Limits.
const (
	DefaultStored   = 16 << 30
	DefaultUnpacked = 16 << 30
	DefaultRatio    = 200
	DefaultEntries  = 10_000
)

// freeOfRatio is how much may come out of however little: repetitive logs are
// small, and harmless.
const freeOfRatio = 1 << 20

func (l Limits) orDefaults() Limits {
	if l.Stored <= 0 {
		l.Stored = DefaultStored
	}
	if l.Unpacked <= 0 {
		l.Unpacked = DefaultUnpacked
	}
	if l.Ratio <= 0 {
		l.Ratio = DefaultRatio
	}
	if l.Entries <= 0 {
		l.Entries = DefaultEntries
	}
	return l
}

// A Fault is what is wrong with an upload, and not with the machine that reads it.
type Fault struct {
	Reason string
	Hint   string // what to do about it, where that is known
	// Limit means that a limit was passed: the upload was not looked at whole.
	Limit bool
	Err   error // the cause, where there is one
}

func (f *Fault) Error() string {
	if f.Hint == "" {
		return f.Reason
	}
	return f.Reason + "; " + f.Hint
}

// Unwrap returns f.Err.
func (f *Fault) Unwrap() error { return f.Err }

func (l Limits) tooStored() *Fault {
	return &Fault{Limit: true, Reason: "more than " + size(l.Stored), Hint: "--max-upload raises the limit"}
}

func (l Limits) tooUnpacked() *Fault {
	return &Fault{Limit: true, Reason: "unpacks to more than " + size(l.Unpacked), Hint: "--max-decompressed raises the limit"}
}

func (l Limits) tooDense() *Fault {
	return &Fault{
		Limit:  true,
		Reason: fmt.Sprintf("unpacks to more than %v times its size, as no log does", l.Ratio),
		Hint:   "--max-ratio raises the limit",
	}
}

func (l Limits) tooMany() *Fault {
	return &Fault{Limit: true, Reason: fmt.Sprintf("more than %d members", l.Entries), Hint: "--max-entries raises the limit"}
}

// CheckStored returns a [*Fault] where an upload is too large to be read at all.
func (l Limits) CheckStored(n int64) error {
	if l = l.orDefaults(); n > l.Stored {
		return l.tooStored()
	}
	return nil
}

// check reports which limit is passed where so many bytes become so many, if one
// is.
func (l Limits) check(stored, unpacked int64) error {
	switch {
	case stored > l.Stored:
		return l.tooStored()
	case unpacked > l.Unpacked:
		return l.tooUnpacked()
	case unpacked > freeOfRatio && float64(unpacked) > l.Ratio*float64(stored):
		return l.tooDense()
	}
	return nil
}

// size says a number of bytes as a person would.
func size(n int64) string { return humanize.IBytes(uint64(n)) }

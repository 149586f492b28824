package jsonrun

import (
	"errors"
	"io"

	"github.com/servestat/servestat/ingest/jsonscan"
	"github.com/servestat/servestat/schemas"
)

// Objects is the Format of uploads whose runs are small objects: one alone, one
// a line, or an array of them.
type Objects struct {
	// Read makes the run of an object, and closes or loses it.
	Read func(u *Upload, v *Values)

	list bool // the runs are elements of a top-level array
}

// Step reads the next object.
func (o *Objects) Step(u *Upload) bool {
	if o.list {
		if o.list = u.S.Next(); !o.list {
			return u.S.Err() == nil
		}
	} else if !u.S.More() {
		return false
	}
	kind := u.S.Peek()
	at := u.S.Offset()
	switch {
	case kind == jsonscan.Object:
		v := ReadValues(u)
		if u.S.Err() != nil {
			return true
		}
		if v.Twice != "" {
			u.Lose(at, "key %q comes twice in one object", v.Twice)
			return true
		}
		o.Read(u, v)
	case kind == jsonscan.Array && !o.list:
		u.S.Array()
		o.list = true
	case u.S.Skip() == nil:
		u.Lose(at, "found %s, expected the object of a run", kind)
	}
	return true
}

// Broken gives the object up. The next may be on a line of its own.
func (o *Objects) Broken(u *Upload, reject *schemas.Reject, _ bool) bool {
	u.LoseBroken(reject)
	resync := !o.list
	o.list = false
	return resync
}

// ReadSummary reads the one object of r, which is called name and tells more of a
// run that another file holds. use takes what it wants of it; nil values are those
// of a text that holds no object. An error is a fault of r, of its JSON, or values
// that cannot be used, joined: then all else is used.
func ReadSummary(r io.Reader, name string, use func(*Values)) error {
	const most = 4 << 20
	rd := NewReader(io.LimitReader(r, most), name, &Objects{Read: func(_ *Upload, v *Values) { use(v) }})
	var unusable []error
	for rd.Scan() {
		if reject, ok := rd.Record().(*schemas.Reject); ok {
			unusable = append(unusable, errors.New(reject.String()))
		}
	}
	return errors.Join(append(unusable, rd.Err())...)
}

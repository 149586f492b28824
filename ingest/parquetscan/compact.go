package parquetscan

import (
	"encoding/binary"
	"errors"
)

// errShort is returned where a text in Thrift's compact protocol goes on behind
// the bytes at hand.
var errShort = errors.New("it ends early")

var errMalformed = errors.New("it is malformed")

// maxDeep and maxStructs bound what a footer may hold. AIPerf begins a row group
// every 10,000 rows, and each of its columns takes half a dozen structures: this is
// enough for 30 million rows of twenty columns.
const (
	maxDeep    = 16
	maxStructs = 400_000
)

// A compact walks over a structure in Thrift's compact protocol, and believes no
// size in it that the bytes at hand do not bear out.
type compact struct {
	data    []byte
	at      int
	structs int
	// ints are the integers of the outer structure and of those in its fields, by
	// the id of the outer field, or 0, and their own.
	ints map[[2]int16]int64
}

// Types of the compact protocol.
const (
	isTrue = 1 + iota
	isFalse
	isByte
	isI16
	isI32
	isI64
	isDouble
	isBinary
	isList
	isSet
	isMap
	isStruct
)

// walk goes over one structure and returns how many bytes it has.
func (c *compact) walk() (int, error) {
	c.ints = map[[2]int16]int64{}
	err := c.structure(0, 0)
	return c.at, err
}

func (c *compact) structure(outer int16, deep int) error {
	if c.structs++; c.structs > maxStructs || deep > maxDeep {
		return errMalformed
	}
	id := int16(0)
	for {
		head, err := c.byte()
		if err != nil || head == 0 {
			return err
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else if wide, err := c.integer(); err != nil {
			return err
		} else {
			id = int16(wide)
		}
		if err := c.field(outer, id, head&0xf, deep); err != nil {
			return err
		}
	}
}

func (c *compact) field(outer, id int16, kind byte, deep int) error {
	switch kind {
	case isTrue, isFalse: // the type is the value
		return nil
	case isI16, isI32, isI64:
		v, err := c.integer()
		if deep < 2 {
			c.ints[[2]int16{outer, id}] = v
		}
		return err
	case isStruct:
		if deep == 0 {
			outer = id
		}
		return c.structure(outer, deep+1)
	}
	return c.value(kind, deep)
}

// value skips a value that is in a list, or that nobody asks for.
func (c *compact) value(kind byte, deep int) error {
	switch kind {
	case isTrue, isFalse, isByte:
		return c.skip(1)
	case isI16, isI32, isI64:
		_, err := c.integer()
		return err
	case isDouble:
		return c.skip(8)
	case isBinary:
		n, err := c.size()
		if err != nil {
			return err
		}
		return c.skip(n)
	case isList, isSet:
		return c.list(deep)
	case isStruct:
		return c.structure(-1, deep+2) // its integers are nobody's
	}
	return errMalformed // maps, of which Parquet has none, too
}

func (c *compact) list(deep int) error {
	head, err := c.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = c.size(); err != nil {
			return err
		}
	}
	if n > uint64(len(c.data)-c.at) || deep > maxDeep { // each has a byte at least
		return errShort
	}
	for range n {
		if err := c.value(head&0xf, deep+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *compact) byte() (byte, error) {
	if c.at == len(c.data) {
		return 0, errShort
	}
	c.at++
	return c.data[c.at-1], nil
}

func (c *compact) skip(n uint64) error {
	if n > uint64(len(c.data)-c.at) {
		return errShort
	}
	c.at += int(n)
	return nil
}

func (c *compact) size() (uint64, error) {
	v, n := binary.Uvarint(c.data[c.at:])
	if n == 0 {
		return 0, errShort
	}
	if n < 0 {
		return 0, errMalformed
	}
	c.at += n
	return v, nil
}

func (c *compact) integer() (int64, error) {
	v, err := c.size()
	return int64(v>>1) ^ -int64(v&1), err
}

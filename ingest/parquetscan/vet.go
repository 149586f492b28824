package parquetscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/klauspost/compress/snappy"
)

const (
	// maxPage bounds a page, packed or not. PyArrow begins a new one at a MiB.
	maxPage = 16 << 20
	// maxPageHead bounds the header of a page, which may quote its least and
	// greatest values.
	maxPageHead = 1 << 20
)

// Of a page's header: the fields that are looked at.
var (
	fieldKind       = [2]int16{0, 1}
	fieldUnpacked   = [2]int16{0, 2}
	fieldPacked     = [2]int16{0, 3}
	fieldValues     = [2]int16{5, 1}
	fieldEncoding   = [2]int16{5, 2}
	fieldLevels     = [2]int16{5, 3}
	fieldDictValues = [2]int16{7, 1}
	fieldDictCoding = [2]int16{7, 2}
)

// Kinds of pages and encodings of the format.
const (
	kindData       = 0
	kindDictionary = 2
	kindDataV2     = 3

	codedPlain         = 0
	codedOldDictionary = 2
	codedRLE           = 3
	codedDictionary    = 8
)

// A vetting goes over the pages of one column in one row group.
type vetting struct {
	file     *File
	column   *Column
	optional bool
	snappy   bool
	rows     int64 // that are still to come

	words   int64 // in the dictionary; -1 where there is none yet
	largest int64 // page, unpacked
	kept    int64 // the dictionary, unpacked
	packed  []byte
	plain   []byte
}

// vet checks the pages of a column in a row group, and returns how many bytes of
// memory it takes to read it.
func (f *File) vet(c *Column, chunk *metadata.ColumnChunkMetaData, rows int64) (int64, error) {
	at := chunk.DataPageOffset()
	if chunk.HasDictionaryPage() && chunk.DictionaryPageOffset() > 0 {
		at = min(at, chunk.DictionaryPageOffset())
	}
	n := chunk.TotalCompressedSize()
	v := vetting{file: f, column: c, optional: f.optional(c), rows: rows, words: -1}
	switch {
	case chunk.CryptoMetadata() != nil:
		return 0, v.fault("is encrypted")
	case chunk.FilePath() != "":
		return 0, v.fault("is said to be in another file")
	case chunk.NumValues() != rows:
		return 0, v.fault("has %d values in a row group of %d rows", chunk.NumValues(), rows)
	case at < int64(len(magic)) || n < 0 || n > f.size || at > f.size-n:
		return 0, v.fault("is said to be at bytes %d to %d of a file of %d", at, at+n, f.size)
	}
	switch codec := chunk.Compression(); codec {
	case compress.Codecs.Snappy:
		v.snappy = true
	case compress.Codecs.Uncompressed:
	default:
		return 0, v.fault("is compressed by %s, which is not read; AIPerf and PyArrow write Snappy", codec)
	}
	if err := v.pages(at, at+n); err != nil {
		return 0, err
	}
	return 2 * (v.largest + v.kept), nil
}

func (v *vetting) fault(format string, args ...any) error {
	return fault("column "+quoted(v.column.Name)+" "+format, args...)
}

func (v *vetting) pages(at, end int64) error {
	for v.rows > 0 {
		head, err := v.header(at, end)
		if err != nil {
			return err
		}
		at += int64(head.at)
		packed, unpacked := head.ints[fieldPacked], head.ints[fieldUnpacked]
		if packed < 0 || packed > end-at || packed > maxPage || unpacked < 0 || unpacked > maxPage {
			return v.fault("has a page at byte %d of %d bytes that become %d; want at most %d, and what the file has", at, packed, unpacked, maxPage)
		}
		if err := v.page(head, at, packed, unpacked); err != nil {
			return err
		}
		at += packed
	}
	if v.rows < 0 {
		return v.fault("has more values than its row group has rows")
	}
	return nil
}

// header reads the header of the page at a byte.
func (v *vetting) header(at, end int64) (*compact, error) {
	for n := int64(4 << 10); ; n *= 16 {
		window := min(n, end-at, maxPageHead)
		if window <= 0 {
			return nil, v.fault("ends early, at byte %d", at)
		}
		data, err := v.file.bytes(at, window)
		if err != nil {
			return nil, err
		}
		head := &compact{data: data}
		switch _, err := head.walk(); {
		case err == nil:
			return head, nil
		case errors.Is(err, errMalformed) || window < n:
			return nil, v.fault("has no page at byte %d: %w", at, err)
		}
	}
}

func (v *vetting) page(head *compact, at, packed, unpacked int64) error {
	switch kind := head.ints[fieldKind]; kind {
	case kindDictionary:
		return v.dictionary(head, at, packed, unpacked)
	case kindData:
		return v.data(head, at, packed, unpacked)
	case kindDataV2:
		return v.fault("has data pages of version 2, which are not read; AIPerf and PyArrow write version 1")
	default:
		return v.fault("has a page of kind %d at byte %d", kind, at)
	}
}

func (v *vetting) dictionary(head *compact, at, packed, unpacked int64) error {
	words := head.ints[fieldDictValues]
	least := int64(4) // the length of a text
	if v.column.Type != Text {
		least = 8
	}
	coding := head.ints[fieldDictCoding]
	switch {
	case v.words >= 0:
		return v.fault("has two dictionaries in a row group")
	case coding != codedPlain && coding != codedOldDictionary:
		return v.fault("has a dictionary of encoding %d", coding)
	case words < 0 || words > unpacked/least:
		return v.fault("has a dictionary of %d values in %d bytes", words, unpacked)
	}
	v.words, v.kept = words, unpacked+24*words // Arrow keeps a slice for each text
	_, err := v.unpack(at, packed, unpacked)
	return err
}

func (v *vetting) data(head *compact, at, packed, unpacked int64) error {
	values, coding := head.ints[fieldValues], head.ints[fieldEncoding]
	if values < 0 || values > v.rows {
		return v.fault("has a page of %d values where %d rows are left", values, v.rows)
	}
	v.rows -= values
	v.largest = max(v.largest, unpacked, packed)
	plain, err := v.unpack(at, packed, unpacked)
	if err != nil {
		return err
	}
	if v.optional {
		if head.ints[fieldLevels] != codedRLE {
			return v.fault("has definition levels of encoding %d", head.ints[fieldLevels])
		}
		if plain, err = v.cutLevels(plain); err != nil {
			return err
		}
	}
	switch {
	case coding == codedPlain:
		return nil
	case coding != codedDictionary && coding != codedOldDictionary:
		return v.fault("is of encoding %d, which is not read; AIPerf and PyArrow write plain values and dictionaries", coding)
	case v.words < 0:
		return v.fault("has a page that needs a dictionary, and none")
	}
	return v.indices(plain)
}

// unpack returns the content of a page, which is valid until the next one's.
func (v *vetting) unpack(at, packed, unpacked int64) ([]byte, error) {
	var err error
	if v.packed, err = v.file.bytesInto(v.packed, at, packed); err != nil {
		return nil, err
	}
	if !v.snappy {
		if packed != unpacked {
			return nil, v.fault("has a page at byte %d of %d bytes that should have %d", at, packed, unpacked)
		}
		return v.packed, nil
	}
	if n, err := snappy.DecodedLen(v.packed); err != nil || int64(n) != unpacked {
		return nil, v.fault("has a page at byte %d that does not unpack to %d bytes", at, unpacked)
	}
	if v.plain, err = snappy.Decode(v.plain[:cap(v.plain)], v.packed); err != nil {
		return nil, v.fault("has a page at byte %d that is damaged: %w", at, err)
	}
	return v.plain, nil
}

func (v *vetting) cutLevels(page []byte) ([]byte, error) {
	if len(page) < 4 {
		return nil, v.fault("has a page without definition levels")
	}
	n := binary.LittleEndian.Uint32(page)
	if uint64(n) > uint64(len(page)-4) {
		return nil, v.fault("has a page whose definition levels go on behind it")
	}
	return page[4+n:], nil
}

// indices checks what points into the dictionary: runs of one index against its
// words, packed ones by their width.
func (v *vetting) indices(page []byte) error {
	if len(page) == 0 {
		return nil // all are NULL
	}
	width := int(page[0])
	if width > bits.Len64(uint64(v.words)) {
		return v.fault("has indices of %d bits into a dictionary of %d values", width, v.words)
	}
	size := (width + 7) / 8
	for page = page[1:]; len(page) > 0; {
		head, n := binary.Uvarint(page)
		if n <= 0 {
			return v.fault("has damaged indices")
		}
		page = page[n:]
		if head&1 == 1 { // groups of eight
			page = page[min(head>>1*uint64(width), uint64(len(page))):]
			continue
		}
		if len(page) < size {
			return v.fault("has indices that end early")
		}
		index := uint64(0)
		for i := range size {
			index |= uint64(page[i]) << (8 * i)
		}
		if head > 1 && index >= uint64(v.words) {
			return v.fault("has an index %d into a dictionary of %d values", index, v.words)
		}
		page = page[size:]
	}
	return nil
}

// bytes returns n bytes of the file from at on.
func (f *File) bytes(at, n int64) ([]byte, error) { return f.bytesInto(nil, at, n) }

func (f *File) bytesInto(buf []byte, at, n int64) ([]byte, error) {
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	got, err := f.source.ReadAt(buf, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("byte %d: %w", at, err)
	}
	if got < len(buf) {
		return nil, fault("it ends early, at byte %d", at+int64(got))
	}
	return buf, nil
}

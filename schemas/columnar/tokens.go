package columnar

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/servestat/servestat/schemas"
)

const (
	// tokenBatch rows make a page of each column, and sixteen of them a row group.
	tokenBatch = 1 << 16
	// batchesAhead is how many batches may wait for their encoding.
	batchesAhead = 2
)

// A TokensWriter writes the tokens table of one run, from gaps as they are read.
//
// The table is where the bytes are, so it does not go through Arrow's writer of
// records: that spends three quarters of its time on moving values about. Pages
// are encoded here, on a goroutine of their own while their reader reads on, and
// Arrow writes what is around them.
//
// The run_id of every row is the same, and is asked for at the end only: it is
// the digest of an upload that has not been read whole before. Its column chunks
// come last in the file, which the format allows.
type TokensWriter struct {
	itl  *schemas.Cell
	next *tokenRows // being filled
	rows int64

	batches chan *tokenRows // to the encoder; nil before the first
	free    chan *tokenRows // back from it
	done    chan struct{}   // closed when it has ended

	// The encoder's, until done is closed.
	file   tokensFile
	err    error
	failed chan struct{} // closed when err is set
}

// tokenRows are consecutive rows, column by column. Requests and chunks are not
// written down row by row: a chunk is one more than that before it.
type tokenRows struct {
	request, chunk []run
	gap            []int64
	tokens         []int32 // of the chunks that are known
	known          []span
}

// A span is a number of consecutive rows whose tokens are all known, or all not.
type span struct {
	known bool
	rows  int
}

func newTokenRows() *tokenRows { return &tokenRows{gap: make([]int64, 0, tokenBatch)} }

func (t *tokenRows) reset() {
	t.request, t.chunk, t.gap = t.request[:0], t.chunk[:0], t.gap[:0]
	t.tokens, t.known = t.tokens[:0], t.known[:0]
}

// take copies gaps from the i-th on, as far as there is room, and returns how
// many those are.
func (t *tokenRows) take(g *schemas.Gaps, i int) int {
	n := min(len(g.Nanos)-i, tokenBatch-len(t.gap))
	t.request = append(t.request, run{first: int64(g.Request), rows: n})
	t.chunk = append(t.chunk, run{first: int64(g.FirstChunk + i), step: 1, rows: n})
	t.gap = append(t.gap, g.Nanos[i:i+n]...)
	known := g.Tokens != nil
	if known {
		t.tokens = append(t.tokens, g.Tokens[i:i+n]...)
	}
	if last := len(t.known) - 1; last >= 0 && t.known[last].known == known {
		t.known[last].rows += n
	} else {
		t.known = append(t.known, span{known, n})
	}
	return n
}

// NewTokensWriter begins the tokens table of a run. The gaps are counted in itl
// as well, which is whole when Close has returned. Close or Abort it.
func NewTokensWriter(w io.Writer, itl *schemas.Cell) (*TokensWriter, error) {
	t := &TokensWriter{itl: itl, next: newTokenRows(), failed: make(chan struct{})}
	return t, t.file.begin(w)
}

// Append adds gaps, which come by request and in order. It copies them.
func (t *TokensWriter) Append(g *schemas.Gaps) error {
	if g.Request > math.MaxInt32 || g.FirstChunk+len(g.Nanos) > math.MaxInt32 {
		return fmt.Errorf("%s: more requests or chunks than the tokens table can number", g.Pos())
	}
	for i := 0; i < len(g.Nanos); {
		i += t.next.take(g, i)
		if len(t.next.gap) == tokenBatch {
			if err := t.hand(); err != nil {
				return err
			}
		}
	}
	t.rows += int64(len(g.Nanos))
	return nil
}

// hand gives the full batch to the encoder and takes an empty one.
func (t *TokensWriter) hand() error {
	if t.batches == nil {
		t.batches, t.done = make(chan *tokenRows, batchesAhead), make(chan struct{})
		t.free = make(chan *tokenRows, batchesAhead+1)
		for range batchesAhead {
			t.free <- newTokenRows()
		}
		go t.encodeAll()
	}
	select {
	case t.batches <- t.next:
	case <-t.failed:
		return t.err
	}
	select {
	case t.next = <-t.free:
		return nil
	case <-t.failed:
		return t.err
	}
}

func (t *TokensWriter) encodeAll() {
	defer close(t.done)
	for batch := range t.batches {
		if t.err == nil {
			if t.err = t.encode(batch); t.err != nil {
				close(t.failed)
			}
		}
		batch.reset()
		t.free <- batch
	}
}

func (t *TokensWriter) encode(batch *tokenRows) error {
	t.itl.AddAll(batch.gap)
	return t.file.add(batch)
}

// Close completes the file and returns the number of rows in it.
func (t *TokensWriter) Close(runID string) (rows int64, err error) {
	if t.Abort(); t.err != nil {
		return t.rows, t.err
	}
	if len(t.next.gap) > 0 {
		if err := t.encode(t.next); err != nil {
			return t.rows, err
		}
	}
	return t.rows, t.file.finish(runID)
}

// Abort ends the encoder. What was written is of no use.
func (t *TokensWriter) Abort() {
	if t.batches != nil {
		close(t.batches)
		<-t.done
		t.batches = nil
	}
}

// The columns of the tokens table that a page is made of, in their order.
const (
	columnRequest = iota
	columnChunk
	columnGap
	columnTokens
	pageColumns
)

// A tokensFile is the Parquet file of a tokens table.
type tokensFile struct {
	w     telling
	props *parquet.WriterProperties
	meta  *metadata.FileMetaDataBuilder

	group  []tokenPages // of the row group that is being gathered
	rows   int          // in it
	groups []rowGroup
	delta  deltaEncoder
	plain  []byte
	spare  [pageColumns][][]byte // memory of pages that are written
}

// A page is the compressed bytes of some rows of a column.
type page struct {
	data  []byte
	plain int // its length before
	rows  int
	stats stats
}

type tokenPages [pageColumns]page

// A rowGroup is written, but for its run_id.
type rowGroup struct {
	meta  *metadata.RowGroupMetaDataBuilder
	runID *metadata.ColumnChunkMetaDataBuilder
	rows  int
	plain int64 // bytes of its column chunks, before compression
}

// telling is a writer that knows how far it is.
type telling struct {
	io.Writer
	at int64
}

func (w *telling) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.at += int64(n)
	return n, err
}

func (w *telling) Tell() int64 { return w.at }

const magic = "PAR1"

func (f *tokensFile) begin(w io.Writer) error {
	f.w, f.props = telling{Writer: w}, properties(schemas.TokensTable, rowGroupRows)
	schema, err := pqarrow.ToParquet(schemas.TokensTable.Arrow(), f.props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	f.meta = metadata.NewFileMetadataBuilder(schema, f.props, nil)
	_, err = io.WriteString(&f.w, magic)
	return err
}

// add encodes rows as a page of each column.
func (f *tokensFile) add(t *tokenRows) error {
	var pages tokenPages
	rows := len(t.gap)
	pages[columnRequest] = f.page(columnRequest, appendRuns(&f.delta, f.plain[:0], t.request), rows)
	pages[columnRequest].stats = statsOfRuns(t.request)
	pages[columnChunk] = f.page(columnChunk, appendRuns(&f.delta, f.plain[:0], t.chunk), rows)
	pages[columnChunk].stats = statsOfRuns(t.chunk)
	pages[columnGap] = f.page(columnGap, appendDelta(&f.delta, f.plain[:0], t.gap), rows)
	pages[columnGap].stats = statsOf(t.gap)
	pages[columnTokens] = f.page(columnTokens, appendDelta(&f.delta, appendLevels(f.plain[:0], t.known), t.tokens), rows)
	pages[columnTokens].stats = statsOf(t.tokens)
	pages[columnTokens].stats.nulls = int64(rows - len(t.tokens))
	f.group = append(f.group, pages)
	f.rows += rows
	if f.rows >= rowGroupRows {
		return f.endGroup()
	}
	return nil
}

// page compresses plain, whose memory it keeps for the next one, into that of a page
// of the same column which is written, if there is one.
func (f *tokensFile) page(column int, plain []byte, rows int) page {
	f.plain = plain
	var data []byte
	if last := len(f.spare[column]) - 1; last >= 0 {
		data, f.spare[column] = f.spare[column][last], f.spare[column][:last]
	}
	return page{data: zstdPages.Encode(data, plain), plain: len(plain), rows: rows}
}

// appendLevels appends the definition levels of a column that may be NULL: their
// length, and runs of ones where the value is there and of zeros where it is not.
func appendLevels(dst []byte, spans []span) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, s := range spans {
		level := byte(0)
		if s.known {
			level = 1
		}
		dst = appendRun(dst, s.rows, level)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendRun appends a run of a value of one bit in Parquet's RLE encoding.
func appendRun(dst []byte, n int, value byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(n)<<1), value)
}

// endGroup writes the row group, but for its run_id.
func (f *tokensFile) endGroup() error {
	g := rowGroup{meta: f.meta.AppendRowGroup(), rows: f.rows}
	g.meta.SetNumRows(f.rows)
	g.runID = g.meta.NextColumnChunk()
	for c := range pageColumns {
		if err := f.writeChunk(&g, c); err != nil {
			return err
		}
	}
	f.groups = append(f.groups, g)
	for c := range pageColumns {
		for i := range f.group {
			f.spare[c] = append(f.spare[c], f.group[i][c].data)
		}
	}
	clear(f.group)
	f.group, f.rows = f.group[:0], 0
	return nil
}

func (f *tokensFile) writeChunk(g *rowGroup, column int) error {
	meta := g.meta.NextColumnChunk()
	w, err := f.pageWriter(meta, 1+column)
	if err != nil {
		return err
	}
	var all stats
	for i := range f.group {
		p := &f.group[i][column]
		all.join(p.stats)
		data := file.NewDataPageV1(memory.NewBufferBytes(p.data), int32(p.rows), parquet.Encodings.DeltaBinaryPacked,
			parquet.Encodings.RLE, parquet.Encodings.RLE, int32(p.plain))
		if _, err := w.WriteDataPage(data); err != nil {
			return err
		}
	}
	width := 4
	if column == columnGap {
		width = 8
	}
	meta.SetStats(all.encoded(width))
	if err := w.Close(false, false); err != nil {
		return err
	}
	g.plain += meta.Contents().MetaData.GetTotalUncompressedSize()
	return nil
}

func (f *tokensFile) pageWriter(meta *metadata.ColumnChunkMetaDataBuilder, column int) (file.PageWriter, error) {
	return file.NewPageWriter(&f.w, compress.Codecs.Zstd, 0, meta, int16(len(f.groups)), int16(column), memory.DefaultAllocator, false, nil, nil)
}

// finish writes what is left, then every run_id, then the footer.
func (f *tokensFile) finish(runID string) error {
	if f.rows > 0 {
		if err := f.endGroup(); err != nil {
			return err
		}
	}
	for i := range f.groups {
		if err := f.writeRunID(&f.groups[i], i, runID); err != nil {
			return err
		}
	}
	meta, err := f.meta.Finish()
	if err != nil {
		return err
	}
	n, err := meta.WriteTo(&f.w, nil)
	if err != nil {
		return err
	}
	_, err = f.w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...))
	return err
}

// writeRunID writes the column chunk of a row group's run_id: a dictionary of one
// value, and one run of its index.
func (f *tokensFile) writeRunID(g *rowGroup, ordinal int, runID string) error {
	w, err := f.pageWriter(g.runID, 0)
	if err != nil {
		return err
	}
	value := append(binary.LittleEndian.AppendUint32(nil, uint32(len(runID))), runID...)
	if _, err := w.WriteDictionaryPage(file.NewDictionaryPage(memory.NewBufferBytes(value), 1, f.props.DictionaryPageEncoding())); err != nil {
		return err
	}
	const bitWidth = 1
	index := appendRun([]byte{bitWidth}, g.rows, 0)
	data := file.NewDataPageV1(memory.NewBufferBytes(zstdPages.Encode(nil, index)), int32(g.rows), f.props.DictionaryIndexEncoding(),
		parquet.Encodings.RLE, parquet.Encodings.RLE, int32(len(index)))
	if _, err := w.WriteDataPage(data); err != nil {
		return err
	}
	g.runID.SetStats(metadata.EncodedStatistics{HasMin: true, Min: []byte(runID), HasMax: true, Max: []byte(runID), HasNullCount: true})
	if err := w.Close(true, false); err != nil {
		return err
	}
	return g.meta.Finish(g.plain+g.runID.Contents().MetaData.GetTotalUncompressedSize(), int16(ordinal))
}

// stats are what a column chunk says of its values.
type stats struct {
	any      bool
	min, max int64
	nulls    int64
}

func statsOf[T int32 | int64](values []T) stats {
	if len(values) == 0 {
		return stats{}
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	return stats{any: true, min: int64(lo), max: int64(hi)}
}

func statsOfRuns(runs []run) stats {
	var all stats
	for _, r := range runs { // whose steps are not negative
		all.join(stats{any: true, min: r.first, max: r.last()})
	}
	return all
}

func (s *stats) join(o stats) {
	nulls := s.nulls + o.nulls
	switch {
	case !s.any:
		*s = o
	case o.any:
		s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	}
	s.nulls = nulls
}

// encoded returns s as Parquet has it, the values in width bytes.
func (s *stats) encoded(width int) metadata.EncodedStatistics {
	out := metadata.EncodedStatistics{HasNullCount: true, NullCount: s.nulls}
	if s.any {
		out.SetMin(binary.LittleEndian.AppendUint64(nil, uint64(s.min))[:width])
		out.SetMax(binary.LittleEndian.AppendUint64(nil, uint64(s.max))[:width])
	}
	return out
}

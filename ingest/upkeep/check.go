package upkeep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/servestat/servestat/schemas"
	"github.com/servestat/servestat/schemas/columnar"
	"github.com/servestat/servestat/schemas/lake"
)

// A Health is what a check of a lake found.
type Health struct {
	Schema      string `json:"schema"`
	Manifests   int    `json:"manifests"`
	Runs        int    `json:"runs"` // that readers see
	Compactions int    `json:"compactions"`
	Receipts    int    `json:"receipts"`
	Blocks      int    `json:"blocks"`  // read
	Uploads     int    `json:"uploads"` // read
	Bytes       int64  `json:"bytes"`   // of both
	// Faults are what is missing or damaged, by name.
	Faults []lake.Fault `json:"faults"`
	// Orphans are files that nothing names, of processes that ended early: no
	// faults.
	Orphans []lake.Garbage `json:"orphans"`
}

// Whole reports whether nothing is missing or damaged.
func (h *Health) Whole() bool { return len(h.Faults) == 0 }

// Check reads everything in the lake: every manifest, compaction, receipt and
// checkpoint and what it names, every block (size, digest, every value, and the
// rows of each run in a compacted one), every kept upload (the digest of its
// decompressed bytes). It calls begin with the bytes to be read and progress as
// they are; both may be nil. The error is for what keeps it from looking; what it
// finds is in the Health.
func Check(ctx context.Context, l *lake.Lake, begin, progress func(bytes int64)) (h *Health, err error) {
	l, done, err := l.Afresh()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := l.Inspect()
	if err != nil {
		return nil, err
	}
	files, err := l.Reader()
	if err != nil {
		return nil, err
	}
	defer files.Close()
	h = &Health{
		Schema: "servestat.check/1", Manifests: found.Manifests, Runs: found.Runs, Compactions: found.Compactions, Receipts: found.Receipts,
		Faults: append([]lake.Fault{}, found.Faults...), Orphans: []lake.Garbage{},
	}
	total := int64(0)
	for _, claim := range found.Claims {
		total += claim.Size
	}
	if begin != nil {
		begin(total)
	}
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(min(runtime.GOMAXPROCS(0), mostReaders))
	c := &checker{ctx: ctx, lake: l, files: files, Health: h, progress: progress}
	for _, claim := range found.Claims {
		reading.Go(func() error { return c.look(claim) })
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(h.Faults, func(a, b lake.Fault) int { return strings.Compare(a.Name, b.Name) })
	return h, c.orphans()
}

type checker struct {
	ctx   context.Context
	lake  *lake.Lake
	files *lake.Reader

	mu sync.Mutex // of what follows: files are read side by side
	*Health
	progress func(int64)
}

// look verifies one file. A fault in it is noted; being cancelled is an error.
func (c *checker) look(claim lake.Claim) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	err := c.files.Fetch(c.ctx, claim.Name)
	if err != nil && !errors.Is(err, lake.ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer c.files.Drop(claim.Name)
	read := err == nil
	switch {
	case !read:
	case claim.Block.Name == "":
		err = c.upload(claim)
	default:
		err = c.block(claim)
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone: was the lake collected meanwhile? Try again", claim.Name)
	}
	c.note(claim, read, err)
	return nil
}

// note counts a file, and what is wrong with it.
func (c *checker) note(claim lake.Claim, read bool, fault error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fault != nil {
		c.Faults = append(c.Faults, lake.Fault{Name: claim.Name, What: lake.Damaged, Of: claim.Of, Why: fault.Error()})
	}
	if !read {
		return
	}
	if claim.Block.Name == "" {
		c.Uploads++
	} else {
		c.Blocks++
	}
	c.Bytes += claim.Size
	if c.progress != nil {
		c.progress(claim.Size)
	}
}

// block verifies a block against what is said of it. The digest comes first:
// where it is right, the bytes are those that were written.
func (c *checker) block(claim lake.Claim) error {
	b := claim.Block
	if claim.Size != b.Bytes {
		return fmt.Errorf("it has %d bytes, not %d", claim.Size, b.Bytes)
	}
	sum, err := c.digest(claim, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		return err
	}
	if sum != b.SHA256 || path.Base(claim.Name) != b.SHA256+".parquet" {
		return fmt.Errorf("its digest is %s", sum)
	}
	t, ok := knownTable(b.Table)
	if !ok { // a newer servestat's: its digest must do
		return nil
	}
	block, err := columnar.OpenBlock(c.files.Path(claim.Name), t)
	if errors.Is(err, columnar.ErrUnknownColumn) {
		return nil
	}
	if err != nil {
		return err
	}
	defer block.Close()
	if block.Rows() != b.Rows {
		return fmt.Errorf("it has %d rows, not %d", block.Rows(), b.Rows)
	}
	if claim.Compaction == nil {
		return block.Verify(c.ctx, "", nil)
	}
	p := &parts{of: claim.Compaction.Parts}
	if err := block.Verify(c.ctx, lake.KeyColumn(b.Table), p.see); err != nil {
		return err
	}
	return p.whole()
}

// parts verify that a compacted block holds the rows of each run where its
// compaction says.
type parts struct {
	of   []lake.Part
	at   int   // the parts that were seen whole
	seen int64 // rows of the one after
}

// see takes in the rows of one run that come next.
func (p *parts) see(key string, rows int64) error {
	for rows > 0 {
		if p.at == len(p.of) {
			return fmt.Errorf("it has more rows than its %d runs", len(p.of))
		}
		part := p.of[p.at]
		n := min(rows, part.Rows-p.seen)
		if n > 0 && key != part.Key {
			return fmt.Errorf("a row of %v stands among those of %s", key, part.Key)
		}
		rows, p.seen = rows-n, p.seen+n
		if p.seen == part.Rows {
			p.at, p.seen = p.at+1, 0
		}
	}
	return nil
}

// whole says where rows of the last runs are missing.
func (p *parts) whole() error {
	for _, part := range p.of[p.at:] {
		if part.Rows > 0 {
			return fmt.Errorf("it has less than the %d rows of %s", part.Rows, part.Key)
		}
	}
	return nil
}

func knownTable(name string) (schemas.TableInfo, bool) {
	tables := schemas.Tables()
	i := slices.IndexFunc(tables, func(t schemas.TableInfo) bool { return t.Name == name })
	if i < 0 {
		return schemas.TableInfo{}, false
	}
	return tables[i], true
}

// upload verifies a kept upload, which is named after its decompressed bytes.
func (c *checker) upload(claim lake.Claim) error {
	sum, err := c.digest(claim, func(r io.Reader) (io.Reader, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	})
	if err != nil {
		return err
	}
	if want := strings.TrimSuffix(path.Base(claim.Name), ".zst"); sum != want {
		return fmt.Errorf("the digest of its decompressed bytes is %s", sum)
	}
	return nil
}

// digest returns the SHA-256 of a file, opened through open.
func (c *checker) digest(claim lake.Claim, open func(io.Reader) (io.Reader, error)) (string, error) {
	file, err := os.Open(c.files.Path(claim.Name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	r, err := open(file)
	if err != nil {
		return "", err
	}
	if closer, ok := r.(io.ReadCloser); ok && r != io.Reader(file) {
		defer closer.Close()
	}
	sum := sha256.New()
	buf := make([]byte, min(max(claim.Size, 512), 1<<20)) // a lake may have many small files
	for {
		if err := c.ctx.Err(); err != nil {
			return "", err
		}
		n, err := r.Read(buf)
		sum.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// orphans lists what nothing names. It is not known where manifests are damaged.
func (c *checker) orphans() error {
	garbage, err := c.lake.Garbage(time.Now(), 0)
	if err != nil && !c.Whole() {
		return nil
	}
	if err != nil {
		return err
	}
	for _, g := range garbage {
		if g.Orphan() {
			c.Orphans = append(c.Orphans, g)
		}
	}
	return nil
}

package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/servestat/servestat/schemas/lake"
)

// An objects is a store of an inbox: what was put there by others.
type objects struct {
	lake.Store
	data map[string][]byte
	cuts int // so many bodies break off in their middle
}

func (o *objects) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return o.GetRange(ctx, name, 0, int64(len(o.data[name])))
}

func (o *objects) GetRange(_ context.Context, name string, from, n int64) (io.ReadCloser, error) {
	data, ok := o.data[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	data = data[from:min(from+n, int64(len(data)))]
	if o.cuts > 0 && len(data) > 1 {
		o.cuts--
		return io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), broken{})), nil
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

func (o *objects) Stat(_ context.Context, name string) (lake.Entry, error) {
	data, ok := o.data[name]
	if !ok {
		return lake.Entry{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return lake.Entry{Name: name, Size: int64(len(data))}, nil
}

func (o *objects) List(_ context.Context, folder string, each func(lake.Entry) error) error {
	for name, data := range o.data {
		if strings.HasPrefix(name, folder) {
			if err := each(lake.Entry{Name: name, Size: int64(len(data))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func openInbox(t *testing.T, o *objects, prefix string) *Inbox {
	t.Helper()
	b, err := OpenInbox(t.Context(), o, "s3://lab", prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Who may upload into an inbox names objects as they like. What is no path of a file
// is skipped by itself, and nothing comes to lie outside the inbox's folder.
func TestInboxOfHostileKeys(t *testing.T) {
	result := []byte(`{"date": "20260101-000000", "backend": "vllm", "model_id": "m", "num_prompts": 1, "ttfts": [0.1], "itls": [[0.1]]}`)
	o := &objects{data: map[string][]byte{}}
	for _, key := range []string{
		"in/good.json", "in/../out.json", "in/./dot.json", "in//double.json", "in/a/../../../../tmp/x.json", "in/.hidden/x.json",
		"in/both", "in/both/x.json", "in/lake/lake.json", "in/lake/x.json", "in/folder/", "other/x.json", "in/" + strings.Repeat("n", 300) + ".json",
	} {
		o.data[key] = result
	}
	b := openInbox(t, o, "in")
	uploads, skipped, err := b.Find(t.Context(), b.Names())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, up := range uploads {
		found = append(found, up.Name)
	}
	if want := []string{"s3://lab/in/both", "s3://lab/in/good.json"}; !slices.Equal(found, want) {
		t.Errorf("uploads %q, want %q", found, want)
	}
	var refused []string
	for _, s := range append(b.Skipped, skipped...) {
		refused = append(refused, s.Name)
	}
	for _, want := range []string{"s3://lab/in/../out.json", "s3://lab/in//double.json", "s3://lab/in/both/x.json", "s3://lab/in/a/../../../../tmp/x.json"} {
		if !slices.Contains(refused, want) {
			t.Errorf("%s is not said to be skipped: %q", want, refused)
		}
	}
}

// A connection that breaks off is no end of an upload.
func TestObjectIsReadOnWhereItBrokeOff(t *testing.T) {
	text := []byte(strings.Repeat("0123456789", 1000))
	o := &objects{data: map[string][]byte{"in/x.json": text}, cuts: 3}
	b := openInbox(t, o, "in")
	r, err := openFile(b.root + "/in/x.json")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d of %d bytes, %v", len(got), len(text), err)
	}
	o.cuts = 100
	again, err := openFile(b.root + "/in/x.json")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := io.ReadAll(again); err == nil || !strings.Contains(err.Error(), "s3://lab/in/x.json: at byte") {
		t.Errorf("one that always breaks off: %v", err)
	}
}

func TestInboxLeavesNothing(t *testing.T) {
	b := openInbox(t, &objects{data: map[string][]byte{"in/x.json": []byte("{}")}}, "in")
	root := b.root
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
	if at, _ := inboxOf(root + "/in/x.json"); at != nil {
		t.Error("it is still known")
	}
}

func TestShardsPartition(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("inbox/c%d/run%d.json", i%6, i)
	}
	for _, n := range []int{1, 2, 3, 8} {
		total := 0
		for i := range n {
			part := Shard{i, n}.Of(names)
			total += len(part)
			if len(part) < len(names)/n*8/10 {
				t.Errorf("shard %d of %d has %d of %d names", i, n, len(part), len(names))
			}
		}
		if total != len(names) {
			t.Errorf("%d shards have %d names, of %d", n, total, len(names))
		}
	}
	for _, text := range []string{"", "1", "1/", "/2", "2/2", "-1/2", "0/0", "a/b", "0/1/2"} {
		if s, err := ParseShard(text); err == nil {
			t.Errorf("%q is taken for %v", text, s)
		}
	}
}

// A guarded store gives rights to what lies below a prefix, and to nothing else.
type guarded struct {
	*objects
	prefix string
}

func (g guarded) Stat(ctx context.Context, name string) (lake.Entry, error) {
	if !strings.HasPrefix(name, g.prefix) {
		return lake.Entry{}, fmt.Errorf("stat %s: %w", name, fs.ErrPermission)
	}
	return g.objects.Stat(ctx, name)
}

// Who may read an inbox and nothing else, as is good practice, is told "forbidden" of
// the prefix itself, and of a servestat.yaml above it, whether there is one or not.
func TestInboxIsReadByWhoMayReadNothingElse(t *testing.T) {
	store := guarded{prefix: "lab/inbox/", objects: &objects{data: map[string][]byte{
		"lab/servestat.yaml":             []byte("hardware: not ours to read\n"),
		"lab/inbox/servestat.yaml":       []byte("hardware: H100\n"),
		"lab/inbox/nightly/c1/run1.json": []byte("{}"),
	}}}
	for _, prefix := range []string{"lab/inbox", "lab/inbox/nightly/c1/run1.json"} {
		inbox, err := OpenInbox(t.Context(), store, "s3://bucket", prefix)
		if err != nil {
			t.Fatal(err)
		}
		defer inbox.Close()
		if !slices.Contains(inbox.Names(), "lab/inbox/nightly/c1/run1.json") {
			t.Errorf("%s: found %v", prefix, inbox.Names())
		}
	}
	if _, err := OpenInbox(t.Context(), store, "s3://bucket", "elsewhere"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a prefix that may not be read: %v", err)
	}
}

package ingest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// numbers is text as a result's itls have it.
func numbers(n int) []byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%v, ", 0.01+0.01*rnd.Float64())
	}
	return b[:n]
}

// The frames of numbers are made by hand, so every decoder is asked that is there.
func TestFramesDecompress(t *testing.T) {
	texts := map[string][]byte{
		"numbers": numbers(chunkSize), "few numbers": numbers(700), "one block and a bit": numbers(128<<10 + 3),
		"one byte": []byte("7"), "sevens": bytes.Repeat([]byte("7"), 300_000), "text": bytes.Repeat([]byte("so it goes, "), 50_000),
		"numbers and one letter": append(numbers(200_000), 'x'), "a letter before an even number": append([]byte("x"), numbers(200_001)...),
		"every length of a tail": numbers(1024 + 1), "and": numbers(1024 + 2), "so": numbers(1024 + 3), "on": numbers(1024 + 5), "till": numbers(1024 + 7),
		"arrays": bytes.Repeat([]byte("[1e-05, -0.125], "), 20_000), "nothing": nil,
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var all, want []byte
	for name, text := range texts {
		frame := appendFrame(nil, text)
		got, err := dec.DecodeAll(frame, nil)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes came back, want %d: %v", name, len(got), len(text), err)
		}
		all, want = append(all, frame...), append(want, text...)
	}
	if got, err := dec.DecodeAll(all, nil); err != nil || !bytes.Equal(got, want) {
		t.Errorf("frames one behind the other: %v", err)
	}
	if n := len(appendFrame(nil, numbers(chunkSize))); n > chunkSize/2 {
		t.Errorf("a MiB of numbers takes %d bytes", n)
	}
	cmd := exec.Command("zstd", "-d", "-c")
	if cmd.Err != nil {
		return
	}
	cmd.Stdin = bytes.NewReader(all)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the zstd command: %v", err)
	}
}

func BenchmarkFrame(b *testing.B) {
	text := numbers(chunkSize)
	b.SetBytes(chunkSize)
	var frame []byte
	for b.Loop() {
		frame = appendFrame(frame[:0], text)
	}
	b.ReportMetric(float64(chunkSize)/float64(len(frame)), "ratio")
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("0.0123, 0.0456"), 1)
	f.Add(numbers(3000), 50)
	dec, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		text = []byte(strings.Repeat(string(text), 1+times&63))
		frame, ok := appendNumbersFrame(nil, text)
		if !ok {
			if bytes.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789-[], .e", r) }) {
				return
			}
			t.Fatalf("%q was not taken", text)
		}
		got, err := dec.DecodeAll(frame, nil)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes came back, want %d: %v", len(got), len(text), err)
		}
	})
}

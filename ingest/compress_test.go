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

// answers is text as a model gives it: words, the frequent ones more often.
func answers(n int) []byte {
	rnd := rand.New(rand.NewPCG(5, 6))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%x ", int(rnd.ExpFloat64()*500))
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
		packed, err := frame(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := dec.DecodeAll(packed, nil)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes came back, want %d: %v", name, len(got), len(text), err)
		}
		all, want = append(all, packed...), append(want, text...)
	}
	if got, err := dec.DecodeAll(all, nil); err != nil || !bytes.Equal(got, want) {
		t.Errorf("frames one behind the other: %v", err)
	}
	if packed, err := frame(nil, numbers(chunkSize)); err != nil || len(packed) > chunkSize/2 {
		t.Errorf("a MiB of numbers takes %d bytes, %v", len(packed), err)
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
	for name, text := range map[string][]byte{"numbers": numbers(chunkSize), "answers": answers(chunkSize)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(chunkSize)
			var packed []byte
			for b.Loop() {
				packed, _ = frame(packed, text)
			}
			b.ReportMetric(float64(chunkSize)/float64(len(packed)), "ratio")
		})
	}
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

package ingest

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// A chunk of an upload becomes one Zstandard frame of its own. Decoders read
// frames one behind the other as one stream, and since no frame knows another
// they can be made at the same time.
const chunkSize = 1 << 20

// frames makes frames of text that repeats itself: prompts, answers, keys.
var frames = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic("ingest: " + err.Error())
	}
	return enc
})

// appendFrame appends the compressed chunk to dst. The same chunk gives the same
// bytes.
func appendFrame(dst, chunk []byte) []byte {
	if mostlyNumbers(chunk) {
		return appendNumbersFrame(dst, chunk)
	}
	return frames().EncodeAll(chunk, dst)
}

// mostlyNumbers looks at some of the chunk.
func mostlyNumbers(chunk []byte) bool {
	const step = 61 // in no step with what repeats
	seen, numeric := 0, 0
	for i := 0; i < len(chunk); i += step {
		seen++
		if c := chunk[i]; c-'0' <= 9 || c == '.' || c == ',' || c == ' ' {
			numeric++
		}
	}
	return numeric*100 > seen*95
}

var huffman = sync.Pool{New: func() any { return &huff0.Scratch{Reuse: huff0.ReusePolicyNone} }}

// appendNumbersFrame compresses text whose digits are noise. Looking for what
// repeats there takes four times as long as coding the characters, and saves
// little: a gap that was measured is 17 digits that no other gap has. So the
// frame's blocks are literals only (RFC 8878, section 3.1.1.3.1), no sequences.
func appendNumbersFrame(dst, chunk []byte) []byte {
	const (
		frameMagic    = 0xFD2FB528
		singleSegment = 1 << 5
		sizeOf4Bytes  = 2 << 6
	)
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = append(dst, singleSegment|sizeOf4Bytes)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(chunk)))
	s := huffman.Get().(*huff0.Scratch)
	defer huffman.Put(s)
	for {
		const blockMax = 128 << 10
		block := chunk[:min(len(chunk), blockMax)]
		chunk = chunk[len(block):]
		dst = appendLiterals(dst, block, s, len(chunk) == 0)
		if len(chunk) == 0 {
			return dst
		}
	}
}

// appendLiterals appends a block of a frame: compressed where that makes it shorter.
func appendLiterals(dst, block []byte, s *huff0.Scratch, last bool) []byte {
	const (
		plain, compressed   = 0, 2
		literalsHeader      = 5
		fourStreamsOf18Bits = 3
		compressedLiterals  = 2
		noSequences         = 0
		least               = 1 << 10 // shorter blocks are not worth a table
		sizeBits            = 18
	)
	head := func(kind, size int) {
		v := uint32(size)<<3 | uint32(kind)<<1
		if last {
			v |= 1
		}
		dst = append(dst, byte(v), byte(v>>8), byte(v>>16))
	}
	var coded []byte
	if len(block) >= least {
		var err error
		if coded, _, err = huff0.Compress4X(block, s); err != nil {
			coded = nil // it does not pay, or is one byte over and over
		}
	}
	if coded == nil || len(coded)+literalsHeader+1 >= len(block) {
		head(plain, len(block))
		return append(dst, block...)
	}
	head(compressed, literalsHeader+len(coded)+1)
	v := uint64(compressedLiterals | fourStreamsOf18Bits<<2 | len(block)<<4 | len(coded)<<(4+sizeBits))
	dst = append(dst, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32))
	dst = append(dst, coded...)
	return append(dst, noSequences)
}

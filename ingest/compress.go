package ingest

import (
	"encoding/binary"
	"slices"
	"sync"

	libzstd "github.com/DataDog/zstd"
)

// A chunk of an upload becomes one Zstandard frame of its own. Decoders read
// frames one behind the other as one stream, and since no frame knows another
// they can be made at the same time.
const chunkSize = 1 << 20

// compressors make frames of text that repeats itself: prompts, answers, keys. They are
// of the C library: on answers the one in Go takes 1.7 times as long. Their frames have
// no checksum: an upload's name is the digest of what it holds.
var compressors = sync.Pool{New: func() any { return libzstd.NewCtx() }}

// frame returns the compressed chunk, in buf if it has the room. The same chunk gives
// the same bytes.
func frame(buf, chunk []byte) ([]byte, error) {
	if mostlyNumbers(chunk) {
		if out, ok := appendNumbersFrame(buf[:0], chunk); ok {
			return out, nil
		}
	}
	c := compressors.Get().(libzstd.Ctx)
	defer compressors.Put(c)
	return c.CompressLevel(buf, chunk, libzstd.BestSpeed)
}

// mostlyNumbers looks at a thousand places in a chunk: less would do, and all of it
// would take a fifth of the time of coding it.
func mostlyNumbers(chunk []byte) bool {
	const step = 1021 // in no step with what repeats
	for i := 0; i < len(chunk); i += step {
		if numberCode[chunk[i]].bits == 0 {
			return false
		}
	}
	return len(chunk) > 0
}

// A code is the Huffman code of a character: its bits, the last in the lowest place.
type code struct {
	value uint8
	bits  uint8
}

// The characters of arrays of numbers and the lengths of their codes. Digits of
// what was measured are noise: all are about as frequent, but for the first ones
// of numbers just above a tenth or a hundredth.
const (
	codeMax      = 6
	codesOf3Bits = "01"
	codesOf4Bits = "23456789 ,."
	codesOf6Bits = "-[]e"
)

var (
	numberWeights [256]uint8 // of RFC 8878: 0 where there is no code, else one more than bits spared
	numberCode    [256]code
	// numberPairs has the codes of two characters as they lie in memory, joined.
	numberPairs [1 << 16]pair
	numberTable []byte // the weights, as a frame has them
)

// A pair is the codes of two characters above how many bits they have; or noPair.
// Shifting by a pair shifts by its bits, for a processor looks at the lowest six
// only, and adding pairs adds their bits, in the lowest eight.
type pair uint32

const (
	pairValue        = 8 // where the codes begin
	noPair    pair   = 1 << 31
	pairBits  uint64 = 1<<pairValue - 1
)

func init() {
	for bits, characters := range map[uint8]string{3: codesOf3Bits, 4: codesOf4Bits, codeMax: codesOf6Bits} {
		for _, c := range []byte(characters) {
			numberWeights[c] = codeMax + 1 - bits
		}
	}
	// Codes are given out from the longest on, in the order of the characters.
	next, last := 0, 0
	for weight := uint8(1); weight <= codeMax; weight++ {
		for c, w := range numberWeights {
			if w == weight {
				numberCode[c] = code{uint8(next >> (weight - 1)), codeMax + 1 - weight}
				next += 1 << (weight - 1)
				last = max(last, c)
			}
		}
	}
	for a, first := range numberCode {
		for b, second := range numberCode {
			numberPairs[a|b<<8] = noPair
			if first.bits > 0 && second.bits > 0 {
				value := pair(second.value) | pair(first.value)<<second.bits
				numberPairs[a|b<<8] = value<<pairValue | pair(first.bits+second.bits)
			}
		}
	}
	// Four bits a weight; that of the last character follows from the others.
	numberTable = []byte{byte(127 + last)}
	for c := 0; c < last; c += 2 {
		low := byte(0)
		if c+1 < last {
			low = numberWeights[c+1]
		}
		numberTable = append(numberTable, numberWeights[c]<<4|low)
	}
}

// appendNumbersFrame compresses text whose digits are noise, if there is nothing
// else in it. Looking for what repeats there takes ten times as long as coding
// the characters, and saves little: a gap that was measured is 17 digits that no
// other gap has. So the frame's blocks are literals only (RFC 8878, section
// 3.1.1.3.1), no sequences, and their Huffman codes are always the same.
func appendNumbersFrame(dst, chunk []byte) ([]byte, bool) {
	const (
		frameMagic    = 0xFD2FB528
		singleSegment = 1 << 5
		sizeOf4Bytes  = 2 << 6
		blockMax      = 128 << 10
	)
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = append(dst, singleSegment|sizeOf4Bytes)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(chunk)))
	table := numberTable // in the first block that is compressed
	for {
		block := chunk[:min(len(chunk), blockMax)]
		chunk = chunk[len(block):]
		last := len(chunk) == 0
		const least = 1 << 10 // shorter blocks are not worth four streams
		if len(block) < least {
			dst = append(appendBlockHeader(dst, 0, len(block), last), block...)
		} else {
			var ok bool
			if dst, ok = appendLiterals(dst, block, table, last); !ok {
				return nil, false
			}
			table = nil
		}
		if last {
			return dst, true
		}
	}
}

// appendBlockHeader appends the three bytes in front of a block.
func appendBlockHeader(dst []byte, kind, size int, last bool) []byte {
	v := size<<3 | kind<<1
	if last {
		v |= 1
	}
	return append(dst, byte(v), byte(v>>8), byte(v>>16))
}

// appendLiterals appends a compressed block, with the table, or without one as
// the block before. It returns false where a character has no code.
func appendLiterals(dst, block, table []byte, last bool) ([]byte, bool) {
	const (
		compressed          = 2 // the kind of block
		withTable, treeless = 2, 3
		fourStreamsOf18Bits = 3
		sizeBits            = 18
		headers             = 3 + 5
		jumps               = 6 // the lengths of three streams
		noSequences         = 0
	)
	start := len(dst)
	dst = append(dst, make([]byte, headers)...)
	dst = append(dst, table...)
	jump := len(dst)
	dst = append(dst, make([]byte, jumps)...)
	quarter := (len(block) + 3) / 4
	for i := range 4 {
		at := len(dst)
		var ok bool
		if dst, ok = appendStream(dst, block[i*quarter:min((i+1)*quarter, len(block))]); !ok {
			return nil, false
		}
		if i < 3 {
			binary.LittleEndian.PutUint16(dst[jump+2*i:], uint16(len(dst)-at))
		}
	}
	size := len(dst) - start - headers
	dst = append(dst, noSequences)
	kind := treeless
	if table != nil {
		kind = withTable
	}
	appendBlockHeader(dst[start:start], compressed, len(dst)-start-3, last)
	v := uint64(kind | fourStreamsOf18Bits<<2 | len(block)<<4 | size<<(4+sizeBits))
	for i := range 5 {
		dst[start+3+i] = byte(v >> (8 * i))
	}
	return dst, true
}

// appendStream appends the codes of text, which decoders read backwards: its end
// comes first. A bit that is set marks the other end.
func appendStream(dst, text []byte) ([]byte, bool) {
	dst = slices.Grow(dst, len(text)*codeMax/8+2*8)
	out, n := dst[len(dst):cap(dst)], 0
	var bits, filled uint64 // filled < 8 between two rounds
	var seen uint64
	if len(text)%2 == 1 {
		c := numberCode[text[len(text)-1]]
		if c.bits == 0 {
			return dst, false
		}
		bits, filled = uint64(c.value), uint64(c.bits)
		text = text[:len(text)-1]
	}
	// Eight characters have 48 bits at most, and 7 are left of those before.
	for ; len(text) >= 8; text = text[:len(text)-8] {
		w := binary.LittleEndian.Uint64(text[len(text)-8:])
		a, b, c, d := uint64(numberPairs[w>>48]), uint64(numberPairs[w>>32&0xffff]), uint64(numberPairs[w>>16&0xffff]), uint64(numberPairs[w&0xffff])
		seen |= a | b | c | d
		// Joined among themselves first: only what waits for the round before is in a row.
		ab, cd := a>>pairValue|b>>pairValue<<(a&63), c>>pairValue|d>>pairValue<<(c&63)
		bits |= (ab | cd<<((a+b)&63)) << (filled & 63)
		filled = (filled + a + b + c + d) & pairBits
		binary.LittleEndian.PutUint64(out[n:], bits)
		n += int(filled >> 3)
		bits >>= filled &^ 7 & 63
		filled &= 7
	}
	for ; len(text) >= 2; text = text[:len(text)-2] {
		p := uint64(numberPairs[binary.LittleEndian.Uint16(text[len(text)-2:])])
		seen |= p
		bits |= p >> pairValue << (filled & 63)
		filled = (filled + p) & pairBits
	}
	bits |= 1 << (filled & 63)
	binary.LittleEndian.PutUint64(out[n:], bits)
	return dst[:len(dst)+n+int(filled>>3)+1], seen&uint64(noPair) == 0
}

package columnar

import (
	"slices"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// The Zstandard codec of this Arrow version builds an encoder for every page,
// which for small tables costs more than all the rest of writing them. Ours
// keeps one for each core. Level 1 gives three bytes a token; higher ones gain a
// hundredth.
var zstdPages = newZstdCodec()

func init() { compress.RegisterCodec(compress.Codecs.Zstd, zstdPages) }

type zstdCodec struct {
	compress.Codec // decoding, and streams, are Arrow's
	enc            *zstd.Encoder
}

func newZstdCodec() zstdCodec {
	arrow, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic("columnar: " + err.Error())
	}
	// A page is one call, which one encoder serves whole: what is written does not
	// depend on how many there are.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true))
	if err != nil {
		panic("columnar: " + err.Error())
	}
	return zstdCodec{Codec: arrow, enc: enc}
}

// Encode makes room for what cannot be compressed: the encoder itself would find out
// at the end that there is none for the frame around it, and copy everything.
func (z zstdCodec) Encode(dst, src []byte) []byte {
	return z.enc.EncodeAll(src, slices.Grow(dst[:0], z.enc.MaxEncodedSize(len(src))))
}

func (z zstdCodec) EncodeLevel(dst, src []byte, _ int) []byte { return z.Encode(dst, src) }

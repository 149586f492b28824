package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// WorkloadDigest identifies the prompts of a run by their lengths in order of
// submission, so that a workload is the same whatever tool ran it.
func WorkloadDigest(inputLens []int64) string {
	h := sha256.New()
	for chunk := range slices.Chunk(inputLens, 512) {
		var text []byte
		for _, v := range chunk {
			text = binary.LittleEndian.AppendUint64(text, uint64(v))
		}
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

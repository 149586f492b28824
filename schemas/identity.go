package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// NewRunID returns the identity of run number index of the upload whose
// decompressed bytes have the SHA-256 uploadSHA256 (hex): 32 hex digits. It
// depends on nothing else, so the same upload always gives the same runs.
func NewRunID(uploadSHA256 string, index int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "servestat run 1\n%s\n%d\n", uploadSHA256, index))
	return hex.EncodeToString(sum[:16])
}

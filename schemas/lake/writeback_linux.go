package lake

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting tells the system to write these bytes of a file to the disk, and does
// not wait for it. It is advice: what must be lasting is synced all the same.
func beginWriting(f *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}

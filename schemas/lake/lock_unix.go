//go:build unix

package lake

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an exclusive lock on f, without waiting, and reports whether it
// got it. The lock lives as long as the open file.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

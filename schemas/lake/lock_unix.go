//go:build unix

package lake

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an exclusive lock on f, without waiting, and reports whether it
// got it. The lock lives as long as the open file.
func tryLock(f *os.File) (bool, error) { return flock(f, syscall.LOCK_EX) }

// lockFolder is tryLock on a folder, exclusive or shared.
func lockFolder(dir *os.File, exclusive bool) (bool, error) {
	if exclusive {
		return flock(dir, syscall.LOCK_EX)
	}
	return flock(dir, syscall.LOCK_SH)
}

func flock(f *os.File, how int) (bool, error) {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

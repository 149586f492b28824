package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const tmpDir = "tmp"

// A Session is one process's permission to publish. It owns a private folder, and
// holds the lake against those who remove: see [Lake.Collect].
type Session struct {
	lake  *Lake
	own   *private
	share presence

	mu   sync.Mutex
	sent map[string]bool // names that are published for all it knows
}

// A presence says to others that somebody publishes into a lake, or removes from it.
type presence interface {
	valid() error // whether others still see it
	Close() error
}

// A private folder is marked as in use by a lock that the operating system drops
// when the process dies, however it dies.
type private struct {
	dir  string
	lock *os.File
}

// ReadOnly reports whether err is of a lake that may be read and not written to.
func ReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Begin starts a session and removes what dead ones left behind. Sessions of
// several processes may run side by side.
func (l *Lake) Begin() (*Session, error) {
	if l.cache != nil {
		own, err := newPrivate(l.cache.tmp())
		if err != nil {
			return nil, err
		}
		share, err := l.take(publishing, own.dir)
		if err != nil {
			return nil, errors.Join(err, own.Close())
		}
		return &Session{lake: l, own: own, share: share, sent: map[string]bool{}}, nil
	}
	share, err := l.hold(false)
	if err != nil {
		return nil, err
	}
	own, err := newPrivate(l.Path(tmpDir))
	if err != nil {
		share.Close()
		return nil, err
	}
	return &Session{lake: l, own: own, share: share, sent: map[string]bool{}}, nil
}

// newPrivate makes a private folder in root.
func newPrivate(root string) (*private, error) {
	sweep(root)
	// A neighbour's sweep can take the still unlocked folder away: try again.
	for range 100 {
		p, err := tryPrivate(root)
		// It was removed before it was made use of, or, where it was there to be made,
		// before it was looked at.
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return p, err
		}
	}
	return nil, fmt.Errorf("%s: cannot make a private folder: something keeps removing it", root)
}

// holdLimit is how long to wait for those who hold the lake.
var holdLimit = time.Minute

// hold takes a lock on the lake's folder that lasts until the file is closed or
// the process ends: shared by all who publish, exclusive for the one who removes.
func (l *Lake) hold(exclusive bool) (presence, error) {
	dir, err := os.Open(l.dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(holdLimit); ; time.Sleep(20 * time.Millisecond) {
		ok, err := lockFolder(dir, exclusive)
		if ok {
			return folderLock{dir}, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%s: %w: try again when it is done", l.dir, ErrBusy)
		}
		if err != nil {
			dir.Close()
			return nil, err
		}
	}
}

// ErrBusy is returned where another process publishes into the lake, or removes
// from it, and neither may be disturbed.
var ErrBusy = errors.New("another servestat is at work on this lake")

// A folderLock lasts as long as the file is open: others see it until then.
type folderLock struct{ *os.File }

func (folderLock) valid() error { return nil }

func tryPrivate(root string) (*private, error) {
	if err := os.MkdirAll(root, 0o777); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(root, "session-")
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if ok, err := tryLock(lock); err != nil || !ok {
		lock.Close()
		return nil, fmt.Errorf("%s: %w", dir, fs.ErrNotExist)
	}
	if _, err := os.Stat(lock.Name()); err != nil {
		lock.Close()
		return nil, err
	}
	return &private{dir, lock}, nil
}

// Close removes the folder.
func (p *private) Close() error {
	err := os.RemoveAll(p.dir)
	p.lock.Close()
	os.Remove(filepath.Dir(p.dir)) // the folder of private folders, when this was the last
	return err
}

// sweep removes the folders of sessions whose process is gone. Failing to is no
// reason to stop: they are tried again next time.
func sweep(root string) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, d := range dirs {
		dir := filepath.Join(root, d.Name())
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			// Its owner died, or is just, between making the folder and the lock.
			if info, err := d.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
				os.RemoveAll(dir)
			}
			os.Remove(dir) // succeeds only on an empty folder
			continue
		}
		if err != nil {
			continue
		}
		if ok, err := tryLock(lock); err == nil && ok {
			os.RemoveAll(dir)
		}
		lock.Close()
	}
}

// Close ends the session and removes its folder.
func (s *Session) Close() error {
	return errors.Join(s.own.Close(), s.share.Close())
}

// Scratch makes an empty folder that nobody else sees, and that goes when the
// session does.
func (s *Session) Scratch() (dir string, err error) { return os.MkdirTemp(s.own.dir, "scratch-") }

// Put publishes data as name and reports whether it did: false means that name
// was there before.
func (s *Session) Put(name string, data []byte) (created bool, err error) {
	b, err := s.Create()
	if err != nil {
		return false, err
	}
	defer b.Discard()
	if _, err := b.Write(data); err != nil {
		return false, err
	}
	return b.Publish(name)
}

// A Blob is a file in the making: write it, then Publish or Discard it.
type Blob struct {
	session *Session
	file    *os.File
	sum     hash.Hash
	size    int64
	begun   int64 // bytes that are on their way to the disk
}

// writeAhead is how many bytes of a blob wait in memory before the disk gets them. A
// blob is synced when it is whole, while nothing else is left to do; with most of it
// on the disk by then, that takes no longer for a large one.
const writeAhead = 4 << 20

// Create begins a blob.
func (s *Session) Create() (*Blob, error) {
	f, err := os.CreateTemp(s.own.dir, "blob-")
	if err != nil {
		return nil, err
	}
	return &Blob{session: s, file: f, sum: sha256.New()}, nil
}

// CreateUnsummed begins a blob that is not named by the digest of its own bytes,
// so that none is taken.
func (s *Session) CreateUnsummed() (*Blob, error) {
	b, err := s.Create()
	if err == nil {
		b.sum = nil
	}
	return b, err
}

// Write appends to the blob.
func (b *Blob) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	if b.size += int64(n); b.size-b.begun >= writeAhead && b.session.lasts() {
		beginWriting(b.file, b.begun, b.size-b.begun)
		b.begun = b.size
	}
	return n, err
}

// lasts reports whether what is published is synced to a disk.
func (s *Session) lasts() bool {
	d, ok := s.lake.store.(*directory)
	return ok && !d.nosync
}

// SHA256 returns the digest of what was written so far, in hex. The blob is one of
// [Session.Create].
func (b *Blob) SHA256() string { return hex.EncodeToString(b.sum.Sum(nil)) }

// Size returns the number of bytes written so far.
func (b *Blob) Size() int64 { return b.size }

// Path returns the blob's temporary path, for reading it back before Publish.
func (b *Blob) Path() string { return b.file.Name() }

// Publish gives the blob its final name. It reports false, and is content, where
// the name is taken: names are digests, so what is there is the same.
func (b *Blob) Publish(name string) (created bool, err error) {
	s := b.session
	if err := s.share.valid(); err != nil {
		return false, err
	}
	if created, err = s.lake.store.PutIfAbsent(s.lake.ctx, name, b.file.Name()); err != nil {
		return false, err
	}
	s.mu.Lock()
	s.sent[name] = true
	s.mu.Unlock()
	if _, ok := digestOf(name); ok && s.lake.cache != nil {
		s.lake.cache.keep(b.file.Name(), Entry{Name: name, Size: b.size})
	}
	return created, nil
}

// has reports whether name is published, sparing a look for what the session
// published.
func (s *Session) has(name string) (bool, error) {
	s.mu.Lock()
	sent := s.sent[name]
	s.mu.Unlock()
	if sent {
		return true, nil
	}
	return s.lake.Has(name)
}

// Discard removes the temporary file. After Publish it only drops the second
// name. It may be called more than once.
func (b *Blob) Discard() {
	b.file.Close()
	os.Remove(b.file.Name())
}

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
	"syscall"
	"time"
)

const tmpDir = "tmp"

// A Session is one process's permission to publish. It owns a private folder
// under tmp, marked as alive by a lock that the operating system drops when the
// process dies, however it dies.
type Session struct {
	lake  *Lake
	dir   string
	lock  *os.File
	share *os.File // held on the lake while it may publish: see Collect
}

// ReadOnly reports whether err is of a lake that may be read and not written to.
func ReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Begin starts a session and removes what dead ones left behind. Sessions of
// several processes may run side by side.
func (l *Lake) Begin() (*Session, error) {
	share, err := l.hold(false)
	if err != nil {
		return nil, err
	}
	s, err := l.beginIn(l.Path(tmpDir))
	if err != nil {
		share.Close()
		return nil, err
	}
	s.share = share
	return s, nil
}

func (l *Lake) beginIn(root string) (*Session, error) {
	l.sweep(root)
	// A neighbour's sweep can take the still unlocked folder away: try again.
	for range 100 {
		s, err := l.begin(root)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	return nil, fmt.Errorf("%s: cannot make a private folder: something keeps removing it", root)
}

// holdLimit is how long to wait for those who hold the lake.
var holdLimit = time.Minute

// hold takes a lock on the lake's folder that lasts until the file is closed or
// the process ends: shared by all who publish, exclusive for the one who removes.
func (l *Lake) hold(exclusive bool) (*os.File, error) {
	dir, err := os.Open(l.dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(holdLimit); ; time.Sleep(20 * time.Millisecond) {
		ok, err := lockFolder(dir, exclusive)
		if ok {
			return dir, nil
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

func (l *Lake) begin(root string) (*Session, error) {
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
	return &Session{lake: l, dir: dir, lock: lock}, nil
}

// sweep removes the folders of sessions whose process is gone. Failing to is no
// reason to stop: they are tried again next time.
func (l *Lake) sweep(root string) {
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
	err := os.RemoveAll(s.dir)
	s.lock.Close()
	os.Remove(filepath.Dir(s.dir)) // tmp itself, when this was the last session
	s.share.Close()
	return err
}

// Scratch makes an empty folder that nobody else sees, and that goes when the
// session does.
func (s *Session) Scratch() (dir string, err error) { return os.MkdirTemp(s.dir, "scratch-") }

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
	synced  bool
}

// Create begins a blob.
func (s *Session) Create() (*Blob, error) {
	f, err := os.CreateTemp(s.dir, "blob-")
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
	b.size += int64(n)
	return n, err
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
	l := b.session.lake
	path := l.Path(name)
	if !b.synced && !l.nosync {
		if err := b.file.Sync(); err != nil {
			return false, err
		}
		b.synced = true
	}
	if err := l.mkdirAll(filepath.Dir(path)); err != nil {
		return false, err
	}
	err = os.Link(b.file.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("publish %s: %w", name, err)
	}
	return true, l.syncDir(filepath.Dir(path))
}

// Discard removes the temporary file. After Publish it only drops the second
// name. It may be called more than once.
func (b *Blob) Discard() {
	b.file.Close()
	os.Remove(b.file.Name())
}

// mkdirAll makes dir and makes the names of new folders durable.
func (l *Lake) mkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if dir != l.dir {
		if err := l.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return l.syncDir(parent)
}

func (l *Lake) syncDir(dir string) error {
	if l.nosync {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

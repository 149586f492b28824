// Package archivetest makes archives for tests, good ones and bad ones.
package archivetest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// A Member is one entry of an archive. Links, whose target is Text, devices and
// folders have a Mode.
type Member struct {
	Name, Text string
	Mode       fs.FileMode
}

// Pack makes an archive of a kind: zip, tar, tar.gz or tar.zst.
func Pack(kind string, members []Member) ([]byte, error) {
	switch kind {
	case "zip":
		return Zip(members...), nil
	case "tar":
		return Tar(members...), nil
	case "tar.gz":
		return Gzip(Tar(members...)), nil
	case "tar.zst":
		return Zstd(Tar(members...)), nil
	}
	return nil, fmt.Errorf("no kind of archive: %s", kind)
}

// Folder returns the files below dir as members, links as links.
func Folder(dir string) ([]Member, error) {
	var out []Member
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		m := Member{Name: filepath.ToSlash(name), Mode: d.Type()}
		switch {
		case d.IsDir():
			m.Name += "/"
		case d.Type()&fs.ModeSymlink != 0:
			m.Text, err = os.Readlink(p)
		default:
			var text []byte
			text, err = os.ReadFile(p)
			m.Text = string(text)
		}
		out = append(out, m)
		return err
	})
	return out, err
}

// Zip makes a zip.
func Zip(members ...Member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.Name, Method: zip.Deflate}
		h.SetMode(m.Mode | 0o644)
		f, err := w.CreateHeader(h)
		must(err)
		if !m.Mode.IsDir() {
			_, err = f.Write([]byte(m.Text))
			must(err)
		}
	}
	must(w.Close())
	return b.Bytes()
}

// Tar makes a tar.
func Tar(members ...Member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.Name, Mode: 0o644, Size: int64(len(m.Text)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		switch {
		case m.Mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, m.Text, 0
		case m.Mode&fs.ModeDevice != 0:
			h.Typeflag, h.Size = tar.TypeBlock, 0
		case m.Mode.IsDir():
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		must(w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write([]byte(m.Text))
			must(err)
		}
	}
	must(w.Close())
	return b.Bytes()
}

// Gzip compresses data.
func Gzip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// Zstd compresses data.
func Zstd(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	must(err)
	return w.EncodeAll(data, nil)
}

// must: what is made lies in memory, and only a mistake in a test can fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

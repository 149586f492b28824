// Command lambdazip packs a binary as bootstrap into an archive for AWS Lambda, the
// same bytes every time, and fails where the archive is more than Lambda takes.
//
//	go run ./.ci/lambdazip BINARY ARCHIVE
package main

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"time"
)

// What Lambda takes by direct upload, and unpacked.
const (
	mostPacked   = 50_000_000
	mostUnpacked = 250_000_000
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lambdazip BINARY ARCHIVE")
		os.Exit(4)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

func pack(binary, archive string) error {
	in, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer out.Close()
	w := zip.NewWriter(out)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	entry, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	unpacked, err := io.Copy(entry, in)
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	info, err := out.Stat()
	if err != nil {
		return err
	}
	verdict := "met"
	if info.Size() > mostPacked || unpacked > mostUnpacked {
		verdict = "not met"
		err = fmt.Errorf("%s is too large for Lambda", archive)
	}
	fmt.Printf("bar: | zip for AWS Lambda; unpacked | %.1f MB; %.0f MB | <= 50 MB; <= 250 MB | %s |\n", float64(info.Size())/1e6, float64(unpacked)/1e6, verdict)
	return err
}

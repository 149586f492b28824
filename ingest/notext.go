package ingest

import "bytes"

// noText says what keeps a file that begins with head from being read as text,
// where something does.
func noText(head []byte) (why string, ok bool) {
	switch {
	case len(head) == 0:
		return "an empty file", true
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.HasPrefix(head, []byte("{\x00")), bytes.HasPrefix(head, []byte("\x00{")):
		return "UTF-16 text: write it as UTF-8", true
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return "text behind a byte order mark: write it as UTF-8 without one", true
	case bytes.HasPrefix(head, []byte("PAR1")):
		return "a Parquet file: what servestat reads is the log that it was made from", true
	}
	return "", false
}

package markdown_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/servestat/servestat/report/internal/specimen"
	"github.com/servestat/servestat/report/markdown"
)

// A report is a folder: a page, its pictures, and the same as data. The folder
// testdata/weekly beside this file is a whole one to look at.
func Example() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := markdown.Write(dir, specimen.Compare()); err != nil {
		fmt.Println(err)
		return
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	// Output:
	// README.md
	// comparison-1-forest.png
	// report.json
	// sweep-1-itl-distribution.png
	// sweep-1-itl.png
	// sweep-1-throughput.png
	// sweep-1-ttft.png
}

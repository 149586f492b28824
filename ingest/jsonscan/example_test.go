package jsonscan_test

import (
	"fmt"
	"strings"

	"github.com/servestat/servestat/ingest/jsonscan"
)

// Two values one behind the other, of which one array is wanted. Its numbers
// come as nanoseconds, a few at a time.
func ExampleScanner() {
	const text = `{"rate": Infinity, "itls": [[0.0296, 1.5e-05], [0.03]], "texts": ["so it goes"]}
		{"itls": [[0.0000000005]]}`

	s := jsonscan.NewScanner(strings.NewReader(text), jsonscan.Options{})
	var gaps []int64
	for s.More() {
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			if string(key) != "itls" {
				s.Skip()
				continue
			}
			s.Array()
			for s.Next() {
				s.Array()
				for more := true; more; {
					var err error
					if gaps, more, err = s.AppendNanos(gaps[:0], 4096); err != nil {
						fmt.Println(err)
					}
					fmt.Println(gaps)
				}
			}
		}
	}
	if err := s.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// [29600000 15000]
	// [30000000]
	// [0]
}

package table_test

import (
	"fmt"
	"os"

	"github.com/servestat/servestat/report/table"
)

// levels is a result: whoever has rows of a database wraps them like this.
type levels struct{ at int }

func (*levels) Columns() []table.Column {
	return []table.Column{{Name: "max_concurrency", DatabaseType: "BIGINT"}, {Name: "itl_mean_s", DatabaseType: "DOUBLE"}}
}
func (l *levels) Next() bool { l.at++; return l.at <= 2 }
func (*levels) Err() error   { return nil }
func (l *levels) Values() []any {
	return [][]any{{int64(1), 0.01418}, {int64(32), nil}}[l.at-1]
}

func Example() {
	for _, f := range []table.Format{table.Table, table.CSV, table.JSONL} {
		if _, err := table.Write(os.Stdout, &levels{}, f, table.Options{Width: 80}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// ┌─────────────────┬────────────┐
	// │ max_concurrency │ itl_mean_s │
	// ├─────────────────┼────────────┤
	// │               1 │    0.01418 │
	// │              32 │       NULL │
	// └─────────────────┴────────────┘
	// max_concurrency,itl_mean_s
	// 1,0.01418
	// 32,
	// {"max_concurrency":1,"itl_mean_s":0.01418}
	// {"max_concurrency":32,"itl_mean_s":null}
}

// Package table writes the rows of a query to a stream, in a format for people
// (table, markdown) or for programs (csv, json, jsonl, parquet, arrow).
//
//	n, err := table.Write(os.Stdout, rows, table.Table, table.Options{Width: 120})
//
// Rows come one at a time from a [Rows], with Go values as database/sql and
// go-duckdb deliver them; the database's name of a column's type says what they
// mean. All formats but table stream: what they hold at a time does not grow with
// the result. A table must know its widths first, so it stops at
// [Options.MaxRows] and says how many rows there were.
//
// # What becomes of a value
//
//	NULL        table, markdown: NULL; csv: nothing between the commas (an empty
//	            text is ""); json, jsonl: null; parquet, arrow: null
//	NaN, ±Inf   NaN, Infinity, -Infinity; in json and jsonl as strings, because
//	            JSON has no such numbers
//	integers    all digits, also those beyond 2^53, in json too
//	DATE, TIME  2025-11-17, 09:03:00.25
//	TIMESTAMP   2025-11-17 09:03:00.25; in json 2025-11-17T09:03:00.25. With time
//	            zone: in UTC, with +00 or Z
//	BLOB        printable ASCII, other bytes as \xAB
//	lists, structs, maps   as JSON; keys of maps in order
//
// In table and markdown, what does not print is escaped ([escape.Line]): a value
// can neither move the cursor nor end a cell.
//
// # Columns of parquet and arrow
//
//	BOOLEAN, (U)TINYINT … (U)BIGINT, FLOAT, DOUBLE   the same
//	HUGEINT         decimal128(38, 0): exact; a value of 39 digits is an error
//	DECIMAL(p, s)   decimal128(p, s)
//	DATE            date32
//	TIME            time64[us], which Parquet calls a time in UTC
//	TIMESTAMP, _S   timestamp[us]; _MS [ms]; _NS [ns]; with time zone [us, UTC]
//	VARCHAR, ENUM, UUID, JSON, TIMETZ   string
//	BLOB            binary
//	T[], T[3]       list of T
//	anything else   string, as it is written in csv
//
// The arrow format is the IPC stream. Names of columns that occur twice get a
// number (x, x_2) in json, jsonl, parquet and arrow, whose readers find columns
// by name.
package table

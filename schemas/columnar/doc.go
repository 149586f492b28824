// Package columnar turns rows into Arrow batches and Parquet files. It is the only
// package that writes Parquet; ingest writes what was measured with it, analysis
// what follows.
//
// The same rows always give the same bytes: row order is the caller's, writer
// options are fixed, and nothing in a file depends on the clock or the machine.
//
// Encodings are set per column. Chunk gaps are delta-encoded integers, about
// three bytes a token after zstd and losslessly so; a delta encoding is never
// put on floats or inside lists, where the Arrow version in use fails on it.
package columnar

// Package query asks the lake questions in SQL. It is the only package that
// knows DuckDB, and the only one that needs cgo.
//
// [Open] makes an in-memory database whose views are the lake's tables: the
// blocks of the manifests that readers see, and nothing else. The views have
// stable names: runs, requests, tokens, cells, log_events, samples, and over them token_times,
// run_summary and load_points. Statements are read-only: one at a time, SELECT
// or EXPLAIN, without files, network, extensions or settings beyond the lake's
// own blocks.
//
// Each question of servestat's own is one .sql file named for it. A float that
// ends in a report is never summed as a float in SQL: DuckDB adds in whatever
// order its threads finish, and the last digits would change from run to run.
// Times are integers and their sums exact.
package query

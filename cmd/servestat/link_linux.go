package main

// go-duckdb's binding links with -rdynamic, for extensions that DuckDB would load at run
// time; servestat loads none. Without -rdynamic the command is 6 MB smaller.

// #cgo LDFLAGS: -Wl,--no-export-dynamic
import "C"

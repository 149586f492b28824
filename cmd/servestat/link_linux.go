package main

// go-duckdb's binding links with -rdynamic, for extensions that DuckDB would load at run
// time; servestat loads none. Without it the command has 6 MB of names less.

// #cgo LDFLAGS: -Wl,--no-export-dynamic
import "C"

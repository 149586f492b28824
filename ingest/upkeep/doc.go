// Package upkeep looks after a lake: it merges small blocks, and verifies
// everything that is kept. What it does is described in package lake; here are
// the parts that need to read and write Parquet.
package upkeep

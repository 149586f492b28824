// Package lake keeps tables as immutable files in a directory, and publishes
// them so that a reader sees a run whole or not at all.
//
// # Layout
//
//	LAKE/
//	  lake.json                                     format and version of the lake
//	  raw/sha256/ab/<sha256>.zst                    uploads, byte for byte, compressed
//	  blocks/v1/<table>/day=<YYYY-MM-DD>/<sha256>.parquet
//	  manifests/v1/<run id>-<identity>.json         the commit of a run
//	  receipts/v1/<upload sha256>-<context>.json    what became of an upload
//	  results/v1/<table>/<sha256>.parquet           what analyses found
//	  analyses/v1/<key>.json                        the commit of an analysis
//	  tmp/<session>/                                private to a running process
//
// Everything but tmp is written once and never changed: to a private temporary
// file, fsynced, linked to its final name only if that name is free (link(2) is
// atomic and never overwrites), the directory fsynced. Names are digests of
// what they name, so that a second writer of the same thing finds it there and
// is done.
//
// # The commit
//
// A run's manifest names its blocks and is published after all of them: its
// presence is the commit. A process that dies before leaves blocks that nothing
// names and that the next attempt, byte for byte the same, adopts. What a dead
// process left in tmp is removed when the next session begins. The lake is a set
// that only grows, so the order in which uploads arrive, and how often, does not
// matter.
//
// # Results
//
// What follows from runs is kept beside them and in the same way: blocks first,
// then an [Analysis], whose name is a digest of all that it follows from. Results
// can always be made again. Those whose runs are no longer the effective ones are
// stale: readers pass over them.
//
// # The same run twice
//
// One run can arrive more than once: in two files, or again with more labels.
// Each arrival has its manifest; readers see one of them (see [Effective]).
package lake

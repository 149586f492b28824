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
//	  manifests/v1/requires-<feature>.json          what a reader must know of
//	  receipts/v1/<upload sha256>-<context>.json    what became of an upload
//	  results/v1/<table>/<sha256>.parquet           what analyses found
//	  analyses/v1/<key>.json                        the commit of an analysis
//	  compactions/v1/<table>-day=<day>-<digest>.json  which blocks one block holds
//	  checkpoints/v1/<sha256>.json                  manifests once more, in one file
//	  tmp/<session>/                                private to a running process
//	  leases/v1/<kind>-<id>-<n>                     in a bucket: who is at work
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
// One run can arrive more than once: in two files, again with more labels, or read
// again by a later parser. Each arrival has its manifest; readers see one of them
// (see [Effective]). What is superseded once stays so, whatever arrives later.
//
// # Compaction
//
// A run leaves a small block in each table. A [Compaction] names one block that
// holds the rows of many, of one table and day: its parts, each the rows of one
// block as some manifest names it, in this order. Which runs share a block follows
// model, hardware, runtime version, max concurrency, run; inside, rows are ordered
// by those of these that the table has, and a row group ends with a run, so that
// the run id's statistics tell runs apart. The same parts give the same bytes.
//
// A compaction takes nothing away. Readers take a [Snapshot]: the effective
// manifests, and for each of their blocks the file that its rows are read from. A
// compaction counts when its block is there; where several hold a part, the larger
// one's is read; and of a compacted block, runs that were superseded since are left
// out by their key. So compactions may race, with each other and with ingests, and
// may die: every outcome is right, and only the number of files differs.
//
// A [Session.Checkpoint] repeats manifests in one file. The manifests' folder still
// decides which there are.
//
// # Collection
//
// [Lake.Collect] removes what no snapshot taken now would read: blocks that a
// compaction holds, blocks of superseded manifests, compactions that a larger one
// replaces, and orphans. A file goes when nobody has needed it for a grace period,
// counted from its own time or, where later, from the time of what replaced it:
// readers go on with the snapshot that they took. Manifests, receipts and the
// uploads that they name stay. Sessions hold a shared lock on the lake's folder and
// Collect an exclusive one while it removes, so that no writer adopts a block that
// is going; the operating system drops both when a process dies.
//
// # Elsewhere than in a directory
//
// A lake can lie in any [Store], such as a bucket: the same files under the same
// names. Put-if-absent is the store's, which every session tries out before it relies
// on it ([ErrOverwrites]). What is read is copied once: a name that is a digest says
// what the copy must be, and of any other name the store tells a version. Readers hold
// their files by links of their own, so that a [Cache] may forget what it likes.
//
// There is no operating system there to hold a lock and to drop it. A session's
// presence is an object under leases/v1, written before it looks whether somebody
// removes and renewed every minute; a collector's is written before it looks whether
// somebody publishes. One of two who begin at once sees the other: a session waits for
// the collector, a collector for all sessions. A lease counts for 20 minutes after its
// last renewal, by the store's clock. Its holder publishes and removes nothing more
// once 5 minutes went by since, by its own, so a request would have to be under way
// for 15 minutes to arrive after its sender was taken for dead; they are given up, and
// signatures expire, before that. A process that dies without a word keeps collectors
// waiting for 20 minutes, and nobody else. The grace period is counted by the store's
// times and the collector's clock, which may be apart by what signatures tolerate, a
// quarter of an hour: it should be longer than that and than any reader stays open.
//
// # What need not be read again
//
// A reconcile that went through an inbox in a store with versions keeps the prints of
// its parts (see [Settled]). It is the one thing here that follows from more than
// content: from the store's word that an object of the same version is the same. It is
// replaced when the inbox changes, and may be removed at any time.
//
// # Versions
//
// The layout only grows: files and keys are added, none changes its meaning, and
// columns are found by field id. An old lake opens with a new servestat. What an old
// servestat would read wrongly is announced by a requirement, a file among the
// manifests, at which versions that do not know the feature stop with the advice to
// upgrade: [Collected] and [Reparsed]. The first version knows of no requirements,
// and stops all the same, because it is no manifest.
package lake

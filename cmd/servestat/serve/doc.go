// Package serve puts the functions of servestat behind HTTP: uploads and events end
// in the same ingest as a command does, statements run in the same contained process,
// reports are what servestat report writes.
//
// A request goes this way: the connection is looked at (see guard.go), the caller is
// known by its credential and by nothing else (package access), what it may do is
// compared with what it wants, and what it did is written into the audit log.
//
// An upload is spooled to a file without a name, under limits of size, time and room,
// so that a slow sender holds nothing but that. Whole, it joins the batch of its lake:
// one session of the lake, open for a moment, in which as many uploads are read as
// there are cores and memory for (see intake.go). It is answered when it is committed,
// and not before: what was answered with 2xx survives a kill. What was not, is sent
// again by its sender, and sending twice is sending once.
//
// After a batch, what its runs touch is analysed again, in a process of its own, when
// nothing more came for a moment (see analyst.go).
//
// The server keeps no state: what it knows is in the lake.
package serve

// Package ingest takes uploads into the lake.
//
// One upload goes this way: [Find] names it; [Ingester.Ingest] reads it once to
// know its digest and to keep its bytes, recognises its format by content, runs
// the producer's reader over it, and turns the records into blocks as they come,
// never holding a run in memory. What the file cannot say of the server is
// looked up around it (see [Identity]). Then the blocks are published, then the
// manifest of each run, then the upload's receipt.
//
// A server log and a telemetry file are uploads too, without runs: their events
// and samples are published as they are read, under the server start that they
// are of.
//
// A bad upload is quarantined: its bytes are kept, its receipt says why it was
// not used, and the rest goes on.
package ingest

// Package ingest takes uploads into the lake.
//
// One upload goes this way: [Find] names it; [Ingester.Ingest] reads it once, chunk
// by chunk, past its digest, past the compressor that keeps its bytes, and past
// the reader of its producer, which is chosen by content; and turns the records
// into blocks as they come, never holding a run in memory. What the file cannot
// say of the server is looked up around it (see [Identity]). Then the blocks are
// published, then the manifest of each run, then the upload's receipt.
//
// [Ingester.IngestAll] prepares several uploads at a time, within a budget of
// memory, up to their blocks, and commits them one after the other in the order
// in which they were given.
//
// A server log and a telemetry file are uploads too, without runs: their events
// and samples are published as they are read, under the server start that they
// are of.
//
// A bad upload is quarantined: its bytes are kept, its receipt says why it was
// not used, and the rest goes on.
package ingest

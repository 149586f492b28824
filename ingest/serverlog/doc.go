// Package serverlog reads the log of a vLLM server for what a result file does
// not say: which version of vLLM ran, with which arguments, on which backends,
// with how much memory; what it warned of; and what its engine did meanwhile.
//
// [ReadFacts] gives the little that identifies a server. A [Reader] gives all:
//
//	r := serverlog.NewReader(f, "server.log")
//	for r.Scan() {
//		switch rec := r.Record().(type) {
//		case *schemas.LogEvent: // a line that matters, or several that are one message
//		case *schemas.Sample:   // a figure of a periodic line
//		case *schemas.Reject:   // something that could not be used, and where it is
//		}
//	}
//	if err := r.Err(); err != nil { … } // the underlying reader failed
//
// # Lines
//
// vLLM has logged in one form since v0.4:
//
//	(EngineCore_DP0 pid=343) INFO 08-02 10:27:03 [core.py:114] Initializing a V1 LLM engine …
//
// The processes in parentheses come and go, may be nested (Ray), and are
// coloured; the brackets around the source came with v0.8. Other programs write
// into the same stream: progress bars that end in a carriage return and not in a
// newline, container runtimes that put a time in front. So colours are stripped,
// lines end at either character, and the form is looked for anywhere in a line.
//
// # Events
//
// An event is a line above INFO; an INFO line that states facts, which has a
// kind and its facts by name; one of the few INFO lines that qualify a
// measurement, of kind "notice"; or a line of another program that says something
// went wrong. Prompts, requests and routes are none.
//
// A message of several lines is one event, and so is a traceback, whether vLLM's
// logger printed it, with its prefix on each line, or Python did. Processes write
// between each other's lines, which are told apart by process. Of a message of
// more than 4,000 bytes the beginning and the end are kept.
//
// Facts are text, figures as they are printed but without commas between their
// digits; their names say the unit: seconds, weights_gib, waste_percent. The
// facts of kind engine_args and engine_config are the arguments and settings
// themselves. An event with an exception has exception and error, root where it is
// chained to another, and cause where it is a known reason for which servers do
// not start.
//
// # Samples
//
// The figures of a line that comes every ten seconds are samples too, under the
// names that vLLM prints, in base units: 68.9% is 0.689, and nan is no value. The
// lines of --enable-logging-iteration-details, one for every step, give samples
// and no event.
//
// What they mean changed between versions. The prompt throughput counts cached
// tokens up to about v0.16 and not since. The prefix cache hit rate is that of
// the last 1,000 requests, not of an interval. Preemptions is printed by the Rust
// front end only. The mean acceptance length includes the bonus token since v0.9.
//
// # Time
//
// vLLM's times have no year and no zone. The year is taken from a full date in
// the log, which container runtimes and FlashInfer print, or from [Reader.Near];
// without either, events have no time. A line of another program has the time in
// front of it, moved to vLLM's clock. Samples are at the instant that a container
// runtime printed with its zone, where it did.
//
// # Starts
//
// A log may hold several starts of a server, of several versions: a crash loop,
// an upgrade, a file that is appended to. Each is announced by up to four lines:
// the version as the API server says it, a banner, the arguments, and the engine's
// configuration, which is the most reliable source of the version. A line that
// the current start has shown already, from the same process, opens the next
// start; so does an announcement behind the engine's configuration.
//
// # Secrets
//
// vLLM prints arguments in clear, and libraries print headers. Keys, tokens and
// passwords are replaced by "[redacted]" before they leave this package.
package serverlog

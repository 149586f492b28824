// Package serverlog reads the log of a vLLM server for what a result file does
// not say: which version of vLLM ran, from which commit, with which model and
// which arguments, and how often it was started.
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
// The times have no year and no zone, and are kept as text.
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
// The arguments are printed in clear. Keys, tokens and passwords are replaced by
// "[redacted]" before they leave this package.
package serverlog

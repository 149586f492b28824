// Package analyze turns a lake into a [Result]: what a report says, without a
// word of how it looks.
//
// [Load] reads the runs that a selection names; [Sweeps], [Compare], [Findings]
// and [Agree] each answer one question about them; [Weekly], [Compared], [Swept]
// and [OneRun] put the answers together for a kind of report. The package holds
// no mathematics: summaries come from analyze/query, intervals from
// analyze/sample, curves from analyze/curve, tests from analyze/compare, truth
// checks from analyze/audit.
//
// The unit of replication is the start of a server. Runs that share one are
// folded into one value before anything is compared.
package analyze

// Package preflight judges a server by its log: did it start, with what, on which
// kernels, and is there anything in the log that makes a measurement invalid,
// slower than it could be, or not comparable.
//
//	c := preflight.New(preflight.Options{Concurrency: 32})
//	for … {
//		c.Add(event) // a *schemas.LogEvent, in the order of the log
//	}
//	report := c.Report()
//
// # Rules
//
// Rules are data (rules.yaml): texts that vLLM prints, in its wordings since v0.4,
// with what they mean and what to do. A text is looked for anywhere in an event's
// message. Rules about what is missing, or about two lines that contradict each
// other, are code (derived.go): no line says that prefix caching was asked for and
// is off.
//
// A warning or an error that no rule knows is not dropped: it is listed, once per
// place in the code and wording.
//
// # What absence proves
//
// Many warnings come once a process, so that a log which does not begin at the
// start of the server proves nothing by what it lacks. Only a log with the line of
// the engine's configuration and the one of readiness is called clean.
//
// # Starts
//
// A log may hold several starts of a server. The last one is judged; the earlier
// ones are counted, and how they ended.
//
// # Causes
//
// A finding is what a log says, never why a server is slow. That a kernel has no
// tuned configuration is a reason to compare with one, and not the cause of a
// slowdown: published comparisons of such files range from 20 % faster to 20 %
// slower.
package preflight

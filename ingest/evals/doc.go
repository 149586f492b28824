// Package evals reads what judges of answers write: whether a server's answers were
// right, beside whether they were fast.
//
//	r := evals.NewReader(f, "BFCL_v4_multiple_score.json")
//	for r.Scan() {
//		switch rec := r.Record().(type) {
//		case *schemas.Eval:   // an answer, or the total of a suite
//		case *schemas.Reject: // something that could not be used, and where it is
//		}
//	}
//
// # Suites
//
//   - tool_calls: a line for each request with what was answered, which is judged
//     here (see below);
//   - bfcl: the score files of the Berkeley function-calling leaderboard. They list
//     failures only; the total in their first line says how many passed. The result
//     files say that an item was answered, and how long it took;
//   - k2_vendor_verifier: the summary, and the line for each request;
//   - tau2: results.json with its simulations. Those that ended by a fault of the
//     serving (infrastructure_error, timeout) are told apart: they are no answers;
//   - lm_eval: results_*.json, with what must be equal for two to be comparable, and
//     samples_*.jsonl.
//
// # Tool calls
//
// A line holds an OpenAI-style request with its tools, and the response, whole or as
// the deltas of its stream:
//
//	{"id": "weather-1", "request": {"tools": […], "temperature": 0}, "response": {"choices": […]}}
//	{"id": "weather-1", "request": {"tools": […], "stream": true}, "chunks": [{"choices": [{"delta": …}]}, …]}
//
// A call is right where its tool is one of those offered and its arguments are JSON
// that the tool's schema accepts, with no argument that the schema does not know. An
// answer without a call is judged only where one was required (tool_choice). What
// went wrong is one of
//
//	http_error          the server refused
//	truncated           the answer ended at its length before the call did: no fault of the parser
//	markup_in_content   the call is in the text, where no client looks for it
//	no_call             none was made, and one was required
//	invalid_json        the arguments are no JSON
//	unknown_tool        the tool was not offered
//	unknown_argument    an argument that the schema does not know
//	missing_argument    a required one is missing
//	schema_invalid      the schema does not accept the arguments for another reason
//
// finish_reason alone decides nothing: servers say stop where they meant tool_calls.
package evals

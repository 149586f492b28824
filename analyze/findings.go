package analyze

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/analyze/query"
)

type auditFinding audit.Finding

// spoils reports whether a run with the finding must not be compared.
func (f auditFinding) spoils() bool { return f.Severity == audit.Fail }

// auditRun checks a run: by our own numbers where it has raw times, otherwise by
// those that its tool reported.
func auditRun(r *Run) []auditFinding {
	if r.Bench != "serve" {
		return nil
	}
	in := audit.Run{
		MaxConcurrency: math.NaN(), ClosedLoop: r.closedLoop(), Concurrency: math.NaN(),
		Requests: or(r.Requests, -1), Completed: or(r.Completed, -1), Failed: or(r.Failed, -1), Suspect: or(r.Suspect, -1), Gaps: -1,
	}
	if r.MaxConcurrency.Valid {
		in.MaxConcurrency = float64(r.MaxConcurrency.V)
	}
	if r.Sum != nil {
		fillMeasured(&in, r.Sum)
	} else {
		fillReported(&in, r)
	}
	var out []auditFinding
	for _, f := range audit.Check(in) {
		out = append(out, auditFinding(f))
	}
	return out
}

func fillMeasured(in *audit.Run, s *query.RunSummary) {
	in.Measured = true
	in.Requests, in.Completed, in.Failed, in.Suspect, in.Gaps = s.Requests, s.Completed, s.Failed, s.Suspect, or(s.Gaps, -1)
	in.OutputThroughput, in.TTFT, in.TPOT = orNaN(s.OutputThroughput), orNaN(s.TTFTMean), orNaN(s.TPOTMean)
	in.OutputLen = math.NaN()
	if s.OutputTokens.Valid && s.Completed > 0 {
		in.OutputLen = float64(s.OutputTokens.V) / float64(s.Completed)
	}
	in.Concurrency = orNaN(s.Concurrency)
}

// fillReported takes the tool's own averages. A 0.0 latency means that there was
// none.
func fillReported(in *audit.Run, r *Run) {
	in.OutputThroughput, in.TTFT, in.TPOT = r.reported("output_throughput"), r.reported("mean_ttft_ms")/1e3, r.reported("mean_tpot_ms")/1e3
	in.OutputLen = r.reported("total_output_tokens") / r.reported("completed")
	in.Concurrency = in.OutputThroughput / in.OutputLen * (in.TTFT + (in.OutputLen-1)*in.TPOT)
}

// reported returns a number of the tool's own summary; NaN where there is none,
// or a zero that stands for none.
func (r *Run) reported(key string) float64 {
	var v float64
	raw, ok := r.Reported[key]
	if !ok || json.Unmarshal(raw, &v) != nil || v == 0 {
		return math.NaN()
	}
	return v
}

func or(c query.Count, otherwise int64) int64 {
	if !c.Valid {
		return otherwise
	}
	return c.V
}

func orNaN(n query.Number) float64 {
	if !n.Valid {
		return math.NaN()
	}
	return n.V
}

// Findings returns what the truth checks found, one line for the runs of a load
// point that a check fired for alike.
func Findings(d *Data) []Finding {
	var out []Finding
	at := map[string]int{}
	for _, r := range d.Runs {
		for _, f := range r.audit {
			subject := r.subject()
			key := fmt.Sprint(f.Check, f.Severity, subject)
			i, ok := at[key]
			if !ok {
				i = len(out)
				at[key] = i
				out = append(out, Finding{Check: f.Check, Verdict: string(f.Severity), Subject: subject, Message: f.Message, Do: f.Do})
			}
			out[i].RunIDs = append(out[i].RunIDs, r.RunID)
		}
	}
	for i := range out {
		if n := len(out[i].RunIDs); n > 1 {
			out[i].Message += fmt.Sprintf(" (this of run %s; %d runs alike)", out[i].RunIDs[0], n)
		}
	}
	return out
}

// subject names the load point of a run in words.
func (r *Run) subject() string {
	var parts []string
	for _, p := range []query.Text{r.Model, r.Hardware} {
		if p.Valid {
			parts = append(parts, p.V)
		}
	}
	if r.RuntimeVersion.Valid {
		parts = append(parts, r.Runtime.V+" "+r.RuntimeVersion.V)
	}
	parts = append(parts, r.load())
	if !r.Detailed {
		parts = append(parts, "summary only")
	}
	return strings.Join(parts, ", ")
}

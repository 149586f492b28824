package analyze

import (
	"context"
	"fmt"
	"strings"

	"github.com/servestat/servestat/analyze/audit"
	"github.com/servestat/servestat/schemas"
)

// serverRows are what was found beside runs that are of one series: the rules of the
// preflight that the logs of their servers break, and what they took of the machine.
func serverRows(ctx context.Context, id schemas.SeriesID, d *Data) ([]*schemas.FindingRow, error) {
	logs, err := d.preflights(ctx)
	if err != nil {
		return nil, err
	}
	var out []*schemas.FindingRow
	for i := range logs {
		row := logs[i].row(id)
		for _, r := range d.Runs {
			row.RunIDs = append(row.RunIDs, r.RunID)
		}
		out = append(out, row)
	}
	res, err := FindResources(ctx, d)
	if err != nil || res == nil {
		return out, err
	}
	for i := range res.Runs {
		out = append(out, res.Runs[i].rows(id)...)
	}
	for _, drift := range res.Drifts {
		out = append(out, drift.row(id))
	}
	return out, nil
}

// row is a broken rule. Which of the runs were made on the servers whose logs break it
// stands in the logs.
func (f *LogFinding) row(id schemas.SeriesID) *schemas.FindingRow {
	message := fmt.Sprintf("%s In %d of %d logs", f.Meaning, len(f.Logs), f.Of)
	if f.Line > 0 {
		message += fmt.Sprintf(", at line %d", f.Line)
	}
	if f.Text != "" {
		message += ": " + oneSpace(f.Text)
	}
	return &schemas.FindingRow{
		SeriesID: id, Subject: "log of the server " + strings.Join(f.Logs, ", "), Check: "preflight " + strings.TrimSpace(f.Number+" "+f.Rule),
		Verdict: string(f.Severity), Message: message, Do: f.Do,
	}
}

// rows are what a run took: energy, and memory. Of what nobody recorded there is no row.
func (r *RunResources) rows(id schemas.SeriesID) []*schemas.FindingRow {
	var out []*schemas.FindingRow
	add := func(check string, verdict audit.Severity, message, lacked string) {
		out = append(out, &schemas.FindingRow{
			SeriesID: id, RunID: schemas.Some(r.RunID), Subject: r.Source + ", " + r.Load, Check: check, Verdict: string(verdict), Message: message, Lacked: lacked,
		})
	}
	switch {
	case r.Energy != nil:
		add("energy", audit.OK, r.Energy.String(), "")
	case r.NoEnergy != noPower:
		add("energy", audit.NotComputable, r.NoEnergy, r.NoEnergy)
	}
	if text := r.memory(); text != "" {
		add("memory", audit.OK, text, "")
	}
	return out
}

func (e *Energy) String() string {
	return fmt.Sprintf("%s J per output token: %.5g J over %d tokens; rails %s (%s); %.0f %% of the run has samples; clocks: %s",
		e.PerOut.short(1), e.Joules.Value, e.Tokens, strings.Join(e.Rails, " + "), e.Source, 100*e.Coverage, e.Clock.How)
}

// short is an estimate in so large a unit, with its interval where it has one.
func (e Estimate) short(unit float64) string {
	text := fmt.Sprintf("%.4g", e.Value/unit)
	if e.HasInterval {
		text += fmt.Sprintf(" [%.4g, %.4g]", e.Lo/unit, e.Hi/unit)
	}
	return text
}

func (r *RunResources) memory() string {
	const gib = 1 << 30
	var told []string
	if r.Memory != nil {
		told = append(told, fmt.Sprintf("at most %.2f GiB used (%s)", r.Memory.Most/gib, r.Memory.Source))
	}
	if r.MemoryTotal != nil {
		told = append(told, fmt.Sprintf("of %.2f GiB", *r.MemoryTotal/gib))
	}
	if r.KV != nil {
		told = append(told, fmt.Sprintf("at most %.1f %% of the KV cache (%s)", 100*r.KV.Most, r.KV.Source))
	}
	if r.Preemptions != nil {
		told = append(told, fmt.Sprintf("%.0f preemptions", *r.Preemptions))
	}
	return strings.Join(told, ", ")
}

func (d *Drifting) row(id schemas.SeriesID) *schemas.FindingRow {
	const mib = 1 << 20
	row := &schemas.FindingRow{
		SeriesID: id, Subject: d.What + " in " + d.Source, Check: "memory drift", Verdict: string(audit.OK),
		Message: fmt.Sprintf("%s MiB an hour over %.2f h", d.PerHour.short(mib), d.WatchedS/3600),
	}
	if d.Significant {
		row.Verdict, row.Do = string(audit.Warn), "watch it for longer: a rise may revert, and a prefix cache that fills up is no leak"
		return row
	}
	row.Message += "; slope not significant"
	if d.Reason != "" {
		row.Message += ": " + d.Reason
	}
	return row
}

package telemetry_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/servestat/servestat/ingest/telemetry"
	"github.com/servestat/servestat/schemas"
)

func Example() {
	csv := `timestamp, index, power.draw [W], memory.used [MiB]
2026/05/07 22:09:29.437, 0, 591.49 W, [N/A]
2026/05/07 22:09:29.437, 1, 70.02 W, 50 MiB
`
	r := telemetry.NewReader(strings.NewReader(csv), "power.csv")
	r.SetOffset(2 * time.Hour) // nvidia-smi prints the local time
	for r.Scan() {
		if s, ok := r.Record().(*schemas.Sample); ok {
			fmt.Println(s.Time.V.Format(time.RFC3339Nano), s.Device.V, s.Name, s.Value, s.Unit.V)
		}
	}
	// Output:
	// 2026-05-07T20:09:29.437Z gpu 0 power.draw {591.49 true} W
	// 2026-05-07T20:09:29.437Z gpu 0 memory.used {0 false} B
	// 2026-05-07T20:09:29.437Z gpu 1 power.draw {70.02 true} W
	// 2026-05-07T20:09:29.437Z gpu 1 memory.used {5.24288e+07 true} B
}

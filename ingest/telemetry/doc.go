// Package telemetry reads what was measured beside a benchmark: power, memory and
// clocks of the machine, and the counters of the engine.
//
//	r := telemetry.NewReader(f, "power.csv")
//	for r.Scan() {
//		switch rec := r.Record().(type) {
//		case *schemas.Sample: // one value at one moment
//		case *schemas.Reject: // something that could not be used, and where it is
//		}
//	}
//	if err := r.Err(); err != nil { … } // the underlying reader failed
//
// What an upload is shows in its beginning: see [Detect]. Each source has a file
// of its own in this package, with a comment that teaches its format.
//
//	tegrastats        tegrastats of Jetson boards
//	nvidia-smi csv    nvidia-smi --query-gpu=… or --query-compute-apps=… --format=csv
//	dmon              dcgmi dmon, nvidia-smi dmon and pmon
//	prometheus text   scrapes of vLLM's /metrics, of dcgm-exporter, of anything
//	powertrace csv    engine counters over time, as powertrace-sim saves them
//	aiperf jsonl      scrapes and GPU telemetry that AIPerf saves beside its records
//	aiperf parquet    scrapes since the benchmark began, of which a file's end tells:
//	                  [TableReader] reads it
//
// # Samples
//
// A sample has the name that its source gives it, and its value in base units: W,
// J, B, Hz, s, C, and 1 for shares. 68.9 % is 0.689, exactly. The unit is missing
// where nobody says it.
//
// A value that the source printed that it does not have is missing: [N/A], Not
// Supported, ERR!, -, nan, off. It is never zero. So is a load that tegrastats
// leaves out. A word that is neither a figure nor one of these is a reject.
//
// The device is the GPU, core or engine: "gpu 0", "cpu 3", "engine 1", or "gpu GPU-…"
// where there is a uuid and no index. What else tells series apart are labels; "stat" says which of several values of a key of
// tegrastats it is, and le is the bound of a bucket of a histogram, whose values
// count all observations up to it.
//
// # Time
//
// nvidia-smi and tegrastats print the local time and no zone; then Zone is false,
// and joining with a benchmark needs the offset, which [Reader.SetOffset] takes
// from who knows it. Times since 1970 and those with a zone are instants. Where a
// source prints none, a time that a collector put in front of a line counts, or
// between scrapes; else there is none. A file's own time is not used.
//
// # What must not be added or compared
//
// Rails of tegrastats contain each other: VIN is the whole board, VIN_SYS_5V0 and
// the domains are parts of it. dcgm-exporter repeats the energy of a GPU for each
// of its instances (label GPU_I_ID). nvidia-smi's power.draw is an average over a
// second on some GPUs, power.draw.instant is not. DCGM's energy is a counter since
// the driver was loaded, so its difference counts. Prometheus' counters begin at
// the time of the series of the same name that ends in _created.
package telemetry

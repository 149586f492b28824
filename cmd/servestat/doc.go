/*
Servestat is benchstat for LLM serving. It takes the raw per-token timestamp logs
of benchmark runs, keeps them in a lake of Parquet files, and says how latency
behaves as concurrency grows, and whether a runtime version made it worse.

This page is the manual. Its examples are run by a test, over the bundled logs
in a folder called logs, which are simulated: two versions, six levels of
concurrency, five server starts each.

# Compare two folders

The first thing to try. Each folder holds results that vllm bench serve wrote
with --save-result --save-detailed:

	$ servestat compare logs/0.19.0 logs/0.20.0
	Regressed: 0.20.0 against 0.19.0 on simulated/affine-decoder, simulated: …
	The logs were made by a simulator, not by a server.
	…
	exit code 1

One value a server start counts: tokens and requests of one start share its luck,
so however many there are, they are one replicate. Means and medians are of the
steady window of each run: ramp, drain and a cold start are outside.

What must not differ (the workload, the client) and a second factor besides the
one under test (an engine argument besides the version) are refused, with exit
code 3 and the reason; so is a level at which a truth check fails, the same runs
on both sides, and a candidate older than its baseline. What you accept all the
same, you say with --allow, and the report says it too.

Every metric is judged over its curve and at every max concurrency, p95 and p99
where runs have at least 72 and 368 values, the share of failed requests and the starts
that stall; all of them are one family, in which the chance of any false
"regressed" is 5 %. "Not regressed" excludes a worsening by --margin (--margin-p99
for p99); what could not be settled says how many starts would. What
is missing (a file that could not be read, a level that the candidate lacks) leaves
a comparison inconclusive at best.

--format markdown is a comment on a change, junit a test report, json everything,
as schemas/compare.schema.json describes it.

A single start of the candidate is held against ten or more of its baseline, those
in the lake included, and is at worst suspect, which is exit code 2.

# When did it change, and what could have been seen?

	$ servestat plan --cv 0.0113 --runs 5 --effect 0.02
	At a run-to-run CV of 1.1 %, 5 starts a side and a single test: you can see 2.6 %; 3 more starts a side reach 2 %.

Without --cv, servestat plan takes the variation between starts from the lake;
servestat history looks for steps and drifts of every metric over dates or versions,
and says what else was recorded to change there.

# May the numbers be trusted?

	$ servestat audit logs/0.20.0
	30 runs, 30 with per-request times; 1 findings
	…
	T1 achieved concurrency  30  .     .     .
	…

Every truth check answers OK, WARN, FAIL (exit code 3), or not computable and for
lack of what; every number that the tool reported stands beside the one that is
recomputed from raw times.

# Is the server fit to be measured?

Before any number: did the server start, on which kernels, and with what of what
was asked for?

	$ servestat preflight startup-mtp/server.log
	preflight failed: the server is not ready; 2 fail, 0 warn: startup-mtp/server.log
	…
	exit code 1

The rules are vLLM's own words, of all its versions since 0.4, with what they mean
and what to do. A warning that no rule knows is listed and not dropped. --config
takes the checkpoint's config.json, --recipe what the model's recipe asks for,
--concurrency how many requests the KV cache is to hold; --sarif, --junit and
--json are for machines. servestat.yaml can set the severity of a rule, or turn it OFF:

	preflight:
	  moe_default_config: WARN

# Are the answers right?

A model that streams fast and breaks its tool calls serves no agent. Give a line of
JSON for each request with its tools and its answer (ingest/evals has the form), or
the results of BFCL, the K2 vendor verifier, tau2 or lm-eval:

	$ servestat quality tool-calls
	FAIL  acme/seven, unknown hardware: 60 judged answers of 1 server
	NOT AN AGENT MODEL: 79.7 % [67.7, 88.0] (47 of 59) of the answers that were not cut are right; 95 % are wanted; …
	FAIL      C1  tool calls are right               79.7 % [67.7, 88.0] (47 of 59) of the calls are right; 95 % are wanted
	…
	WARN      C5  answers are not cut                1.7 % [0.3, 8.9] (1 of 60) ended at their length before the call did
	…
	exit code 1

C1 are the calls that were made: JSON, a tool that was offered, arguments that its
schema accepts and knows. C2: calls are recognised as such, and not left in the text.
C3: streamed as whole. C4: at the largest load as at the least. C5: what was cut at
its length, which is in no other number. C6: what the server's own parser logs. C7:
suites against a baseline. C8: does it serve an agent. C9: valid calls a second.
Shares have 95 % score intervals; several answers to one item make none narrower.
--min-valid says which share must be right.

Two selections, a baseline and a candidate, are compared item by item:

	servestat quality bfcl/v0.11.0 bfcl/main

"Answers got worse" is McNemar's exact test on the items that flipped, adjusted over
all tasks; that they did not must exclude a loss of --quality-margin. What vLLM's
structured-output benchmark calls correct_rate(%) is shown as JSON-extractable, for
an answer of {} counts there.

Answers belong to the runs of their server_start, or of their folder. Then compare and
the reports say "improved, with a loss of quality", and starts of a baseline whose
output was broken are left out (--allow broken_output keeps them).

# May speculative decoding be used?

For exactly one checkpoint, image, GPU, version and set of flags, the canary says of
each method what was tested, and what was not:

	$ servestat canary startup-mtp
	canary failed: 1 method on the set-ups of now: 1 failed, 0 passed, 0 with warnings, 0 UNTESTED; 0 expired
	…
	FAIL      D1   start-up              REJECTED: NotImplementedError: Unsupported speculative method: 'mtp'
	UNTESTED  D2   throughput            no run with it
	…
	exit code 1

Measure before it, with it and after it, every start of the server with a server_start
of its own, and its log beside the results. D1 is the start-up, asked against
achieved. D2 compares throughput with the same set-up without it, at every
concurrency: it may help at one and hurt at another. D3 is acceptance, token-weighted
and request-weighted, each by its name. D4: a chunk is not a token, so that TPOT is
compared, and not ITL. D5 and D6 are the answers and the tool calls, pair by pair. D7:
taken out again, is all as before, and was the process replaced? D8: the newest set-up
that ran on the hardware is the one of now; results of others have expired, and say
what changed. D9 are hangs, D10 the ways of use: load, temperature, tools. --config
takes the checkpoint's config.json, which says whether it has layers for MTP.

# One verdict for CI

	$ servestat gate logs/0.19.0 logs/0.20.0
	gate failed: speed: Regressed: 0.20.0 against 0.19.0 on simulated/affine-decoder, simulated: …
	…
	UNTESTED  tools      tool calls are right (C1 to C4, C8)              no tool call was judged
	…
	exit code 1

The first line is the first requirement that is not met, in plain words ("streams fast
but breaks JSON: not an agent model"); then all of them: truth (audit), preflight,
speed (compare), tools and quality (quality), and canary where the candidate
speculates. Truth and speed must be tested; --require tools,preflight says what else
must be, and what is not is exit code 2. --format junit is a test report, markdown a
comment, json everything, as schemas/gate.schema.json describes it.

# The tuned path against the generic one

Vendors have a container, kernels and flags for their hardware; everybody has the
generic ones. The delta tells how fragile a deployment is:

	$ servestat paths logs/0.19.0 logs/0.20.0
	Regressed: 0.20.0 against 0.19.0 on simulated/affine-decoder, simulated: …
	  fragility: …
	  one thing was set otherwise, release runtime version: a difference may be put down to it, …
	…
	exit code 1

Everything recorded that differs is listed: release, image, engine arguments,
environment, the backends achieved, what the start-up logs warn of. That these
differ is what a path is, and no reason to refuse; the workload must be the same.
Where more than one thing was set otherwise nothing is put down to any of them, and
a warning in a log is never named as a cause. It says which path ran first, for a
machine that warms up looks like a difference.

# What did it take?

Energy per output token, memory, the KV cache and the GPU's clocks, from telemetry
that lies beside results or above them, or has their server_start:

	$ servestat resources logs/0.20.0
	Energy and memory by load point
	…

Energy is the trapezoid over the samples of power within a run. Which rails were
added up is said (the domains of a board or its input, never both), how much of the
run has samples, and how far the clocks may be apart. A clock without a zone is
taken to be of the run's machine; where the two then lie apart, or power follows the
load at another offset only, nothing is guessed: say utc_offset. A GPU that was busy
below 0.6 of its clock, and not at its power cap, fails the truth checks, and sides
whose clocks differ by a tenth are not compared (exit code 3). What held a clock
down is told where it was recorded (clocks_event_reasons.active): the power cap is
how a GPU is sold, heat and the power brake warn. Rows of several GPUs that nothing
tells apart give no energy: ask nvidia-smi for index or uuid. power.draw is the mean
of a second on most GPUs, which misses some of the ends of a short run; how much is
said. A slope of memory is called a drift after half an hour, where its interval
excludes zero. reports carry the same; that of a run draws power and KV cache over
its time.

# Keep results in a lake

	$ servestat ingest logs
	62 files: 60 new runs, 2520 requests, 320040 chunk gaps, 279 log events, 774 samples
	$ servestat ingest logs
	62 files: 0 new runs, 0 requests, 0 chunk gaps; 62 in the lake already

The lake is ./lake unless --lake or SERVESTAT_LAKE says otherwise. Ingesting is
idempotent: twice, in another order, or again after a kill ends in the same
bytes. A run that comes in several files (a sweep lists each of its runs again in
summary.json; a result is published once more without its answers) is one run, and is
said to be one that the lake had already.

Files, folders, globs and - for stdin are taken, compressed with gzip or zstd as
they may be. An archive (zip, tar, tar.gz, tar.zst; told by content, not by name)
is gone through like a folder: its side-cars, server logs and companions count for
the results beside them, and results.zip/c8/run1.json names a run of it. What in
an archive is a link, a device, an archive again, has a name that leaves it or
that is there already, is refused by itself.

One bad file, run, request or member never stops the rest. A file of which nothing
can be used is quarantined; one that was cut short gives what is whole. ingest says
the first few on stderr, and keeps all with the upload:

	$ servestat rejects
	…

Exit code: 0 where anything was used; 3 where nothing was, or, with --strict,
where anything was rejected.

What one upload can cost is bounded. Each limit has a flag, and what passes it is
rejected with that flag's name: --max-upload and --max-decompressed (16 GiB each),
--max-ratio (200 times its size), --max-entries (10000 members), --max-archive-depth
(1), --max-nesting (1000), --max-string (1 MiB) and --max-requests (a million a run).

Files are read side by side, as many as there are cores (--jobs), as long as what
they may need stays within --memory (512 MiB); one that needs more is read alone.
Neither changes the order of what is told, nor a byte of the lake.

# Look after the lake

Every run leaves a small block in each table. Merging them makes a lake of
thousands of runs open and answer quickly, and changes no answer:

	$ servestat lake compact
	244 blocks (…
	$ servestat lake gc --grace 0s --dry-run
	…
	would remove 244 files, …

The old blocks stay for readers that are at work, until servestat lake gc removes
what nobody has needed for a day (--grace). Lakes of which blocks were removed, and
lakes rebuilt with later readers, need a servestat that knows of it; older ones stop
with the advice to upgrade.

	$ servestat lake check
	whole: 60 runs, 62 manifests, 62 receipts, 250 blocks, 62 uploads read (…

Check reads everything: digests, every value, every reference. Exit code 3 means
that something is missing or damaged, and it says what. Whatever process dies at
whatever moment, the lake stays whole.

	$ servestat lake rebuild
	62 uploads: 0 runs read again; 62 read by the same readers before

Uploads are kept byte for byte, with what they were read with: labels, side-cars,
the files beside them. So a version of servestat that reads better can read them
again; --into another folder gives the same bytes where it reads the same.

# Run it on a bucket

Wherever a lake is named, s3://bucket/prefix names one in a bucket of S3 or of a
store that speaks its protocol:

	servestat ingest --lake s3://lab/lake results/
	servestat reconcile --lake s3://lab/lake s3://lab/inbox
	servestat report weekly --lake s3://lab/lake --out s3://lab/reports --index

Another store than AWS is reached by ?endpoint=https://host after the prefix, or by
AWS_ENDPOINT_URL; &region= and &path-style=0 or 1 say the rest. Credentials are found
as by every tool for AWS: the environment, profiles (AWS_PROFILE), the machine's role.

The objects are the same files as those of a lake in a folder. They are written with
If-None-Match: *, which the store has to honour: each session tries it first, and
refuses a store that replaces objects all the same. Google Cloud Storage and Azure
have conditions of other kinds and are refused.

What is read comes through a folder of copies (--cache, by default servestat in the
user's cache folder), which forgets what was not used for the longest time beyond
--cache-size. It may be removed at any time. Of blocks, only those of the tables that
a question needs are fetched, and with sql those of the runs that its conditions on
runs let through, each verified by its digest; lake check reads the bucket itself. A question that needs more than --cache-size has it for as long as it runs.

Any number of processes may write at once. One says that it is at work by an object
under leases/, for lake gc to wait: a process that dies without a word counts for 20
minutes, and one that was suspended for more than 5 publishes nothing more.

An inbox in a bucket is gone through like a folder: side-cars above, server logs and
companions beside results, archives. Results are streamed. With --shard 2/8 a process
takes one part in eight, which follows from each object's key; a Kubernetes Indexed Job
(with JOB_COMPLETIONS in its template), a Cloud Run job and an AWS Batch array say it
by themselves. Events may be lost, late, or come twice; a reconcile makes the lake what
the inbox says, and analyzes:

	$ servestat reconcile --lake elsewhere logs
	62 uploads in the inbox: 0 in the lake already, 62 new; 60 new runs
	analyze: 4 units, 0 reused

Of an inbox in a bucket, what has not changed since a reconcile went through it costs
its listing: names, sizes and ETags are compared, for each folder at the top by itself
and for what lies at the top with all of them, so give each night a folder. Another
build of servestat and other options read again; so does --all.

# Run it as a function

In AWS Lambda the same binary, called bootstrap, answers events without a server:

	make lambda.zip
	sam deploy --guided --template-file cmd/servestat/deploy/lambda/template.yaml

What arrives in the inbox is taken into the lake, by way of S3's notifications, direct
or out of SQS, of which only the messages that could not be done come again. What that
writes to the lake is told of too, and brings results up to date, once for a minute's
uploads: the load points that the new runs touch, and what compares them, while the rest
is reused. The answer and the log say how much ("analyzed": {"computed": 1, "reused": 3}). A schedule, or {"task": "weekly-report"}, does a reconcile and then the weekly
report; {"task": "reconcile"} and {"task": "analyze"} do that alone. The environment
says where: SERVESTAT_LAKE, SERVESTAT_INBOX, SERVESTAT_OUT, and what else flags say
elsewhere. Of any other object no event is heeded, and an inbox in which the lake or
the reports lie is refused: the function would start itself for ever.

Time that runs out is noticed before Lambda ends the process: what was not begun is
given back to the queue. Nothing is written but the folder for temporary files.

Examples for systemd, GitHub Actions, Kubernetes, Knative, Lambda and Docker are in the
folder deploy beside this page, with what of them is tested.

# Say what was measured

A result file does not know the server: its version, its hardware, its flags.
They are taken from --label key=value, from a servestat.yaml beside the results
or above them, from --metadata keys inside them, from the server log beside them,
from the path, in this order of authority. A servestat.yaml looks like this:

	runtime: vllm
	runtime_version: "0.20.0"
	hardware: H100
	path: "c{max_concurrency}/run{repeat}.json"      # what the path below this folder says
	server_start: "{runtime_version}-start{repeat}"  # runs of equal server_start are one replicate
	server_log: server.log
	checkpoint_config: ../model/config.json          # of the model that server logs are of
	labels:
	  team: serving

Every value keeps its source, and what stays unknown is NULL:

	$ servestat sql --format csv "select distinct runtime_version, provenance->>'runtime_version' as source, provenance->>'repeat' as repeat_from from runs order by all"
	runtime_version,source,repeat_from
	0.19.0,sidecar,path
	0.20.0,sidecar,path

# What the server says of itself

Server logs, scrapes of /metrics, and power and memory over time (tegrastats,
nvidia-smi, dcgmi, what AIPerf saves, engine counters as CSV) that lie beside
results, or are named, are taken in as tables log_events and samples. They join with the runs of the same
server_start, which is looked up for them as for results: side-cars, labels, and a
template of server_log, read backwards. A side-car's labels say what such files do
not: utc_offset "+02:00" the zone of the local clock, started_at the year. Save
every scrape with a line of its time in front:

	(date -u +'# scraped at %FT%TZ'; curl -s localhost:8000/metrics) > metrics-before.txt

From a scrape before and one after each run, audit holds the server's own count of
requests and tokens, its load and its latencies against the client's, and canary has
what was drafted and accepted. A checkpoint's config.json in the folder of a server
log, or where checkpoint_config says, tells reports why a speculative method was
refused.

A folder a model with all of that is enough for one report that says how latency grows
with load, which numbers contradict each other, what the servers' logs hold against
them, whether the tool calls are right, and what a token and a valid call cost:

	Nemotron-3-Nano/0.20.2/servestat.yaml        as above
	Nemotron-3-Nano/0.20.2/c1/run1.json …        vllm bench serve --save-detailed
	Nemotron-3-Nano/0.20.2/server.log            vllm serve … 2>&1 | tee server.log
	Nemotron-3-Nano/0.20.2/tegrastats.log        or of nvidia-smi, dcgmi, dcgm-exporter
	Nemotron-3-Nano/0.20.2/tool-calls.jsonl      requests and answers, see above
	Nemotron-3-Nano/0.20.2-mtp/server.log        of a start that failed
	Nemotron-3-Nano/0.20.2-mtp/config.json       of the checkpoint
	Qwen3-8B/…

	servestat ingest .
	servestat report sweep --out report/

servestat simulate --preset jetson-thor-article writes such folders.

	$ servestat sql --format csv "select kind, count(*) as n from log_events where kind like 'engine%' group by all order by all"
	kind,n
	engine_args,10
	engine_config,10
	engine_init,10
	engine_stats,129

# Ask anything

servestat schema lists tables, views and macros; with a name, the columns with
type, unit, meaning and source. servestat schema --format markdown is the whole
data dictionary.

	$ servestat sql --format csv "select runtime_version, max_concurrency, count(*) as requests from requests join runs using (run_id) where max_concurrency > 8 group by all order by all"
	runtime_version,max_concurrency,requests
	0.19.0,16,320
	0.19.0,32,640
	0.20.0,16,320
	0.20.0,32,640

Macros write what people always write: percentiles of any grouping from the
histograms of cells, without reading a token, and exact ones from the tokens.

	$ servestat sql --format csv "select key as version, n, round(p99_ms, 1) as p99_ms from distribution('itl', runtime_version) order by all"
	version,n,p99_ms
	0.19.0,160020,…
	0.20.0,160020,…

Questions that people ask are in a cookbook: servestat sql --cookbook lists them,
and servestat sql --cookbook 3 answers the third. --param fills in $names:

	$ servestat sql --format csv --param v=0.20.0 "select count(*) as runs from runs where runtime_version = $v"
	runs
	30

Without a QUERY, on a terminal, there is a prompt: statements of many lines end
with a semicolon, Tab completes tables, columns and macros, \d describes, \timing,
\format, \o FILE and \files do what \? says, Ctrl-C ends a statement and not the
prompt, and what is longer than the screen goes through $PAGER.

One SELECT at a time; nothing outside the lake can be read, and nothing written.
--timeout, --max-memory, --max-temp and --row-limit bound a statement; with
--contained it runs in a process of its own, which on Linux is also under limits
of the operating system: some functions of the engine heed neither its memory
limit nor its deadline. --explain-files says which blocks were read.

	$ servestat sql --explain-files --format csv "select count(*) from runs where max_concurrency = 4"
	table,block,runs,bytes,bytes_read,reads
	…

# Curves

	$ servestat curve --where "runtime_version = '0.19.0'" --slo "itl_p99<50ms"
	simulated/affine-decoder, simulated, runtime version 0.19.0 (simulated): 30 runs on 5 server starts
	…

# Keep what was found

	$ servestat analyze
	analyze: 4 units, 1 reused
	$ servestat sql --format csv "select runtime_version, curve, round(value, 1) as knee, round(lo, 1) as lo, round(hi, 1) as hi from curves where name = 'knee' order by all"
	runtime_version,curve,knee,lo,hi
	0.19.0,affine,8.7,8.6,8.9
	0.20.0,affine,8.7,8.6,8.8

What the truth checks say of every run is the table findings. What fitted curves
say is curves: parameters, knee, onset, limit, peak, the band, what was measured at
each level. Each version against the one before it is verdicts, and what changed
over versions and dates changepoints.

	$ servestat sql --format csv "select metric, statistic, verdict, round(ratio, 3) as ratio from verdicts where max_concurrency is null and metric in ('itl', 'ttft') order by all"
	metric,statistic,verdict,ratio
	…

The unit of work is a series, the runs of one model, hardware, path and runtime
version; a comparison of two; or a history. One whose runs have not changed is not
analysed again: above, the curve had been asked for before. A result of other runs
than there are now is not shown, and sql says so on stderr.

# Take results as they come

	$ servestat watch --once --settle 1ms --lake inbox logs
	62 files: 60 new runs, 2520 requests, 320040 chunk gaps, 279 log events, 774 samples; analyze: 4 units, 0 reused

Watch looks into a folder every few seconds (--every), or once, and does what ingest
and analyze do with what is new and has stood still (--settle). What was taken is
known by its content, from the lake, so that a watch that is started again takes up
where it stood. A server log or a servestat.yaml that comes after its results has them
read again.

Serve takes uploads over HTTP, and gives runs, reports and SQL:

	servestat serve                                   # http://127.0.0.1:8080, for this machine
	curl -T run1.json "http://127.0.0.1:8080/v1/uploads/nightly/?label=runtime_version=0.20.0"
	curl --json '{"sql": "select * from load_points"}' http://127.0.0.1:8080/v1/sql

GET /v1/reports/ is an index of reports, which are made when they are asked for; GET
/v1/openapi.yaml says everything to the letter. An upload is one file, an archive of
many, a server log or telemetry, as ingest takes them; name and label say what ingest
takes from paths and --label. The answer is its receipts: 201 where something is new,
200 where all of it was there, 422 where nothing could be used (it is kept, with the
reason). It comes when the upload is committed, so that what was answered survives a
kill; what was not is sent again, which does no harm. 429 and 503 say with Retry-After
when to come again.

What one upload can cost is bounded as for ingest (--max-upload is 512 MiB here). Of all
together: --max-uploads on their way in, --max-spool bytes of them on disk (in TMPDIR),
--jobs read at the same time within --memory, --max-queries statements and reports; and
of each tenant --max-daily bytes of uploads on a day (429, Retry-After midnight UTC),
counted by the process. A
body that pauses for --idle-timeout, or comes with less than --min-rate on the whole, is
given up. Statements run as with sql --contained, under --timeout, --max-memory,
--max-temp and --row-limit. On SIGTERM what was begun is finished, for as long as
--drain.

After uploads, when nothing more came for --quiet-after, what their runs touch is
analysed again and the rest reused; -v says how much.

POST /v1/events takes notifications of object stores and brokers: S3, MinIO and Ceph,
also by way of SNS and EventBridge; CloudEvents; Pub/Sub push; Event Grid. An event is
only a hint: the object is read out of a bucket that --bucket or the access file lists,
and no URL in an event is followed. --bucket is s3://bucket/prefix, or NAME=FOLDER for a
folder of this machine. The object is read with what lies around it there, side-cars,
server logs, companions, and known by the name that a reconcile of the bucket gives it:
so it does not matter which of the two came first. An event about a servestat.yaml or a
server's log has the results read again that it tells of. Events may be lost, and
uploads come before what tells of them: let a reconcile go through the bucket every
hour, and before a report.

# Who may do what

On loopback no credential is asked for, and only this machine's programs are answered:
not web pages in its browser. To listen elsewhere, --access names a file that lists who
may do what. It holds digests of tokens, and not the tokens:

	$ servestat token --access access.yaml --scope upload,read --tenant team-a nightly
	svst_…

The token goes into a header, Authorization: Bearer svst_…; scopes are upload, read,
sql and admin (the figures at /metrics, and everything else). A running server reads the
file again when it changes. By hand, more can be written into it:

	oidc:                                      # no secret in the workflow: GitHub vouches for it
	  - name: actions
	    issuer: https://token.actions.githubusercontent.com
	    audience: servestat
	    subject: "repo:acme/bench:*"           # * stands for anything
	    claims: {ref: refs/heads/main}
	    scopes: [upload]
	    tenant: team-a
	webhooks:                                  # senders who sign, as standardwebhooks.com says
	  - {name: inbox, secret_file: /run/secrets/inbox, tenant: team-a}
	buckets:                                   # what events may speak of
	  - {name: results, prefix: inbox/, folder: /srv/results, tenant: team-a}
	  - {uri: "s3://lab/inbox", tenant: team-a}

A tenant has a lake of its own, in a folder of its name below --lake; either all callers
have a tenant or none has. Which tenant's a request is follows from its credential alone.
A signed message counts within five minutes of its time, and once; a server that was
started again remembers none, and to replay a message then does nothing that was not
done.

--audit-log FILE gets a line of JSON for each request: who, from where, what, about
which upload, statement or object, and why it was refused; no credential. --tls-cert and
--tls-key speak HTTPS. Traces go to where OTEL_EXPORTER_OTLP_ENDPOINT says.

# Hand it on

	$ servestat export -o reports runtime_version=0.20.0,max_concurrency=8,repeat=1
	reports/…

Each run becomes a Benchmark Report of llm-d (version 0.2, YAML) with the numbers
that were recomputed from its raw times, over the whole run.

# Reports

	$ servestat report weekly --out report
	report/README.md

The weekly report compares the newest version that ran in a week with the one
before, in every group, as the lake was at the end of that week. Its first screen
has the verdict, what changed, since when, what to do, and what could not be
judged. Below: each confirmed change with its history, what else changed there, the
run ids and the SQL that yields its numbers; then curves with the SQL of their fits,
change points, the other comparisons, truth checks, what the logs of the week's
servers say, and which nights have no runs. What could not be judged for the same
reason is said once for all, with how many server starts would settle it.

	$ servestat report weekly --index --out weeks
	weeks/2026-W47/README.md
	weeks/index.md

With --index, the folder is one of weeks: the report goes into the folder of its
week, and index.md lists all weeks there with their verdicts.

The report of a run has its requests over time with how many were in flight, its
chunk gaps over time, and each request's TTFT.

With --html the whole report is one more file, report.html: pictures inside, no
scripts, light or dark as the reader's system is. In a GitHub workflow, --github
appends the page to the step's summary and prints an error, warning or notice for
what regressed, cannot be compared or is inconclusive (on stderr, which GitHub
reads too). --max-bytes cuts README.md at a section, for a comment on a change.

Exit codes: 0 asked and answered, no regression and able to see one; 1 regression;
2 inconclusive; 3 the input is invalid or not comparable; 4 servestat failed.
Data goes to stdout, talk to stderr.

Flags overrule the environment (SERVESTAT_LAKE, SERVESTAT_FORMAT, …), which
overrules servestat.yaml in the current folder, or the file that --config names.
*/
package main

#!/bin/sh
# Makes the fixtures that the tool itself writes: v0.1.1, v0.3.0 and v0.13.0 (and
# the scrapes that ingest/telemetry reads), from the endpoint beside this file.
# Usage: make.sh [scratch folder]. It needs Python with venv, and a package index; no
# model and no GPU. The name of the folder stays in the Parquet file: the one that is
# kept is of a folder /fixture. Times, identifiers and the order of requests differ
# from one run to the next: run the tests with -update afterwards, and read the diff.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
cd "$work"

python3 "$here/endpoint.py" --tokenizer tokenizer
python3 "$here/endpoint.py" --port 8931 --reasoning 3 --fail-every 5 --seconds 1200 &
trap 'kill $!' EXIT
until python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8931/health")' 2>/dev/null; do sleep 0.2; done

# profile version options…: runs the tool and keeps its files, without the paths
# of this machine.
profile() {
	version=$1
	shift
	[ -d "aiperf-$version" ] || python3 -m venv "aiperf-$version"
	[ -x "aiperf-$version/bin/aiperf" ] || "aiperf-$version/bin/pip" install --quiet "aiperf==$version"
	rm -rf "out-$version"
	timeout 300 "aiperf-$version/bin/aiperf" profile -m acme/seven --url 127.0.0.1:8931 --endpoint-type chat --streaming \
		--tokenizer "$work/tokenizer" --concurrency 2 --request-count 7 --artifact-dir "out-$version" --random-seed 7 \
		"$@" >"log-$version.txt" 2>&1 || cat "log-$version.txt"
	mkdir -p "$here/v$version"
	for file in profile_export.jsonl profile_export_raw.jsonl profile_export_aiperf.json; do
		found=$(find "out-$version" -name "$file" -not -path '*/phases/*' | head -n 1)
		[ -z "$found" ] || sed "s#$work#/fixture#g" "$found" >"$here/v$version/$file"
	done
}

profile 0.13.0 --warmup-request-count 1 --isl 24 --osl 9 --export-level raw --ui none
# More requests, none of which fail, so that several scrapes fall into the benchmark.
python3 "$here/endpoint.py" --port 8941 --reasoning 3 --seconds 600 &
timeout 300 aiperf-0.13.0/bin/aiperf profile -m acme/seven --url 127.0.0.1:8941 --endpoint-type chat --streaming \
	--tokenizer "$work/tokenizer" --concurrency 2 --request-count 16 --warmup-request-count 2 --isl 24 --osl 9 \
	--artifact-dir out-scrapes --random-seed 7 --ui none --server-metrics-formats jsonl parquet >log-scrapes.txt 2>&1 || cat log-scrapes.txt
kill $!
cp out-scrapes/server_metrics_export.jsonl out-scrapes/server_metrics_export.parquet "$here/../../telemetry/testdata/aiperf/v0.13.0/"
profile 0.3.0 --warmup-request-count 1 --isl 24 --osl 9 --export-level raw --ui simple
profile 0.1.1 --isl 24 --osl 9 --ui simple

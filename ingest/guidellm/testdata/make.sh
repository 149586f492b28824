#!/bin/sh
# Makes the fixtures that the tool itself writes: v0.3.1, v0.5.4 and v0.8.1, from
# the endpoint of package aiperf. Usage: make.sh [scratch folder]. It needs Python
# with venv, and a package index; no model and no GPU. Times and identifiers
# differ from one run to the next: run the tests with -update afterwards, and
# read the diff.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
endpoint=$here/../../aiperf/testdata/endpoint.py
cd "$work"

python3 "$endpoint" --tokenizer tokenizer
python3 "$endpoint" --port 8932 --reasoning 3 --fail-every 5 --seconds 1200 &
flaky=$!
python3 "$endpoint" --port 8933 --seconds 1200 & # for 0.3.1, which an HTTP error brings down
steady=$!
trap 'kill $flaky $steady' EXIT
for port in 8932 8933; do
	until python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do sleep 0.2; done
done

# guidellm version options…: runs the tool and keeps its report, without the
# paths of this machine.
guidellm() {
	version=$1
	shift
	[ -d "guidellm-$version" ] || python3 -m venv "guidellm-$version"
	[ -x "guidellm-$version/bin/guidellm" ] || "guidellm-$version/bin/pip" install --quiet "guidellm==$version"
	rm -f report.json
	timeout 300 "guidellm-$version/bin/guidellm" "$@" >"log-$version.txt" 2>&1 || cat "log-$version.txt"
	mkdir -p "$here/v$version"
	sed -E -e "s#$work#/fixture#g" -e 's#/[^" ]*/site-packages#/fixture/site-packages#g; s/("platform": *)"[^"]*"/\1"Linux"/' report.json >"$here/v$version/benchmarks.json"
}

guidellm 0.8.1 run --backend kind=openai_http,target=http://127.0.0.1:8932,model=acme/seven \
	--profile kind=concurrent,streams=2 --constraint kind=max_requests,count=6 \
	--tokenizer "kind=huggingface_auto,model=$work/tokenizer" --data kind=synthetic_text,prompt_tokens=24,output_tokens=9 \
	--output kind=json,path=report.json --disable-progress
guidellm 0.5.4 benchmark run --target http://127.0.0.1:8932 --model acme/seven --request-type chat_completions \
	--profile constant --rate 8 --max-requests 6 --processor "$work/tokenizer" --data prompt_tokens=24,output_tokens=9 \
	--output-path report.json --disable-progress
guidellm 0.3.1 benchmark run --target http://127.0.0.1:8933 --model acme/seven --rate-type concurrent --rate 2 \
	--max-requests 6 --processor "$work/tokenizer" --data prompt_tokens=24,output_tokens=9 \
	--output-path report.json --disable-progress

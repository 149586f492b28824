# servestat. `make help` lists what there is.

GO ?= go
TOOL = $(GO) tool -modfile=.ci/tools.mod
PACKAGES = ./...
# A count, not a time: the go tool sometimes reports its own time limit as a failure.
FUZZTIME ?= 100000x
DEMO = cmd/servestat/testdata/demo

.DEFAULT_GOAL := help
.PHONY: help build static lambda.zip demo test check deploy-check race fuzz kill serverless-check bench bench-lake bench-large calibrate golden notebooks notebooks-check clean

help: ## list the targets
	@grep -E '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

build: ## leave bin/servestat
	$(GO) build -trimpath -ldflags '-s -w' -o bin/servestat ./cmd/servestat

# All of it in one file, C library and database engine included: for images without
# anything else, and for Lambda. The linker's warnings are of functions that look
# names up through the C library, which nothing here calls: Go resolves by itself.
static: ## leave bin/static/servestat, which needs no libraries
	$(GO) build -trimpath -tags 'netgo osusergo' -ldflags '-s -w -linkmode external -extldflags -static' -o bin/static/servestat ./cmd/servestat

lambda.zip: static ## leave bin/lambda.zip for AWS Lambda, of at most 50 MB
	$(GO) run ./.ci/lambdazip bin/static/servestat bin/lambda.zip

demo: build ## ingest the bundled logs of real vLLM servers and write demo/report/
	@rm -rf demo/report demo/neighbour demo/article
	bin/servestat ingest --lake demo/lake $(DEMO)/vllm/baseline
	bin/servestat report weekly --lake demo/lake --week 2026-W47 --out demo/report
	bin/servestat ingest --lake demo/neighbour-lake $(DEMO)/vllm/neighbour $(DEMO)/vllm/baseline/0.20.2
	bin/servestat report compare --lake demo/neighbour-lake --out demo/neighbour group=baseline group=neighbour || test $$? = 1
	bin/servestat ingest --lake demo/article-lake $(DEMO)/jetson-thor-article
	bin/servestat report sweep --lake demo/article-lake --out demo/article
	@echo
	@echo "The weekly report on real vLLM logs is in demo/report/README.md, a regression that was made on"
	@echo "purpose in demo/neighbour/README.md, the article's sweep (simulated) in demo/article/README.md"
	@echo "Ask the lake yourself: bin/servestat sql --lake demo/lake \"select * from load_points\""

test: ## run all tests
	$(TOOL) gotestsum --format pkgname -- -timeout 40m $(PACKAGES)

check: ## what CI runs before the tests: format, vet, lint with the import graph, tidiness
	@out=$$(gofmt -l .); test -z "$$out" || { echo "not gofmt-clean:"; echo "$$out"; exit 1; }
	$(GO) vet $(PACKAGES)
	$(TOOL) staticcheck $(PACKAGES)
	@$(TOOL) -n depguard >/dev/null # or what it says of its download would count as a finding
	@out=$$($(TOOL) depguard $(PACKAGES) 2>&1 | grep -v -i 'configuration'); test -z "$$out" || { echo "import graph:"; echo "$$out"; exit 1; }
	$(GO) mod tidy -diff

deploy-check: ## the examples of deployments by the schemas of their systems; cfn-lint and systemd-analyze where they are installed
	$(GO) -C .ci/deploy run . $(CURDIR)/cmd/servestat/deploy/kubernetes/*.yaml $(CURDIR)/cmd/servestat/deploy/knative/*.yaml
	$(TOOL) actionlint cmd/servestat/deploy/github/*.yml
	if command -v cfn-lint >/dev/null; then cfn-lint cmd/servestat/deploy/lambda/template.yaml; fi
	.ci/deploy/units cmd/servestat/deploy/systemd

race: ## the tests of everything that shares memory, under the race detector
	$(GO) test -race -timeout 20m ./schemas/lake/... ./schemas/columnar ./ingest ./ingest/archive ./ingest/upkeep ./analyze/query ./cmd/servestat/serve ./cmd/servestat/access ./cmd/servestat/events
	$(GO) test -race -timeout 20m -run 'TestScripts/(faults|usage)' ./cmd/servestat

fuzz: ## every fuzz target for FUZZTIME inputs, besides those that are kept in FUZZCACHE (left out: in Go's own cache)
	@$(GO) list -f '{{if .TestGoFiles}}{{.ImportPath}}{{else if .XTestGoFiles}}{{.ImportPath}}{{end}}' $(PACKAGES) | while read -r pkg; do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg $(if $(FUZZCACHE),-args -test.fuzzcachedir=$(FUZZCACHE)/$$pkg) || exit 1; \
		done; \
	done

kill: ## kill -9 ingest, compaction and collection at 100 random points
	SERVESTAT_KILLS=100 $(GO) test -timeout 60m -count 1 -v -run TestKilledAtRandomPoints ./cmd/servestat

serverless-check: static ## buckets, events, many workers: print every bar with its figure (loopback only, 20 minutes at most)
	@echo "| bar | figure | required | |" && echo "|---|---|---|---|"
	@$(MAKE) -s lambda.zip | sed -n 's/^bar: //p'
	@SERVESTAT_SERVERLESS=1 SERVESTAT_BOOTSTRAP=$(CURDIR)/bin/static/servestat $(GO) test -timeout 20m -count 1 -v -run Serverless ./cmd/servestat/... > .serverless.log; \
	status=$$?; sed -n 's/^bar: //p' .serverless.log; exit $$status

# The peers need notebooks/bench/setup.sh to have run, and are left out where it has not.
FIGURES = $(GO) test -count 1 -timeout 60m -v ./ingest -figures-servestat $(CURDIR)/bin/servestat
bench: build ## ingest and SQL beside their peers (250 MB; 10^8 tokens, 10,000 runs: 4 GB in TMPDIR), preflight on logs of 100 MB, then the benchmarks and bars of every package
	@$(FIGURES) -run '^TestFigures(Preflight)?$$' -figures > .figures.log; status=$$?; grep -vE '^(=== | *--- |PASS|ok )' .figures.log; exit $$status
	-@$(MAKE) -s bench-lake
	@$(GO) test -run '^$$' -bench . -benchmem -timeout 60m $(PACKAGES) > .figures.log; status=$$?; grep -vE 'no test files|bar: |--- BENCH' .figures.log; \
	echo "| bar | figure | required | |" && echo "|---|---|---|---|"; sed -n 's/.*bar: //p' .figures.log; exit $$status

bench-lake: build ## the bars of the lake and of servestat sql over 10^8 tokens and 10,000 runs, beside DuckDB, pandas and polars
	@$(GO) test -count 1 -timeout 60m -v ./cmd/servestat -run '^TestFiguresOfTheLake$$' -figures -figures-servestat $(CURDIR)/bin/servestat > .figures.log; \
	status=$$?; grep -vE '^(=== |--- |PASS|FAIL|ok |bar: |    )' .figures.log; \
	echo "| bar | figure | required | |" && echo "|---|---|---|---|" && sed -n 's/^bar: //p' .figures.log; exit $$status

bench-large: build ## ingest one object of 5 GB (10 GB of disk in TMPDIR, removed afterwards)
	@$(FIGURES) -run '^TestFiguresLarge$$' -figures-large > .figures.log; status=$$?; grep -vE '^(=== | *--- |PASS|ok )' .figures.log; exit $$status

calibrate: ## simulate thousands of replicates and print every bar of the statistics with its figure
	@echo "| bar | figure | required | |" && echo "|---|---|---|---|"
	@$(GO) test -timeout 120m -count 1 -v -run Calibrate $$($(GO) list -f '{{$$p := .ImportPath}}{{range .TestImports}}{{if eq . "github.com/servestat/servestat/analyze/calibrate"}}{{$$p}} {{end}}{{end}}{{range .XTestImports}}{{if eq . "github.com/servestat/servestat/analyze/calibrate"}}{{$$p}} {{end}}{{end}}' $(PACKAGES)) -calibrate > .calibrate.log; \
	status=$$?; sed -n 's/^bar: //p' .calibrate.log; exit $$status

golden: ## rewrite golden files; then read the diff
	$(GO) test $$($(GO) list -f '{{$$p := .ImportPath}}{{range .TestImports}}{{if eq . "github.com/servestat/servestat/schemas/schematest"}}{{$$p}}{{end}}{{end}}{{range .XTestImports}}{{if eq . "github.com/servestat/servestat/schemas/schematest"}}{{$$p}}{{end}}{{end}}' $(PACKAGES)) -update
	git --no-pager diff --stat

NOTEBOOKS = notebooks/.venv/bin/python notebooks/run.py
notebooks: build notebooks/lake notebooks/.venv/made ## execute the notebooks over the bundled logs, outputs and oracle included
	$(NOTEBOOKS)

notebooks-check: build notebooks/lake notebooks/.venv/made ## the same, and fail where the committed outputs are not fresh
	$(NOTEBOOKS) --check

.PHONY: notebooks/lake
notebooks/lake:
	@rm -rf $@
	bin/servestat ingest --lake $@ $(DEMO)/vllm

notebooks/.venv/made: notebooks/requirements.txt
	python3 -m venv notebooks/.venv
	notebooks/.venv/bin/pip install --quiet --requirement $<
	@touch $@

clean: ## remove what make left
	rm -rf bin demo notebooks/lake notebooks/.venv

module github.com/servestat/servestat

go 1.26.0

require (
	github.com/apache/arrow/go/v17 v17.0.0 // Arrow types (schemas) and Parquet (schemas/columnar, report/table)
	github.com/aws/aws-sdk-go-v2 v1.47.7 // buckets, in schemas/lake/bucket only
	github.com/aws/aws-sdk-go-v2/config v1.33.15 // credentials as every tool for AWS finds them
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.8 // objects, with conditional writes
	github.com/aws/smithy-go v1.28.8 // what a store answered
	github.com/coreos/go-oidc/v3 v3.21.0 // identity tokens of callers of serve
	github.com/dustin/go-humanize v1.0.1 // sizes as people write them
	github.com/getkin/kin-openapi v0.152.0 // tests: holds serve's answers against its OpenAPI document
	github.com/go-jose/go-jose/v4 v4.1.4 // tests: makes identity tokens
	github.com/google/shlex v0.0.0-20191202100458-e7afc7fbc510 // tests: splits the manual's examples as a shell would
	github.com/jedib0t/go-pretty/v6 v6.8.3 // tables on a terminal
	github.com/klauspost/compress v1.20.3 // zstd: kept uploads and Parquet pages
	github.com/marcboeker/go-duckdb/v2 v2.4.3 // DuckDB, in analyze/query only; the one package that needs cgo
	github.com/prometheus/client_golang v1.25.0 // serve's own figures
	github.com/reeflective/readline v1.3.0 // the prompt of sql: line editing, history, completion
	github.com/rogpeppe/go-internal v1.16.0 // tests: command scripts (testscript)
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // tool calls against their schemas
	github.com/schollz/progressbar/v3 v3.19.1 // progress on a terminal
	github.com/spf13/cobra v1.10.2 // commands and flags
	github.com/spf13/pflag v1.0.10 // cobra's flags: to suggest the flag that was meant
	github.com/spf13/viper v1.21.0 // configuration: flags over environment over file
	github.com/yuin/goldmark v1.8.7 // Markdown to HTML, in report/html only
	go.opentelemetry.io/otel v1.47.0 // traces of serve, where the environment asks for them
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp v1.47.0 // the same
	go.opentelemetry.io/otel/sdk v1.47.0 // the same
	go.opentelemetry.io/otel/trace v1.47.0 // the same
	go.yaml.in/yaml/v3 v3.0.5 // servestat.yaml beside results
	golang.org/x/image v0.30.0 // fonts and drawing of plots
	golang.org/x/net v0.62.0 // at most so many connections to serve
	golang.org/x/sync v0.24.0 // files read, and blocks written, at the same time
	golang.org/x/sys v0.49.0 // limits of the process of a contained statement
	golang.org/x/term v0.47.0 // is it a terminal, and how wide
	gonum.org/v1/gonum v0.17.0 // QR decomposition and distributions of the statistics
	gonum.org/v1/plot v0.17.0 // PNG, in report/plot only
)

require (
	github.com/DataDog/zstd v1.5.7
	github.com/aws/aws-lambda-go v1.55.1
	github.com/marcboeker/go-duckdb/mapping v0.0.21
)

require (
	codeberg.org/go-fonts/liberation v0.5.0 // indirect
	codeberg.org/go-latex/latex v0.2.0 // indirect
	codeberg.org/go-pdf/fpdf v0.11.1 // indirect
	git.sr.ht/~sbinet/gg v0.7.0 // indirect
	github.com/JohnCGriffin/overflow v0.0.0-20211019200055-46fa312c352c // indirect
	github.com/ajstarks/svgo v0.0.0-20211024235047-1546f124cd8b // indirect
	github.com/andybalholm/brotli v1.2.0 // indirect
	github.com/apache/arrow-go/v18 v18.4.1 // indirect
	github.com/apache/thrift v0.25.0 // indirect
	github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream v1.7.26 // indirect
	github.com/aws/aws-sdk-go-v2/credentials v1.20.15 // indirect
	github.com/aws/aws-sdk-go-v2/feature/ec2/imds v1.20.7 // indirect
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.10 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.10 // indirect
	github.com/aws/aws-sdk-go-v2/internal/v4a v1.5.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding v1.13.24 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/checksum v1.11.11 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/presigned-url v1.14.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/s3shared v1.20.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/signin v1.12.3 // indirect
	github.com/aws/aws-sdk-go-v2/service/sso v1.39.3 // indirect
	github.com/aws/aws-sdk-go-v2/service/ssooidc v1.44.3 // indirect
	github.com/aws/aws-sdk-go-v2/service/sts v1.51.8 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/duckdb/duckdb-go-bindings v0.1.24 // indirect
	github.com/duckdb/duckdb-go-bindings/darwin-amd64 v0.1.24 // indirect
	github.com/duckdb/duckdb-go-bindings/darwin-arm64 v0.1.24 // indirect
	github.com/duckdb/duckdb-go-bindings/linux-amd64 v0.1.24 // indirect
	github.com/duckdb/duckdb-go-bindings/linux-arm64 v0.1.24 // indirect
	github.com/duckdb/duckdb-go-bindings/windows-amd64 v0.1.24 // indirect
	github.com/fsnotify/fsnotify v1.9.0 // indirect
	github.com/go-logr/logr v1.4.4 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/go-openapi/jsonpointer v1.0.0 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/goccy/go-json v0.10.5 // indirect
	github.com/golang/freetype v0.0.0-20170609003504-e2365dfdc4a0 // indirect
	github.com/golang/snappy v1.0.0 // indirect
	github.com/google/flatbuffers v25.12.19+incompatible // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/grpc-ecosystem/grpc-gateway/v2 v2.30.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/klauspost/asmfmt v1.3.2 // indirect
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/marcboeker/go-duckdb/arrowmapping v0.0.21 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/minio/asm2plan9s v0.0.0-20200509001527-cdd76441f9d8 // indirect
	github.com/minio/c2goasm v0.0.0-20190812172519-36a3d3bbc4f3 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/oasdiff/yaml v0.1.1 // indirect
	github.com/oasdiff/yaml3 v0.0.14 // indirect
	github.com/pelletier/go-toml/v2 v2.2.4 // indirect
	github.com/pierrec/lz4/v4 v4.1.22 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/sagikazarmark/locafero v0.11.0 // indirect
	github.com/sourcegraph/conc v0.3.1-0.20240121214520-5f936abd7ae8 // indirect
	github.com/spf13/afero v1.15.0 // indirect
	github.com/spf13/cast v1.10.0 // indirect
	github.com/stretchr/objx v0.5.3 // indirect
	github.com/subosito/gotenv v1.6.0 // indirect
	github.com/zeebo/xxh3 v1.0.2 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/otel/exporters/otlp/otlptrace v1.47.0 // indirect
	go.opentelemetry.io/otel/log v1.47.0 // indirect
	go.opentelemetry.io/otel/metric v1.47.0 // indirect
	go.opentelemetry.io/proto/otlp v1.11.0 // indirect
	golang.org/x/exp v0.0.0-20250408133849-7e4ce0ab07d0 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/telemetry v0.0.0-20260924152758-ed294f943157 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	golang.org/x/xerrors v0.0.0-20240903120638-7835f813f4da // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260928230214-8a89bd6388cc // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260928230214-8a89bd6388cc // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

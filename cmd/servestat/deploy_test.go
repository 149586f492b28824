package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"
	"github.com/google/shlex"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/servestat/servestat/analyze/query"
	"github.com/servestat/servestat/schemas/lake/bucket/buckettest"
)

// An example of a deployment is copied, and found out to be wrong on the night when
// it is needed. What can be known of one without its system is known here: its
// command lines are parsed by the real commands, its memory limits are held to what
// the commands may take, and what it runs is run, on a real S3 server.

// A deployed command is one that an example runs.
type deployed struct {
	file   string
	args   []string // after servestat
	env    map[string]string
	memory uint64 // that it may have; 0 where the example does not say
}

func (d deployed) String() string { return d.file + ": servestat " + strings.Join(d.args, " ") }

// setting is a flag's value, or the environment's.
func (d deployed) setting(t *testing.T, name string) string {
	t.Helper()
	for i, arg := range d.args {
		if arg == "--"+name {
			return d.args[i+1]
		}
	}
	if text := d.env["SERVESTAT_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]; text != "" {
		return text
	}
	root := (&app{config: viper.New(), term: &terminal{}}).rootCommand()
	cmd, _, err := root.Find(d.args)
	if err != nil {
		t.Fatal(err)
	}
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.DefValue
	}
	return ""
}

func deployments(t *testing.T) []deployed {
	t.Helper()
	all := slices.Concat(unitCommands(t), podCommands(t), workflowCommands(t), functionCommands(t))
	if len(all) < 12 {
		t.Fatalf("found %d commands in the examples", len(all))
	}
	return all
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unitCommands are those of systemd's units.
func unitCommands(t *testing.T) (all []deployed) {
	for _, name := range []string{"systemd/servestat.service", "systemd/servestat-weekly.service"} {
		text := readExample(t, name)
		limit := parsedBytes(t, regexp.MustCompile(`(?m)^MemoryMax=(\d+)G$`).FindStringSubmatch(text)[1]+"GiB")
		for _, m := range regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/servestat (.*)$`).FindAllStringSubmatch(text, -1) {
			all = append(all, deployed{file: name, args: words(t, m[1]), memory: limit})
		}
	}
	return all
}

// podCommands are those of Kubernetes' and Knative's containers.
func podCommands(t *testing.T) (all []deployed) {
	for _, name := range []string{"kubernetes/backfill.yaml", "kubernetes/weekly.yaml", "knative/service.yaml"} {
		docs := yaml.NewDecoder(strings.NewReader(readExample(t, name)))
		for {
			var doc yaml.Node
			err := docs.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			eachContainer(&doc, func(c container) {
				d := deployed{file: name, args: c.Args, env: map[string]string{}, memory: parsedBytes(t, c.Resources.Limits.Memory+"B")}
				for _, e := range c.Env {
					d.env[e.Name] = e.Value
				}
				all = append(all, d)
			})
		}
	}
	return all
}

type container struct {
	Args []string
	Env  []struct{ Name, Value string }

	Resources struct{ Limits struct{ Memory string } }
}

// eachContainer finds the lists of containers, init containers first.
func eachContainer(n *yaml.Node, each func(container)) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && (child.Value == "containers" || child.Value == "initContainers") {
			var list []container
			if n.Content[i+1].Decode(&list) == nil {
				for _, c := range list {
					each(c)
				}
			}
		}
		eachContainer(child, each)
	}
}

type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Env   map[string]string
		Steps []struct {
			Name, Run string
			Env       map[string]string
		}
	}
}

func nightly(t *testing.T) (w workflow) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readExample(t, "github/nightly.yml")), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func workflowCommands(t *testing.T) (all []deployed) {
	w := nightly(t)
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			for line := range strings.Lines(step.Run) {
				if command, ok := strings.CutPrefix(strings.TrimSpace(line), "servestat "); ok {
					command, _, _ = strings.Cut(command, " > ")
					all = append(all, deployed{file: "github/nightly.yml", args: words(t, command), env: w.Env})
				}
			}
		}
	}
	return all
}

// template is what of the one for Lambda is looked at.
type template struct {
	Parameters map[string]yaml.Node `yaml:"Parameters"`
	Resources  map[string]yaml.Node `yaml:"Resources"`
}

type lambdaFunction struct {
	Properties struct {
		CodeURI     string `yaml:"CodeUri"`
		Handler     string `yaml:"Handler"`
		MemorySize  uint64 `yaml:"MemorySize"`
		Environment struct {
			Variables map[string]string `yaml:"Variables"`
		} `yaml:"Environment"`
	} `yaml:"Properties"`
}

func functionTemplate(t *testing.T) (tmpl template, function lambdaFunction) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readExample(t, "lambda/template.yaml")), &tmpl); err != nil {
		t.Fatal(err)
	}
	node := tmpl.Resources["Function"]
	if err := node.Decode(&function); err != nil {
		t.Fatal(err)
	}
	return tmpl, function
}

func functionCommands(t *testing.T) []deployed {
	_, f := functionTemplate(t)
	return []deployed{{file: "lambda/template.yaml", args: []string{"lambda"}, env: f.Properties.Environment.Variables, memory: f.Properties.MemorySize << 20}}
}

func words(t *testing.T, text string) []string {
	t.Helper()
	args, err := shlex.Split(text)
	if err != nil {
		t.Fatal(err)
	}
	return args
}

func parsedBytes(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := humanize.ParseBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeployedCommandLinesAreReal(t *testing.T) {
	for _, d := range deployments(t) {
		a := &app{config: viper.New(), term: &terminal{}, stderr: io.Discard}
		root := a.rootCommand()
		cmd, rest, err := root.Find(d.args)
		if err == nil && cmd == root {
			err = errors.New("no such command")
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd.Args != nil {
			err = cmd.Args(cmd, cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%v: %v", d, err)
			continue
		}
		known := map[string]bool{"LAKE": true}
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = true })
		if d.args[0] == "lambda" { // it runs the others
			known["MEMORY"] = true
		}
		for name := range d.env {
			if setting, ours := strings.CutPrefix(name, "SERVESTAT_"); ours && !known[setting] {
				t.Errorf("%v: heeds no %s", d, name)
			}
		}
	}
}

// A process that is killed for want of memory says nothing of why.
func TestDeployedMemoryIsEnough(t *testing.T) {
	const program = 256 << 20
	for _, d := range deployments(t) {
		if d.memory == 0 {
			continue
		}
		need := uint64(program)
		if memory := d.setting(t, "memory"); memory != "" { // that uploads may take
			need += parsedBytes(t, memory)
		}
		switch d.args[0] {
		case "serve": // each statement in a process of its own; the analysis too
			n, err := strconv.ParseUint(d.setting(t, "max-queries"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			need += n*parsedBytes(t, d.setting(t, "max-memory")) + uint64(query.DefaultLimits.Memory)
		case "reconcile", "report", "lambda":
			need += uint64(query.DefaultLimits.Memory)
		}
		if d.memory < need {
			t.Errorf("%v: may have %s, and may need %s", d, humanize.IBytes(d.memory), humanize.IBytes(need))
		}
	}
}

// What a template refers to is there, and what it deploys is what make lambda.zip
// makes.
func TestDeployedFunctionHoldsTogether(t *testing.T) {
	tmpl, f := functionTemplate(t)
	named := func(name string) bool {
		_, parameter := tmpl.Parameters[name]
		_, resource := tmpl.Resources[name]
		return parameter || resource || strings.HasPrefix(name, "AWS::")
	}
	var refer func(n *yaml.Node)
	refer = func(n *yaml.Node) {
		var names []string
		switch n.Tag {
		case "!Ref":
			names = []string{n.Value}
		case "!GetAtt":
			name, _, _ := strings.Cut(n.Value, ".")
			names = []string{name}
		case "!Sub":
			for _, m := range regexp.MustCompile(`\$\{([\w:]+)`).FindAllStringSubmatch(n.Value, -1) {
				names = append(names, m[1])
			}
		}
		for _, name := range names {
			if !named(name) {
				t.Errorf("line %d: there is no %s", n.Line, name)
			}
		}
		for _, child := range n.Content {
			refer(child)
		}
	}
	for _, node := range tmpl.Resources {
		refer(&node)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := filepath.Join("cmd/servestat/deploy/lambda", f.Properties.CodeURI), "bin/lambda.zip"; got != want || !strings.Contains(string(makefile), want) {
		t.Errorf("CodeUri is %s, and make writes %s", got, want)
	}
	if f.Properties.Handler != "bootstrap" {
		t.Errorf("the handler is %s", f.Properties.Handler)
	}
}

// An image is made by the Go of go.mod, out of what make makes, and runs as nobody.
func TestDockerfileHoldsTogether(t *testing.T) {
	text := readExample(t, "Dockerfile")
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("FROM golang:%s-", version), "RUN make static\n", "COPY --from=build /src/bin/static/servestat ", "\nUSER 65532:65532\n", `ENTRYPOINT ["/usr/local/bin/servestat"]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if !strings.Contains(string(makefile), "\nstatic:") || !strings.Contains(string(makefile), "bin/static/servestat") {
		t.Error("make has no target static that makes bin/static/servestat")
	}
}

// servestatIn runs a command with an environment of its own.
func servestatIn(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	cmd := exec.Command("servestat", args...)
	cmd.Env = os.Environ()
	for name, value := range env {
		if name != "AWS_REGION" { // the test's server is in one of its own
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("servestat %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestDeployedUnitsWork(t *testing.T) {
	dir := t.TempDir()
	moved := strings.NewReplacer("/var/lib/servestat", dir, "/srv/benchmarks", "testdata/demo/logs")
	for _, d := range unitCommands(t) {
		if d.args[0] == "serve" { // which does not end
			continue
		}
		var args []string
		for _, arg := range d.args {
			args = append(args, moved.Replace(arg))
		}
		servestatIn(t, nil, args...)
	}
	if _, err := os.Stat(filepath.Join(dir, "reports", "index.md")); err != nil {
		t.Error(err)
	}
}

// The shards of the Indexed Job take in all of the inbox, and the reconcile of the
// CronJob finds nothing left to do but to analyse.
func TestDeployedJobsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	server := startBenchmarks(t)
	root := filepath.Join(filepath.Dir(server.Root), "my-benchmarks")
	copyTree(t, "testdata/demo/logs/0.20.0", filepath.Join(root, "inbox"))
	for _, d := range podCommands(t) {
		switch d.args[0] {
		case "serve":
		case "ingest":
			for index := range 8 {
				ran := d
				ran.args = slices.Clone(d.args)
				for i, arg := range ran.args {
					ran.args[i] = strings.ReplaceAll(arg, "$(JOB_COMPLETION_INDEX)", fmt.Sprint(index))
				}
				servestatIn(t, ran.env, ran.args...)
			}
		case "reconcile":
			if out := servestatIn(t, d.env, d.args...); !strings.Contains(out, "31 uploads in the inbox: 31 in the lake already, 0 new; 0 new runs") {
				t.Errorf("after the backfill: %s", out)
			}
		default:
			servestatIn(t, d.env, d.args...)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "reports", "index.md")); err != nil {
		t.Error(err)
	}
}

// startBenchmarks starts an S3 server that has the bucket of the examples, and is
// what S3 is to processes that are started.
func startBenchmarks(t *testing.T) *buckettest.Server {
	t.Helper()
	server := buckettest.Start(t)
	if err := os.Mkdir(filepath.Join(filepath.Dir(server.Root), "my-benchmarks"), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL", server.Endpoint)
	t.Setenv("SERVESTAT_CACHE", t.TempDir())
	return server
}

// The steps of the workflow are run as a runner runs them, with a benchmark that
// copies results, and a gh that fetches a baseline and keeps the comment.
func TestDeployedWorkflowWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	startBenchmarks(t)
	logs, err := filepath.Abs("testdata/demo/logs")
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	for name, script := range map[string]string{
		filepath.Join(dir, "bench.sh"): `mkdir -p "$1" && cp -r ` + logs + `/0.20.0/. "$1"`,
		filepath.Join(bin, "gh"): `case "$1 $2" in
"run list") echo 17 ;;
"run download") test "$3" = 17 && mkdir -p benchmarks/baseline && cp -r ` + logs + `/0.19.0/. benchmarks/baseline ;;
"pr comment") test "$3" = 5 && cp "$5" posted.md ;;
*) exit 1 ;;
esac`,
	} {
		if err := os.WriteFile(name, []byte("#!/bin/sh\nset -e\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := nightly(t)
	for name, want := range map[string]int{"nightly": 0, "compare": 1} {
		got := runJob(t, w, name, dir, bin)
		if got != want {
			t.Errorf("job %s ends with %d, want %d", name, got, want)
		}
	}
	comment, err := os.ReadFile(filepath.Join(dir, "posted.md"))
	if err != nil || !bytes.Contains(comment, []byte("Regressed")) {
		t.Errorf("the comment is\n%s\n%v", comment, err)
	}
	summary, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil || len(summary) == 0 {
		t.Errorf("no summary: %v", err)
	}
}

// runJob runs the steps of a job that are commands, until one fails, and returns its
// exit code.
func runJob(t *testing.T, w workflow, job, dir, bin string) int {
	t.Helper()
	output := filepath.Join(dir, "output-"+job)
	contexts := func(text string) string {
		verdict, _ := os.ReadFile(output)
		return strings.NewReplacer(
			"${{ github.token }}", "secret", "${{ github.event.pull_request.number }}", "5",
			"${{ steps.compare.outputs.verdict }}", strings.TrimPrefix(strings.TrimSpace(string(verdict)), "verdict="),
		).Replace(text)
	}
	for _, step := range w.Jobs[job].Steps {
		if step.Run == "" {
			continue
		}
		cmd := exec.Command("bash", "-e", "-c", step.Run)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GITHUB_SHA=0123abc", "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"))
		for _, env := range []map[string]string{w.Env, w.Jobs[job].Env, step.Env} {
			for name, value := range env {
				value = contexts(value)
				if strings.Contains(value, "${{") {
					t.Fatalf("%s: %s is not known to this test", step.Name, value)
				}
				cmd.Env = append(cmd.Env, name+"="+value)
			}
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("%s: %v\n%s", step.Name, err, out)
			return exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return 0
}

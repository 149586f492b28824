package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/servestat/servestat/schemas/lake"
)

// Exit codes are part of the interface.
const (
	exitOK           = 0
	exitRegression   = 1 // a regression, or a failed check
	exitInconclusive = 2
	exitInvalid      = 3 // the input is invalid or not comparable
	exitFailed       = 4 // servestat failed: usage, I/O
)

// An exitError ends the command with a code. Without an error it is silent: the
// answer on stdout has said it all.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is an error in how the command was called.
func usagef(hint, format string, args ...any) error {
	return &exitError{code: exitFailed, err: fmt.Errorf(format, args...), hint: hint}
}

// invalidf is an error in the input.
func invalidf(hint, format string, args ...any) error {
	return &exitError{code: exitInvalid, err: fmt.Errorf(format, args...), hint: hint}
}

// app is what the commands share.
type app struct {
	ctx    context.Context // of the command line: it ends what is asked of buckets
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	config *viper.Viper
	term   *terminal

	buckets sync.Map // open ones, by location
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, config: viper.New()}
	a.term = &terminal{w: stderr}
	return a.conclude(ctx, a.execute(ctx, args))
}

// execute executes a command line.
func (a *app) execute(ctx context.Context, args []string) error {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(ctx)
}

// conclude says what went wrong, if anything, and picks the exit code.
func (a *app) conclude(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		a.term.errorf("interrupted; what was complete is in place, and running the same command again goes on from there")
		return exitFailed
	}
	code := exitFailed
	var ee *exitError
	if errors.As(err, &ee) {
		if ee.err == nil {
			return ee.code
		}
		code = ee.code
	}
	a.term.errorf("%s", err)
	if ee != nil && ee.hint != "" {
		a.term.hintf("%s", ee.hint)
	}
	return code
}

const rootLong = `servestat is benchstat for LLM serving. It takes the raw per-token timestamp
logs of benchmark runs (vllm bench serve --save-result --save-detailed), keeps
them in a lake of Parquet files, and says how latency behaves as concurrency
grows and whether a runtime version made it worse.

  servestat compare old/ new/                 two folders of results: one verdict
  servestat ingest results/                   keep results in ./lake
  servestat report weekly --out report/       a folder of Markdown and PNG
  servestat sql "select * from run_summary"   ask anything, down to one token`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "servestat",
		Short:         "benchstat for LLM serving",
		Long:          rootLong,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.configure(cmd) },
	}
	pf := root.PersistentFlags()
	pf.String("lake", "./lake", "folder of the lake, or s3://bucket/prefix")
	pf.String("cache", "", "folder for copies of what lies in buckets (default: servestat in the user's cache folder)")
	pf.String("cache-size", bytesText(lake.DefaultCacheSize), "most bytes of that folder")
	pf.String("config", "", "configuration file (default: servestat.yaml in this folder, if there)")
	pf.BoolP("quiet", "q", false, "say nothing but errors on stderr")
	pf.BoolP("verbose", "v", false, "say more on stderr")
	pf.Bool("no-progress", false, "do not say how far a command is")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var value *pflag.InvalidValueError
		if errors.As(err, &value) {
			return usagef(suggestFlag(cmd, err), "--%s %s: want %s", value.GetFlag().Name, value.GetValue(), wantOf(value.GetFlag()))
		}
		return usagef(suggestFlag(cmd, err), "%s: %w", cmd.CommandPath(), err)
	})
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.ingestCommand(), a.reconcileCommand(), a.analyzeCommand(), a.auditCommand(), a.resourcesCommand(), a.compareCommand(), a.pathsCommand(), a.historyCommand(), a.planCommand(), a.curveCommand(), a.preflightCommand(), a.canaryCommand(), a.qualityCommand(),
		a.gateCommand(), a.reportCommand(), a.sqlCommand(), a.rejectsCommand(), a.exportCommand(), a.schemaCommand(), a.lakeCommand(), a.serveCommand(), a.lambdaCommand(), a.tokenCommand(), a.watchCommand(), a.simulateCommand(), a.versionCommand())
	return root
}

// configure reads flags over environment over configuration file.
func (a *app) configure(cmd *cobra.Command) error {
	v := a.config
	v.SetEnvPrefix("SERVESTAT")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	if err := v.BindPFlags(cmd.Flags()); err != nil {
		return err
	}
	name, named := "servestat.yaml", false
	if c := v.GetString("config"); c != "" {
		name, named = c, true
	}
	v.SetConfigFile(name)
	v.SetConfigType("yaml")
	if err := v.ReadInConfig(); err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
		return usagef("a servestat.yaml in the current folder is read as the configuration, and as what it says of results", "configuration %s: %w", name, err)
	}
	a.term.quiet = v.GetBool("quiet")
	a.term.verbose = v.GetBool("verbose")
	watched := isTerminal(a.stderr)
	a.term.progress = !a.term.quiet && !v.GetBool("no-progress") && watched
	a.term.lines = !a.term.quiet && !v.GetBool("no-progress") && !watched
	return nil
}

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := cmd.CommandPath() + " --help lists the commands"
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		hint = "did you mean: " + cmd.CommandPath() + " " + s[0]
	} else if _, err := os.Stat(name); err == nil {
		hint = "did you mean: servestat ingest " + name
	}
	return usagef(hint, "unknown command %q", name)
}

// suggestFlag finds the flag that a mistyped one may have meant.
func suggestFlag(cmd *cobra.Command, err error) string {
	var nf *pflag.NotExistError
	if !errors.As(err, &nf) {
		return cmd.CommandPath() + " --help lists the flags"
	}
	best, bestDistance := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := editDistance(f.Name, nf.GetSpecifiedName()); d < bestDistance {
			best, bestDistance = f.Name, d
		}
	})
	if best == "" {
		return cmd.CommandPath() + " --help lists the flags"
	}
	return "did you mean: --" + best
}

// wantOf says what a flag takes.
func wantOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "duration":
		return "a time such as 30s or 5m"
	case "float64":
		return "a number"
	}
	return "a whole number"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// exactArgs wants n positional arguments, and says which they are.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef(cmd.CommandPath()+" --help shows examples", "%s wants %s, got %d arguments", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

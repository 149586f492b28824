package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/servestat/servestat/cmd/servestat/access"
)

const tokenLong = `Make a bearer token for servestat serve. The token goes to stdout, once; a digest
of it, with what its bearer may do, goes into the access file, which is made where
there is none. A server that is running reads the file again. To take a token back,
remove its entry.

Scopes: upload (hand in results and events), read (runs and reports), sql (any
question), admin (the server's own figures, and everything else).

With --tenant, what the bearer hands in and sees is a lake of its own. Either all
callers have a tenant or none has.

The file may also list, besides tokens:, whose identity tokens count (oidc:, as
GitHub Actions gives them to a workflow), who signs webhooks (webhooks:), and which
buckets events may speak of (buckets:). The manual shows one.`

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token [flags] NAME",
		Short: "make a bearer token for serve",
		Long:  tokenLong,
		Example: `  servestat token --access access.yaml --scope upload nightly
  servestat token --access access.yaml --scope upload,read,sql --tenant team-a --valid 2160h alice`,
		Args: exactArgs(1, "a NAME, by which the audit log knows the bearer"),
		RunE: func(_ *cobra.Command, args []string) error { return a.token(args[0]) },
	}
	f := cmd.Flags()
	f.String("access", "", "file that says who may do what")
	f.StringSlice("scope", nil, "upload, read, sql, admin; several with commas")
	f.String("tenant", "", "whose lake the bearer's is")
	f.Duration("valid", 0, "how long the token is good for (default: until it is taken out of the file)")
	return cmd
}

func (a *app) token(name string) error {
	file := a.config.GetString("access")
	if file == "" {
		return usagef("servestat token --access access.yaml --scope upload "+name, "token wants --access, the file to write to")
	}
	text, t := access.NewToken()
	t.Name, t.Tenant = name, a.config.GetString("tenant")
	for _, s := range a.config.GetStringSlice("scope") {
		t.Scopes = append(t.Scopes, access.Scope(strings.TrimSpace(s)))
	}
	if len(t.Scopes) == 0 || slices.Contains(t.Scopes, "") {
		return usagef("--scope upload", "token wants --scope: what may its bearer do?")
	}
	valid := a.config.GetDuration("valid")
	if valid < 0 {
		return usagef("--valid 2160h", "--valid %v: want how long the token is good for", valid)
	}
	if valid > 0 {
		t.Expires = time.Now().Add(valid).UTC().Truncate(time.Second)
	}
	if err := access.AddToken(file, t); err != nil {
		return usagef("", "%w", err)
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

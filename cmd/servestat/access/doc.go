// Package access says who a caller is, what it may do, and whose lake is its own.
//
// A file lists those who may call: bearer tokens, of which it holds a digest and
// not the token; identity tokens of an issuer such as GitHub Actions (OIDC), with
// rules for their audience, subject and claims; and senders of webhooks, who sign
// what they send. Each is bound to scopes and to a tenant. Nothing that a caller
// says of itself besides its credential counts: no header names a tenant.
//
//	tokens:
//	  - name: nightly
//	    id: tq5w3k7c2a
//	    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//	    scopes: [upload]
//	    tenant: team-a
//	    expires: 2027-06-30T00:00:00Z
//	oidc:
//	  - name: actions
//	    issuer: https://token.actions.githubusercontent.com
//	    audience: servestat
//	    subject: "repo:acme/bench:*"
//	    claims: {ref: refs/heads/main}
//	    scopes: [upload]
//	    tenant: team-a
//	webhooks:
//	  - name: inbox
//	    secret_file: /run/secrets/inbox
//	    tenant: team-a
//	buckets:
//	  - {name: results, prefix: inbox/, folder: /srv/results, tenant: team-a}
//	  - {uri: "s3://lab/inbox", tenant: team-a}
//
// The file is read again when it changes, so that a token that is taken out of it
// is of no use a second later.
package access

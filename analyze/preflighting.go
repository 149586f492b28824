package analyze

import "github.com/servestat/servestat/analyze/preflight"

// A Preflight is what a server's log says of the server.
type Preflight = preflight.Report

// A PreflightFinding is something in a server's log that matters.
type PreflightFinding = preflight.Finding

// What becomes of servers that are fit to be measured.
const (
	ServerReady   = preflight.Ready
	ServerStopped = preflight.Stopped
)

// Severities of a finding.
const (
	PreflightFail = preflight.Fail
	PreflightWarn = preflight.Warn
	PreflightInfo = preflight.Info
)

package serve

import (
	_ "embed"
	"fmt"
	"net/http"

	"github.com/servestat/servestat/cmd/servestat/access"
)

// mostEvent is how long a message of events may be. SQS and Event Grid send up to
// 1 MiB.
const mostEvent = 1 << 20

// table is all that can be asked for. A test compares it with the OpenAPI document.
var table = []route{
	{pattern: "POST /v1/uploads", scope: access.Upload, do: (*Server).upload},
	{pattern: "PUT /v1/uploads/{name...}", scope: access.Upload, do: (*Server).upload}, // what curl -T does
	{pattern: "POST /v1/events", scope: access.Upload, do: (*Server).event, most: mostEvent},
	{pattern: "OPTIONS /v1/events", do: (*Server).consent},
	{pattern: "GET /v1/runs", scope: access.Read, do: (*Server).runs},
	{pattern: "GET /v1/reports/{$}", scope: access.Read, do: (*Server).index},
	{pattern: "GET /v1/reports/{kind}", scope: access.Read, do: (*Server).report},
	{pattern: "GET /v1/reports/{kind}/{of}", scope: access.Read, do: (*Server).report},
	{pattern: "POST /v1/sql", scope: access.SQL, do: (*Server).sql},
	{pattern: "GET /v1/openapi.yaml", do: (*Server).document},
	{pattern: "GET /healthz", do: (*Server).healthy},
	{pattern: "GET /readyz", do: (*Server).ready},
	{pattern: "GET /metrics", scope: access.Admin, do: (*Server).ownMetrics},
}

//go:embed openapi.yaml
var openapi []byte

func (s *Server) document(c *call) error {
	c.send(http.StatusOK, "application/yaml", openapi)
	return nil
}

func analysed(units, reused int) string { return fmt.Sprintf("%d units, %d reused", units, reused) }

package serve

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// NewTracer sends spans to where the environment says (OTEL_EXPORTER_OTLP_ENDPOINT
// and its relatives, over HTTP). Call stop at the end, or the last ones are lost.
func NewTracer(ctx context.Context, version string) (_ Tracer, stop func(), err error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, err
	}
	// What the environment says of this process counts more than what we do.
	of, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "servestat"), attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(of))
	stop = func() {
		const patience = 5 * time.Second // for a collector that is away
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_ = provider.Shutdown(ctx)
	}
	return &tracer{provider.Tracer("github.com/servestat/servestat")}, stop, nil
}

type tracer struct{ t oteltrace.Tracer }

func (t *tracer) Start(ctx context.Context, header http.Header, name string) (context.Context, func(int, error)) {
	kind := oteltrace.SpanKindInternal
	if header != nil {
		kind = oteltrace.SpanKindServer
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	}
	ctx, span := t.t.Start(ctx, name, oteltrace.WithSpanKind(kind))
	return ctx, func(status int, err error) {
		if status > 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if err != nil && (status == 0 || status >= http.StatusInternalServerError) {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

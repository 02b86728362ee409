# SPDX-License-Identifier: Apache-2.0
"""Takes spans and metrics by OTLP over HTTP in JSON, as a collector does, read by OpenTelemetry's own messages: collector.py PORT_FILE.
GET /spans answers what came: service, name, kind, trace, span and parent of each; GET /metrics the last report's points of each
component: service, instance, name, type, attributes and value, which of a histogram is the number of its values."""
import base64, http.server, json, os, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS, POINTS = [], {}


def hexadecimal(text):
    """OTLP writes ids in hexadecimal digits, where protobuf's own mapping has base64."""
    return base64.b64encode(bytes.fromhex(text)).decode()


def read(body):
    document = json.loads(body)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = hexadecimal(span[key])
    # Strict: an unknown field, or a value of another type, is an error.
    message = json_format.ParseDict(document, ExportTraceServiceRequest())
    for resource in message.resource_spans:
        attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            assert len(span.trace_id) == 16 and len(span.span_id) == 8, span
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
            SPANS.append({
                "service": attributes["service.name"], "name": span.name, "kind": span.kind, "trace": span.trace_id.hex(),
                "span": span.span_id.hex(), "parent": span.parent_span_id.hex()})


def read_metrics(body):
    for resource in json_format.ParseDict(json.loads(body), ExportMetricsServiceRequest()).resource_metrics:
        owner = {each.key: each.value.string_value for each in resource.resource.attributes}
        points = []
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            assert kind == "gauge" or data.aggregation_temporality == 2, metric
            assert kind != "sum" or data.is_monotonic, metric
            for point in data.data_points:
                assert 0 < point.start_time_unix_nano <= point.time_unix_nano, point
                if kind == "histogram":
                    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1, point
                    assert sum(point.bucket_counts) == point.count, point
                points.append({
                    "service": owner["service.name"], "instance": owner.get("service.instance.id", ""), "name": metric.name,
                    "type": kind, "attributes": {each.key: each.value.string_value for each in point.attributes},
                    "value": point.count if kind == "histogram" else point.as_double})
        POINTS[owner.get("service.instance.id", "")] = points


READERS = {"/v1/traces": read, "/v1/metrics": read_metrics}


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            assert self.headers["Content-Type"] == "application/json", self.headers
            READERS[self.path](body)
            self.answer(200, b"{}")
        except Exception as error:  # the test sees the status, and this text
            print(repr(error), file=sys.stderr, flush=True)
            self.answer(400, repr(error).encode())

    def do_GET(self):
        points = [point for each in list(POINTS.values()) for point in each]
        self.answer(200, json.dumps(SPANS if self.path == "/spans" else points).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()

// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Traces over all components, and their metrics, as a collector gets them.
    @Suite("Traces") struct TraceTests {
        /// A span as the collector has read it.
        private struct Span: Decodable {
            let service: String
            let name: String
            let kind: Int
            let trace: String
            let span: String
            let parent: String
        }

        /// A collector in a process of its own.
        private struct Collector {
            let process: RunningProcess
            let port: String

            init(in folder: URL) async throws {
                let script = DeploymentTests.repository.appending(
                    path: "Tests/Deployment/collector.py"
                )
                let python = DeploymentTests.repository.appending(path: ".build-venv/bin/python")
                let file = folder.appending(path: "collector.port")
                let process = try Command(python.path, [script.path, file.path]).start(
                    output: folder.appending(path: "collector.out"),
                    errors: folder.appending(path: "collector.log")
                )
                let port = try await FileWatch.content(of: file, within: .seconds(30)) {
                    !process.isRunning
                }
                self.process = process
                self.port = String(decoding: try #require(port), as: UTF8.self)
            }

            /// The points of the last reports once `isEnough` says so, or when time is up.
            func points(until isEnough: ([Point]) -> Bool) async throws -> [Point] {
                let end = ContinuousClock.now + .seconds(30)
                while true {
                    let answer = try await Command(
                        "curl",
                        ["-sSf", "http://127.0.0.1:\(port)/metrics"]
                    )
                    .run()
                    let all = try JSONDecoder().decode([Point].self, from: Data(answer.output.utf8))
                    if isEnough(all) || ContinuousClock.now > end { return all }
                }
            }

            /// The spans of `trace` once `isEnough` says so, or when time is up.
            func spans(of trace: String, until isEnough: ([Span]) -> Bool) async throws -> [Span] {
                let end = ContinuousClock.now + .seconds(30)
                while true {
                    let answer = try await Command(
                        "curl",
                        ["-sSf", "http://127.0.0.1:\(port)/spans"]
                    )
                    .run()
                    let all = try JSONDecoder().decode([Span].self, from: Data(answer.output.utf8))
                    let found = all.filter { $0.trace == trace }
                    if isEnough(found) || ContinuousClock.now > end { return found }
                }
            }
        }

        /// A point of a metric as the collector has read it.
        private struct Point: Decodable {
            let service: String
            let instance: String
            let name: String
            let type: String
            let attributes: [String: String]
            let value: Double
        }

        private static let caller = "00f067aa0ba902b7"

        private func curl(_ trace: String, _ arguments: [String]) async throws {
            let answer = try await Command(
                "curl",
                [
                    "-sS", "-f", "-o", "/dev/null", "-H",
                    "traceparent: 00-\(trace)-\(Self.caller)-01", "-H",
                    "X-Request-Id: test-\(trace)",
                ] + arguments
            ).run()
            #expect(answer.status == 0, "\(arguments): \(answer.errors)")
        }

        /// Every span is below another one, or below who asked.
        private func expectConnected(_ spans: [Span]) {
            let known = Set(spans.map(\.span)).union([Self.caller])
            for span in spans where !known.contains(span.parent) {
                Issue.record(
                    "\(span.service) \(span.name) is below \(span.parent), which is nobody"
                )
            }
        }

        @Test(
            "a pull and a tag are one trace each over all components and through the queue",
            .timeLimit(.minutes(3))
        )
        func connected() async throws {
            let folder = try TemporaryDirectory()
            let collector = try await Collector(in: folder.url)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [3 << 20],
                seed: 8
            )
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 1,
                launcher: [
                    "env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:\(collector.port)",
                    "OTEL_TRACES_SAMPLER=parentbased_always_off", HerdProcess.executable,
                ]
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/trace:v1")
            #expect(push.status == 0, "\(push.errors)")
            let pull = "4bf92f3577b34da6a3ce929d0e0e4736"
            let agent = try #require(herd.agentRegistries.first)
            let layer = try #require(image.layers.first)
            try await curl(pull, ["http://\(agent)/v2/demo/trace/blobs/\(layer)"])
            let expected: Set<String> = ["herd-agent", "herd-tracker", "herd-origin"]
            let pulled = try await collector.spans(of: pull) {
                expected.isSubset(of: $0.map(\.service))
                    && $0.contains { $0.name == "GET /v2/{name}/blobs/{digest}" }
            }
            #expect(expected.isSubset(of: pulled.map(\.service)))
            #expect(pulled.contains { $0.name == "swarm download" })
            #expect(pulled.contains { $0.name == "GET /v2/{name}/blobs/{digest}" })
            expectConnected(pulled)
            // The manifest once more, under another tag.
            let manifest = folder.url.appending(path: "manifest.json")
            try FileManager.default.copyItem(
                at: image.folder.appending(path: "blobs/sha256/\(image.manifest.dropFirst(7))"),
                to: manifest
            )
            let tag = "0af7651916cd43dd8448eb211c80319c"
            try await curl(
                tag,
                [
                    "-X", "PUT", "-H", "Content-Type: application/vnd.oci.image.manifest.v1+json",
                    "--data-binary", "@\(manifest.path)",
                    "http://\(herd.proxyRegistry)/v2/demo/trace/manifests/v2",
                ]
            )
            // Kind 5 consumes: what a queue does later.
            let tagged = try await collector.spans(of: tag) { spans in
                spans.contains { $0.kind == 5 } && spans.contains { $0.service == "herd-proxy" }
            }
            #expect(tagged.contains { $0.kind == 5 && $0.service == "herd-build-index" })
            expectConnected(tagged)
            // Nobody asked for the push itself to be recorded.
            #expect(try await herd.stop() == 0)
            collector.process.send(SIGKILL)
            _ = try await collector.process.waitForExit(within: .seconds(10))
            let complaints = folder.url.appending(path: "collector.log")
            #expect(try String(contentsOf: complaints, encoding: .utf8).isEmpty)
        }

        @Test(
            "metrics of all components reach the collector: counts, levels and distributions",
            .timeLimit(.minutes(3))
        )
        func metrics() async throws {
            let folder = try TemporaryDirectory()
            let collector = try await Collector(in: folder.url)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [2 << 20],
                seed: 9
            )
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 2,
                launcher: [
                    "env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:\(collector.port)",
                    "OTEL_TRACES_EXPORTER=none", "OTEL_METRIC_EXPORT_INTERVAL=300",
                    HerdProcess.executable,
                ]
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/metric:v1")
            #expect(push.status == 0, "\(push.errors)")
            let agent = try #require(herd.agentRegistries.first)
            let layer = try #require(image.layers.first)
            let (status, _) = try await Clients.curl(
                ["-o", "/dev/null", "http://\(agent)/v2/demo/metric/blobs/\(layer)"]
            )
            #expect(status == 200)
            let points = try await collector.points { points in
                points.contains {
                    $0.instance == "agent-0" && $0.name == "herd_blobs_completed" && $0.value >= 1
                }
            }
            let services = Set(points.map(\.service))
            for kind in ["agent", "origin", "tracker", "build-index", "proxy"] {
                #expect(services.contains("herd-\(kind)"), "\(services)")
            }
            #expect(Set(points.map(\.type)) == ["sum", "gauge", "histogram"])
            let healthy = points.filter { $0.name == "herd_healthy" }
            #expect(healthy.count == 8 && healthy.allSatisfy { $0.value == 1 })
            let requests = points.filter {
                $0.instance == "agent-0" && $0.type == "histogram"
                    && $0.attributes["route"] == "/v2/{name}/blobs/{digest}"
            }
            #expect(
                requests.contains { $0.value >= 1 },
                "\(points.filter { $0.type == "histogram" })"
            )
            #expect(try await herd.stop() == 0)
            collector.process.send(SIGKILL)
            _ = try await collector.process.waitForExit(within: .seconds(10))
            let complaints = try String(
                contentsOf: folder.url.appending(path: "collector.log"),
                encoding: .utf8
            )
            #expect(complaints.isEmpty, "\(complaints)")
        }
    }
}

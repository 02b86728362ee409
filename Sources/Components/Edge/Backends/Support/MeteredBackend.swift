// SPDX-License-Identifier: Apache-2.0

import Content
import NIOCore
import Synchronization
import Telemetry
import Tracing

/// A backend whose calls are measured: how many, how they end, how long they take, and the bytes they move.
struct MeteredBackend: Backend {
    private let base: any Backend
    private let measures: BackendMeasures

    var name: String { base.name }

    /// `base`, measured by `measures`.
    init(_ base: any Backend, _ measures: BackendMeasures) {
        (self.base, self.measures) = (base, measures)
    }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        try await measure(.stat) { try await base.stat(name, namespace: namespace) }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        try await measure(.download) {
            try await base.download(name, namespace: namespace) { part in
                measures.add(part.readableBytes, .download)
                try await write(part)
            }
        }
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        try await measure(.upload) {
            try await base.upload(name, namespace: namespace, from: source)
            measures.add(source.count, .upload)
        }
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        try await measure(.delete) { try await base.delete(name, namespace: namespace) }
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        try await measure(.list) { try await base.list(request) }
    }

    func lists(_ first: String, before second: String) -> Bool { base.lists(first, before: second) }

    func close() async { await base.close() }

    private func measure<Value>(
        _ operation: BackendMeasures.Operation,
        _ body: () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        do {
            let value = try await withSpan("backend \(operation.rawValue)", ofKind: .client) {
                span in
                if span.isRecording { span.attributes["backend.name"] = name }
                return try await body()
            }
            measures.note(operation, .ok, took: .now - start)
            return value
        } catch {
            measures.note(operation, BackendMeasures.Outcome(error), took: .now - start)
            throw error
        }
    }
}

/// The measures of one backend of a component.
package final class BackendMeasures: Sendable {
    /// What a backend is asked for.
    enum Operation: String, Hashable, Sendable {
        case stat, download, upload, delete, list
    }

    /// How a call ended.
    enum Outcome: String, Hashable, Sendable {
        case ok
        case missing = "not_found"
        case unavailable, failed, cancelled

        init(_ error: any Error) {
            self =
                switch error {
                case is CancellationError: .cancelled
                case let error as BackendError:
                    switch error.code {
                    case .notFound: .missing
                    case .unavailable, .rateLimited: .unavailable
                    default: .failed
                    }
                default: .failed
                }
        }
    }

    private struct Key: Hashable {
        let operation: Operation
        let outcome: Outcome
    }
    private let component: String
    private let backend: String
    private let registry: PrometheusRegistry
    private let recorders = Mutex<[Key: MetricRecorder]>([:])
    private let bytes: (up: MetricCounter, down: MetricCounter)

    /// The measures of `backend` as `component` uses it, in `registry`.
    init(of backend: String, component: String, in registry: PrometheusRegistry) {
        (self.backend, self.component, self.registry) = (backend, component, registry)
        func counter(_ direction: String) -> MetricCounter {
            MetricCounter(
                "herd_backend_bytes",
                component: component,
                labels: [("backend", backend), ("direction", direction)],
                registry: registry
            )
        }
        bytes = (counter("upload"), counter("download"))
    }

    func add(_ count: Int, _ operation: Operation) {
        (operation == .upload ? bytes.up : bytes.down).add(count)
    }

    func note(_ operation: Operation, _ outcome: Outcome, took duration: Duration) {
        let key = Key(operation: operation, outcome: outcome)
        let recorder = recorders.withLock { recorders in
            if let known = recorders[key] { return known }
            let fresh = MetricRecorder(
                secondsOf: "herd_backend_request",
                component: component,
                labels: [
                    ("backend", backend), ("operation", operation.rawValue),
                    ("outcome", outcome.rawValue),
                ],
                registry: registry
            )
            recorders[key] = fresh
            return fresh
        }
        recorder.record(duration)
    }
}

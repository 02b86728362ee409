// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Synchronization

/// What HDFS says of a file or directory.
struct HDFSStatus: Hashable, Sendable {
    /// Its last segment; empty when it was asked for by its path.
    let name: String
    let bytes: Int
    let isDirectory: Bool

    /// Reads a `FileStatus`.
    init?(_ json: JSON) {
        guard let type = json["type"]?.string, let bytes = json["length"]?.integer else {
            return nil
        }
        (name, self.bytes) = (json["pathSuffix"]?.string ?? "", bytes)
        isDirectory = type == "DIRECTORY"
    }
}

/// The name nodes of one HDFS, of which one is active: asks that one, and finds it when it changes.
final class NameNodes: Sendable {
    let transport: BackendTransport
    private let settings: HDFSSettings
    /// The index of the node that answered last.
    private let active = Mutex(0)

    /// The nodes that `settings` name.
    init(_ settings: HDFSSettings, context: BackendContext) {
        self.settings = settings
        var once = settings.transport
        // A node that fails has others beside it; where there is one, it is asked again.
        if settings.nameNodes.count > 1 { once.retry.attemptsMax = 1 }
        transport = BackendTransport(
            backend: "hdfs://\(settings.nameNodes.joined(separator: ","))\(settings.root)",
            context,
            once,
            remedy: "check that a name node is active and WebHDFS is enabled",
            hops: .redirects
        )
    }

    /// What `path` is; nil when there is nothing.
    func status(_ path: String, _ what: String) async throws -> HDFSStatus? {
        do {
            let body = try await ask(.get, path, "GETFILESTATUS", what: what)
            return body["FileStatus"].flatMap(HDFSStatus.init)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    /// What is in the directory `path`; nothing when it is missing.
    func list(_ path: String, _ what: String) async throws -> [HDFSStatus] {
        do {
            let body = try await ask(.get, path, "LISTSTATUS", what: what)
            let entries = body["FileStatuses"]?["FileStatus"]?.array ?? []
            return entries.compactMap(HDFSStatus.init).filter { !$0.name.isEmpty }
        } catch let error as BackendError where error.code == .notFound { return [] }
    }

    /// Makes the directory `path` with those above it.
    func makeDirectory(_ path: String, _ what: String) async throws {
        let body = try await ask(.put, path, "MKDIRS", ["permission": "777"], what: what)
        guard body["boolean"]?.bool == true else {
            throw BackendError(
                .failed,
                what: "\(what) in \(transport.backend)",
                why: "no directory"
            )
        }
    }

    /// Gives `path` the name `target`; false when it has gone, or the target exists.
    func rename(_ path: String, to target: String, _ what: String) async throws -> Bool {
        do {
            let body = try await ask(.put, path, "RENAME", ["destination": target], what: what)
            return body["boolean"]?.bool == true
        } catch let error as BackendError where error.code == .notFound { return false }
    }

    /// Removes the file `path`, if it is there.
    func delete(_ path: String, _ what: String) async throws {
        _ = try await ask(.delete, path, "DELETE", what: what)
    }

    /// Passes the bytes of `path` on.
    func download(
        _ path: String,
        _ what: String,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        var taken = 0
        try await onActive { node in
            // Another node goes on where the first has failed; whole objects are checked by who takes them.
            let begin = taken
            try await transport.download(what, resumesByRange: false) { offset, _ in
                ClientRequest(
                    .get,
                    url(node, path, "OPEN", ["offset": "\(begin + offset)"]),
                    timeout: TransportSettings.downloadTimeout,
                    isBulk: true
                )
            } into: {
                try await write($0)
                taken += $0.readableBytes
            }
        }
    }

    /// Makes `path` hold the bytes of `source`.
    func create(_ path: String, _ source: BackendSource, _ what: String) async throws {
        try await onActive { node in
            // The name node says which data node takes the bytes, and wants none itself.
            let (redirect, _) = try await plain.collect(what, upTo: 1 << 20) {
                ClientRequest(
                    .put,
                    url(node, path, "CREATE", ["overwrite": "true"]),
                    timeout: transport.settings.timeout,
                    acceptedStatuses: [307]
                )
            }
            guard let place = redirect.headers[.location] else {
                throw BackendError(
                    .failed,
                    what: "\(what) in \(transport.backend)",
                    why: "the name node did not say where to"
                )
            }
            _ = try await plain.collect(what, upTo: 1 << 20) {
                ClientRequest(
                    .put,
                    place,
                    headers: [.contentType: "application/octet-stream"],
                    body: source.body(source.range, transport.context),
                    timeout: transport.settings.timeout(sending: source.count),
                    acceptedStatuses: [200, 201]
                )
            }
        }
    }

    // MARK: - Asking

    /// The same way, without following redirects.
    private var plain: BackendTransport {
        BackendTransport(
            backend: transport.backend,
            transport.context,
            transport.settings,
            remedy: transport.remedy
        )
    }

    private func ask(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ operation: String,
        _ arguments: [String: String] = [:],
        what: String
    ) async throws -> JSON {
        try await onActive { node in
            let (_, body) = try await transport.collect(what) {
                ClientRequest(
                    method,
                    url(node, path, operation, arguments),
                    timeout: transport.settings.timeout
                )
            }
            do { return try JSON(parsing: body.readableBytesView) } catch {
                throw BackendError(
                    .failed,
                    what: "\(what) in \(transport.backend)",
                    why: "\(error)"
                )
            }
        }
    }

    /// Runs `body` with the node that answered last, and with the others in turn while they are not active or cannot be
    /// reached.
    private func onActive<Value>(
        _ body: (_ node: String) async throws -> Value
    ) async throws -> Value {
        let count = settings.nameNodes.count
        let first = active.withLock { $0 }
        var last: BackendError?
        for index in (0..<count).map({ (first + $0) % count }) {
            do {
                let value = try await body(settings.nameNodes[index])
                active.withLock { $0 = index }
                return value
            } catch let error as BackendError
                where error.code == .unavailable || error.why.hasPrefix("status 403")
            {
                last = error
            }
        }
        throw last
            ?? BackendError(.unavailable, what: "ask \(transport.backend)", why: "no name node")
    }

    private func url(
        _ node: String,
        _ path: String,
        _ operation: String,
        _ arguments: [String: String] = [:]
    ) -> String {
        let escaped = path.split(separator: "/").map { "/" + PercentCoding.encode($0) }.joined()
        var query = ["op=\(operation)"]
        if !settings.username.isEmpty {
            query.append("user.name=\(PercentCoding.encode(settings.username))")
        }
        query += arguments.sorted { $0.key < $1.key }.map { key, value in
            "\(key)=\(PercentCoding.encode(value))"
        }
        return "http://\(node)/webhdfs/v1\(escaped)?\(query.joined(separator: "&"))"
    }
}

// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import Glibc
import Synchronization
import Telemetry

/// What a ready herd tells scripts: its process and every component's addresses.
struct ReadyFile: Hashable, Sendable {
    /// One component.
    struct Component: Hashable, Sendable {
        /// What it is.
        let kind: String
        /// Its name.
        let id: String
        /// Where it listens, by socket name.
        let addresses: [String: String]
    }

    /// The version of the document.
    static let version = 1
    /// Bytes of the largest file that is read.
    static let bytesMax = 4 << 20
    /// The herd's process.
    let pid: Int
    /// Every component.
    let components: [Component]
    /// How to ask them over TLS; nil: they speak plain HTTP.
    let transport: TransportSettings?

    /// The document of the herd planned in `plan`, which is this process and is asked by `transport`.
    init(_ plan: ClusterPlan, transport: TransportSettings? = nil) {
        pid = Int(getpid())
        self.transport = transport
        components = plan.components.map {
            Component(kind: $0.kind.rawValue, id: $0.id, addresses: $0.addresses)
        }
    }

    init(pid: Int, components: [Component], transport: TransportSettings? = nil) {
        (self.pid, self.components, self.transport) = (pid, components, transport)
    }

    /// The document in `path`; nil when there is none or it is not ours to read.
    static func read(_ path: String) -> ReadyFile? {
        // An unreadable file says as little as an absent one: both mean that no herd is known here.
        guard let bytes = try? AtomicFile.read(path, bytesMax: bytesMax) else { return nil }
        // The same holds for a file that somebody else wrote.
        guard let document = try? JSON(parsing: bytes) else { return nil }
        return ReadyFile(document)
    }

    /// The document in `json`; nil when it is of another kind.
    init?(_ json: JSON) {
        guard let pid = json["pid"]?.integer, let rows = json["components"]?.array else {
            return nil
        }
        self.pid = pid
        transport = json["tls"].flatMap(Self.transport)
        components = rows.compactMap { row in
            guard let kind = row["kind"]?.string, let id = row["id"]?.string,
                let members = row["addresses"]?.members
            else { return nil }
            let pairs = members.compactMap { member in member.value.string.map { (member.key, $0) }
            }
            return Component(
                kind: kind,
                id: id,
                addresses: Dictionary(pairs, uniquingKeysWith: { $1 })
            )
        }
    }

    /// The document as JSON.
    var json: JSON {
        var members: [JSON.Member] = [
            .init("version", .integer(Self.version)), .init("pid", .integer(pid)),
            .init("components", .array(components.map(Self.json))),
        ]
        if let transport { members.append(.init("tls", Self.json(transport))) }
        return .object(members)
    }

    private static func json(_ transport: TransportSettings) -> JSON {
        var members = transport.authorities.first.map { [JSON.Member("ca", .string($0))] } ?? []
        if let client = transport.client {
            members.append(.init("cert", .string(client.certificate)))
            members.append(.init("key", .string(client.key)))
        }
        return .object(members)
    }

    private static func transport(_ json: JSON) -> TransportSettings? {
        guard let authority = json["ca"]?.string else { return nil }
        var settings = TransportSettings()
        (settings.isClientSecure, settings.authorities) = (true, [authority])
        if let certificate = json["cert"]?.string, let key = json["key"]?.string {
            settings.client = .init(certificate: certificate, key: key)
        }
        return settings
    }

    private static func json(_ component: Component) -> JSON {
        let addresses = component.addresses.sorted { $0.key < $1.key }
        return .object([
            .init("kind", .string(component.kind)), .init("id", .string(component.id)),
            .init("addresses", .object(addresses.map { .init($0.key, .string($0.value)) })),
        ])
    }

    /// Writes the document to `path`: whoever sees the file sees all of it.
    func write(to path: String) throws {
        do {
            try AtomicFile.write(json.utf8 + [UInt8(ascii: "\n")], to: path, durable: false)
        } catch {
            throw Failure("cannot write \(path)", why: "\(error)")
        }
    }
}

/// The files that say that a herd is ready; they exist exactly while it is.
final class ReadyFiles: Sendable {
    private struct State {
        var mayWrite = true
    }
    private let paths: [String]
    private let state = Mutex(State())

    /// The files at `paths`, not written yet.
    init(_ paths: [String]) { self.paths = paths }

    /// Writes `document` to all of them, unless a stop has come in between.
    func write(_ document: ReadyFile) throws {
        try state.withLock { state in
            guard state.mayWrite else { return }
            for path in paths { try document.write(to: path) }
        }
    }

    /// Removes them; nothing writes them again once `isFinal`.
    func remove(isFinal: Bool = true) {
        state.withLock { state in
            if isFinal { state.mayWrite = false }
            for path in paths { unlink(path) }
        }
    }
}

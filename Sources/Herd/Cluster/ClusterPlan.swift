// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Primitives
import ServiceLifecycle
import Telemetry

/// One component before it starts: who it is, where it listens, where it writes.
struct PlannedComponent: Sendable {
    /// What it is.
    let kind: ComponentKind
    /// Its position among its kind, from 0.
    let index: Int
    /// Where it listens, by socket name.
    let sockets: [String: Endpoint]
    /// Where it writes.
    let directory: String

    /// Its name in the cluster: `agent-0`.
    var id: String { "\(kind.rawValue)-\(index)" }

    /// Where others reach its socket `name`, `host:port`: never a wildcard address.
    func address(_ name: String) -> String {
        guard let endpoint = sockets[name] else { return "" }
        return Endpoint(host: dialedHost, port: endpoint.port).description
    }

    /// The address that others dial: the one it listens on, unless that is a wildcard.
    var dialedHost: String {
        let host = sockets["http"]?.host ?? "127.0.0.1"
        return ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
    }

    /// Who it is among peers; nil when it is none.
    var peerID: PeerID? {
        sockets["peer"].map { PeerID(hashOfAddress: dialedHost, port: $0.port) }
    }

    /// The addresses of all its sockets.
    var addresses: [String: String] {
        Dictionary(uniqueKeysWithValues: sockets.keys.map { ($0, address($0)) })
    }
}

/// The whole cluster before it starts: every component with its ports, which are reserved.
struct ClusterPlan: Sendable {
    /// What was asked for.
    let options: ClusterOptions
    /// Every component, in the order of their start.
    let components: [PlannedComponent]
    /// What keeps the ports ours while the herd runs.
    private let reservations: [PortReservation]

    /// Plans the cluster and reserves its ports; `dataDirectory` is absolute.
    /// - Throws: ``Failure`` naming the component and the port that cannot be had.
    init(options: ClusterOptions, dataDirectory: String) throws(Failure) {
        var components: [PlannedComponent] = []
        var ports = PortPlan(options: options)
        for kind in ComponentKind.startOrder {
            for index in 0..<options.count(kind) {
                components.append(
                    PlannedComponent(
                        kind: kind,
                        index: index,
                        sockets: try ports.reserve(kind, index),
                        directory: "\(dataDirectory)/\(kind.rawValue)-\(index)"
                    )
                )
            }
        }
        (self.options, self.components) = (options, components)
        reservations = try ports.reservations()
    }

    /// The components of `kind`.
    func components(_ kind: ComponentKind) -> [PlannedComponent] {
        components.filter { $0.kind == kind }
    }

    /// The addresses of the socket `name` of every component of `kind`.
    func addresses(_ kind: ComponentKind, _ name: String) -> [String] {
        components(kind).map { $0.address(name) }
    }
}

/// Reserves the ports of a cluster, and remembers which could not be had.
private struct PortPlan {
    private let options: ClusterOptions
    private var reserved: [PortReservation] = []
    private var taken: [(id: String, name: String, endpoint: Endpoint)] = []
    /// How many ports in use are named in a message.
    private static let namedMax = 8

    init(options: ClusterOptions) { self.options = options }

    /// The sockets of the `index`-th component of `kind`.
    /// - Throws: ``Failure`` when a port cannot be had for another reason than that somebody has it.
    mutating func reserve(_ kind: ComponentKind, _ index: Int) throws(Failure) -> [String: Endpoint]
    {
        let id = "\(kind.rawValue)-\(index)"
        var sockets: [String: Endpoint] = [:]
        for name in kind.socketNames {
            let port =
                options.usesEphemeralPorts
                ? 0 : kind.port(name, index: index, base: options.basePort)
            guard (0...65535).contains(port) else {
                throw Failure(
                    "\(id) cannot listen",
                    why: "its \(name) port would be \(port), and ports end at 65535",
                    remedy: "choose a lower --base-port, fewer components, or --ephemeral-ports"
                )
            }
            let endpoint = Endpoint(host: options.host, port: port)
            do {
                let reservation = try PortReservation(endpoint)
                reserved.append(reservation)
                sockets[name] = reservation.endpoint
            } catch {
                guard error.isInUse else {
                    throw Failure(
                        "\(id) cannot have its \(name) port",
                        why: "\(endpoint): \(error.why)",
                        remedy: error.remedy
                    )
                }
                taken.append((id, name, endpoint))
            }
        }
        return sockets
    }

    /// What keeps the ports ours.
    /// - Throws: ``Failure`` naming the components whose ports somebody else has.
    func reservations() throws(Failure) -> [PortReservation] {
        guard !taken.isEmpty else { return reserved }
        var rows = taken.prefix(Self.namedMax).map { id, name, endpoint in
            "\(id) (\(name)): port \(endpoint.port) on \(endpoint.host) is in use"
        }
        if taken.count > rows.count { rows.append("and \(taken.count - rows.count) more") }
        throw Failure(
            "cannot start",
            why: rows.joined(separator: "\n  "),
            remedy: "stop what listens there, choose another --base-port, or use --ephemeral-ports"
        )
    }
}

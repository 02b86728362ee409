// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Telemetry
import Testing

@testable import Herd

@Suite("Cluster plan") struct ClusterPlanTests {
    private var ephemeral: ClusterOptions {
        var options = ClusterOptions()
        options.usesEphemeralPorts = true
        return options
    }

    @Test("fixed ports are those of Kraken's devcluster")
    func fixedPorts() {
        #expect(ComponentKind.proxy.port("registry", index: 0, base: 15000) == 15000)
        #expect(ComponentKind.origin.port("peer", index: 0, base: 15000) == 15001)
        #expect(ComponentKind.origin.port("http", index: 0, base: 15000) == 15002)
        #expect(ComponentKind.tracker.port("http", index: 0, base: 15000) == 15003)
        #expect(ComponentKind.buildIndex.port("http", index: 0, base: 15000) == 15004)
        #expect(ComponentKind.proxy.port("http", index: 0, base: 15000) == 15005)
        #expect(ComponentKind.testfs.port("http", index: 0, base: 15000) == 14000)
        #expect(ComponentKind.agent.port("registry", index: 1, base: 15000) == 16010)
        #expect(ComponentKind.agent.port("peer", index: 0, base: 15000) == 16001)
        #expect(ComponentKind.agent.port("http", index: 0, base: 15000) == 16002)
    }

    @Test("a hundred of each central kind and a thousand agents have ports of their own")
    func noClash() {
        var ports: [Int] = []
        for kind in ComponentKind.allCases {
            let count = kind == .agent ? 1000 : kind == .testfs ? 1 : 100
            for index in 0..<count {
                ports += kind.socketNames.map { kind.port($0, index: index, base: 15000) }
            }
        }
        #expect(Set(ports).count == ports.count)
        #expect(ports.allSatisfy { (1...65535).contains($0) })
    }

    @Test("free ports are all different, and every component knows the others' addresses")
    func ephemeralPorts() throws {
        let plan = try ClusterPlan(options: ephemeral, dataDirectory: "/data")
        let addresses = plan.components.flatMap { $0.addresses.values }
        #expect(Set(addresses).count == 3 * 3 + 3 * 2 + 1 + 1 + 2)
        #expect(addresses.count == Set(addresses).count)
        #expect(plan.components.map(\.id).first == "origin-0")
        #expect(plan.components.map(\.id).last == "agent-2")
        #expect(plan.components(.agent)[1].directory == "/data/agent-1")
    }

    @Test("a port in use is named with its component, and --ephemeral-ports suggested")
    func portInUse() throws {
        let listener = try Listener(port: 0)
        var options = ClusterOptions()
        options.basePort = listener.port - 3
        let failure = #expect(throws: Failure.self) {
            try ClusterPlan(options: options, dataDirectory: "/data")
        }
        let text = failure?.description ?? ""
        #expect(text.contains("tracker-0"), "\(text)")
        #expect(text.contains("port \(listener.port)"), "\(text)")
        #expect(text.contains("--ephemeral-ports"), "\(text)")
    }

    @Test("ports that would lie beyond the last one are refused")
    func beyondPorts() {
        var options = ClusterOptions()
        options.basePort = 65_000
        let failure = #expect(throws: Failure.self) {
            try ClusterPlan(options: options, dataDirectory: "/data")
        }
        #expect(failure?.why.contains("ports end at 65535") == true)
    }

    @Test("a reserved port can be listened on by its owner, again and again")
    func reservation() throws {
        let reservation = try PortReservation(Endpoint(host: "127.0.0.1", port: 0))
        for _ in 0..<3 {
            let listener = try Listener(port: reservation.endpoint.port)
            #expect(listener.port == reservation.endpoint.port)
        }
        // Whoever asks for any port does not get a reserved one.
        let others = try (0..<50).map { _ in try Listener(port: 0) }
        #expect(!others.map(\.port).contains(reservation.endpoint.port))
    }

    @Test("a host that is none of ours is refused with a hint")
    func foreignHost() {
        var options = ephemeral
        options.host = "192.0.2.1"
        let failure = #expect(throws: Failure.self) {
            try ClusterPlan(options: options, dataDirectory: "/data")
        }
        #expect(failure?.remedy == "check --host")
    }

    @Test("on a wildcard address, components name a loopback address to each other")
    func wildcard() throws {
        var options = ephemeral
        options.host = "0.0.0.0"
        let plan = try ClusterPlan(options: options, dataDirectory: "/data")
        #expect(plan.addresses(.tracker, "http").allSatisfy { $0.hasPrefix("127.0.0.1:") })
        #expect(plan.components(.tracker)[0].sockets["http"]?.host == "0.0.0.0")
    }

    @Test("--backend must be a URL that can be used")
    func backend() throws {
        var options = ephemeral
        options.backend = "s3://bucket"
        let plan = try ClusterPlan(options: options, dataDirectory: "/data")
        #expect(throws: Failure.self) { try ComponentFactory(plan: plan, dataDirectory: "/data") }
        options.backend = "testfs"
        let own = try ClusterPlan(options: options, dataDirectory: "/data")
        let factory = try ComponentFactory(plan: own, dataDirectory: "/data")
        let address = try #require(own.addresses(.testfs, "http").first)
        #expect(
            factory.blobBackend == .testfs(address: address, root: "", namePath: .shardedDockerBlob)
        )
        #expect(factory.tagBackend == .testfs(address: address, root: "", namePath: .dockerTag))
    }
}

/// A real listening socket.
final class Listener {
    let port: Int
    private let descriptor: CInt

    /// Listens on `port` of 127.0.0.1; 0 means any.
    init(port: Int) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard bind(descriptor, generic, length) == 0, listen(descriptor, 8) == 0 else {
                    return false
                }
                return getsockname(descriptor, generic, &length) == 0
            }
        }
        guard result else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}

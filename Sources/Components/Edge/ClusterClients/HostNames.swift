// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Files
import Glibc
package import HTTPKit
import NIOCore
import Primitives

/// Hosts in a configuration: `host:port`, or `dns:name:port` for every address that `name` has at the time.
/// - Source: uber/kraken lib/hostlist.
package enum HostNames {
    private static let prefix = "dns:"

    /// Whether any of `entries` has to be looked up.
    package static func needLookUp(_ entries: [String]) -> Bool {
        entries.contains { $0.hasPrefix(prefix) }
    }

    /// `entry` as clients that know no such entries connect to it: `name:port`.
    package static func plain(_ entry: String) -> String {
        entry.hasPrefix(prefix) ? String(entry.dropFirst(prefix.count)) : entry
    }

    /// Whether `host`, `address:port`, is `port` of this machine.
    package static func isLocal(_ host: String, port: Int) -> Bool {
        guard host.hasSuffix(":\(port)") else { return false }
        let name = host.dropLast("\(port)".utf8.count + 1)
        let address = name.hasPrefix("[") ? name.dropFirst().dropLast() : name
        do {
            return try System.enumerateDevices().contains {
                $0.address?.ipAddress == String(address)
            }
        } catch {
            // Without a list of interfaces nobody can tell; an address that is not ours is the safe answer.
            return false
        }
    }

    /// The hosts that `entries` stand for, sorted, each once.
    /// - Throws: ``ClusterError`` `.noHosts` when a name has no address or can't be looked up.
    package static func lookUp(_ entries: [String], pool: BlockingPool) async throws -> [String] {
        try await pool.run {
            var hosts: Set<String> = []
            for entry in entries {
                if entry.hasPrefix(prefix) {
                    hosts.formUnion(try addresses(of: plain(entry)))
                } else {
                    hosts.insert(entry)
                }
            }
            return hosts.sorted()
        }
    }

    /// The addresses behind `name:port`, each with the port.
    private static func addresses(of entry: String) throws -> [String] {
        guard let colon = entry.lastIndex(of: ":") else {
            throw failure(entry, "it has no port")
        }
        let (host, port) = (entry[..<colon], entry[entry.index(after: colon)...])
        let name = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host)
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &found)
        defer { if let found { freeaddrinfo(found) } }
        guard code == 0 else { throw failure(entry, String(cString: gai_strerror(code))) }
        var hosts: [String] = []
        var next = found
        while let info = next {
            next = info.pointee.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let named = getnameinfo(
                info.pointee.ai_addr,
                info.pointee.ai_addrlen,
                &text,
                socklen_t(text.count),
                nil,
                0,
                NI_NUMERICHOST
            )
            guard named == 0 else { continue }
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            let host = String(decoding: bytes, as: UTF8.self)
            hosts.append(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
        }
        guard !hosts.isEmpty else { throw failure(entry, "it has no address") }
        return hosts
    }

    private static func failure(_ entry: String, _ why: String) -> ClusterError {
        ClusterError(
            .noHosts,
            what: "look up \(entry)",
            why: why,
            remedy: "check the name in the configuration, and the name servers"
        )
    }
}

extension HostList {
    /// The list of `entries`, looked up by the component in `environment` as ``HostNames`` says: at the first use, and again
    /// when what is known is older than `checks` say.
    package convenience init(
        _ entries: [String],
        _ environment: ComponentEnvironment,
        checks: HostChecks? = nil
    ) {
        let pool = environment.pool
        let resolve: @Sendable (_ entries: [String]) async throws -> [String] = { entries in
            try await HostNames.lookUp(entries, pool: pool)
        }
        let isNamed = HostNames.needLookUp(entries)
        let own: Resolve = { try await resolve(entries) }
        self.init(
            isNamed ? [] : entries,
            policy: HostListPolicy(checks ?? HostChecks()),
            resolve: isNamed ? own : nil,
            resolveEntries: resolve,
            reporter: LookUpReporter(log: environment.log, counters: environment.counters)
        )
    }
}

extension HostListPolicy {
    fileprivate init(_ checks: HostChecks) {
        self.init(
            failuresMax: checks.failsMax,
            failureWindow: checks.failTimeout,
            timeToLive: checks.timeToLive
        )
    }
}

extension ProbePolicy {
    /// How `checks` want hosts to be probed; nil when they are not to be.
    package init?(_ checks: HostChecks?) {
        let checks = checks ?? HostChecks()
        guard checks.isProbed else { return nil }
        self.init()
        (interval, timeout) = (checks.probeInterval, checks.probeTimeout)
        (failsMax, passesMin) = (checks.probeFailsMax, checks.probePassesMin)
    }
}

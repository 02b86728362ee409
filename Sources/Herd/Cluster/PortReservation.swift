// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Glibc

/// A TCP port that is ours: a socket is bound to it, but does not listen.
///
/// Linux lets a second socket bind the port and listen as long as both set SO_REUSEADDR and the first does not listen, and
/// hands the port to nobody who asks for any free one. So a component that starts later, or again, finds its port free.
final class PortReservation: Sendable {
    /// The address.
    let endpoint: Endpoint
    private let descriptor: CInt

    /// Reserves `endpoint`; port 0 reserves any free port.
    /// - Throws: ``PortError``.
    init(_ endpoint: Endpoint) throws(PortError) {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(endpoint.host, "\(endpoint.port)", &hints, &found)
        guard code == 0, let first = found else {
            throw PortError(
                endpoint: endpoint,
                isInUse: false,
                why: String(cString: gai_strerror(code))
            )
        }
        defer { freeaddrinfo(first) }
        let type = first.pointee.ai_socktype | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(first.pointee.ai_family, type, 0)
        guard descriptor >= 0 else { throw PortError(endpoint: endpoint, errno: errno) }
        var yes: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        guard setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size) == 0,
            bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0,
            let port = Self.port(of: descriptor)
        else {
            let code = errno
            close(descriptor)
            throw PortError(endpoint: endpoint, errno: code)
        }
        self.descriptor = descriptor
        self.endpoint = Endpoint(host: endpoint.host, port: port)
    }

    deinit { close(descriptor) }

    /// The port the socket is bound to.
    private static func port(of descriptor: CInt) -> Int? {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard getsockname(descriptor, generic, &length) == 0 else { return nil }
                // The port lies at the same place, in network order, in IPv4 and IPv6 addresses.
                return generic.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    Int(UInt16(bigEndian: $0.pointee.sin_port))
                }
            }
        }
    }
}

/// A port that could not be reserved.
struct PortError: Error, Hashable {
    /// The address.
    let endpoint: Endpoint
    /// Whether somebody else has it.
    let isInUse: Bool
    /// The system's words for it.
    let why: String
    /// What to do when nobody else has it.
    let remedy: String

    init(endpoint: Endpoint, isInUse: Bool, why: String, remedy: String = "check --host") {
        (self.endpoint, self.isInUse) = (endpoint, isInUse)
        (self.why, self.remedy) = (why, remedy)
    }

    init(endpoint: Endpoint, errno code: CInt) {
        self.init(
            endpoint: endpoint,
            isInUse: code == EADDRINUSE,
            why: String(cString: strerror(code)),
            remedy: code == EMFILE ? "raise the limit of open files (ulimit -n)" : "check --host"
        )
    }
}

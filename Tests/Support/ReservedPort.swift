// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Ports of the loopback that belong to this process until it ends.
///
/// A socket is bound to each, but does not listen: whoever connects is refused, nobody who asks for any free port gets it,
/// and a server of a test may listen there, because both set SO_REUSEADDR. So no other program takes a port between the
/// moment in which a test chooses it and the moment in which its server starts, or restarts.
package enum ReservedPort {
    private static let sockets = Mutex<[CInt]>([])

    /// A port that nobody listens on.
    package static func make() throws -> Int {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        sockets.withLock { $0.append(descriptor) }
        var (yes, length) = (CInt(1), socklen_t(MemoryLayout<sockaddr_in>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                setsockopt(
                    descriptor,
                    SOL_SOCKET,
                    SO_REUSEADDR,
                    &yes,
                    socklen_t(MemoryLayout<CInt>.size)
                ) == 0 && bind(descriptor, $0, length) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw ReservationFailure(code: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// Why no port could be reserved.
package struct ReservationFailure: Error {
    let code: CInt
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A plain TCP connection that sends whatever it is told, for what no well-behaved client sends.
struct RawConnection: ~Copyable {
    private let descriptor: Int32

    /// Connects to `address`, an IPv4 `host:port`.
    init(to address: String) throws {
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else {
            throw CommandFailure(description: "no address: \(address)")
        }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        inet_pton(AF_INET, String(parts[0]), &target.sin_addr)
        let connected = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, connected == 0 else {
            throw CommandFailure(description: "connect \(address): errno \(errno)")
        }
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 15, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(
                descriptor,
                SOL_SOCKET,
                option,
                &limit,
                socklen_t(MemoryLayout<timeval>.size)
            )
        }
    }

    deinit { close(descriptor) }

    /// Sends `bytes`; answers whether the other side took them all.
    borrowing func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor,
                    buffer.baseAddress?.advanced(by: sent),
                    bytes.count - sent,
                    Int32(MSG_NOSIGNAL)
                )
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// Says that nothing more will be sent.
    borrowing func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What arrives until the other side closes, at most `max` bytes; nil when it keeps the connection open for 15 s.
    borrowing func readToEnd(max: Int = 1 << 16) -> [UInt8]? {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while all.count < max {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return all }
            if count < 0 { return errno == EAGAIN ? nil : all }
            all += buffer[..<count]
        }
        return all
    }
}

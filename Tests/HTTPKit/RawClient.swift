// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import HTTPKit
import Synchronization

/// A bare TCP client that sends exactly the bytes it is given and blocks while it reads.
final class RawClient: Sendable {
    private let descriptor: CInt
    private let received = Mutex<[UInt8]>([])
    private let isClosed = Mutex(false)
    private let sent = Mutex(0)

    /// Connects to `port` on the loopback; a reader never waits longer than 20 s.
    init(port: Int, receiveBufferBytes: CInt? = nil) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        if var size = receiveBufferBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_RCVTIMEO,
            &patience,
            socklen_t(MemoryLayout<timeval>.size)
        )
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            Glibc.close(descriptor)
            throw ClientFailure(why: String(cString: strerror(errno)))
        }
    }

    deinit { close() }

    /// Closes the socket; with `abruptly`, by a reset.
    func close(abruptly: Bool = false) {
        isClosed.withLock { isClosed in
            guard !isClosed else { return }
            isClosed = true
            if abruptly {
                var option = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    descriptor,
                    SOL_SOCKET,
                    SO_LINGER,
                    &option,
                    socklen_t(MemoryLayout<linger>.size)
                )
            }
            Glibc.close(descriptor)
        }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// The bytes that the kernel has taken of what is being sent.
    var sentCount: Int { sent.withLock { $0 } }

    /// Sends all of `bytes`; stops silently when the server has closed.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest.removeFirst(count)
            sent.withLock { $0 += count }
        }
    }

    /// Sends all of `bytes` while the caller goes on.
    func sendInBackground(_ bytes: [UInt8]) {
        Thread.detachNewThread { self.send(bytes) }
    }

    /// Closes our direction only.
    func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// The next response, read off the main threads.
    func response(isHead: Bool = false) async throws -> RawResponse {
        try await offThread { try self.readResponse(isHead: isHead) }
    }

    /// What comes until the server closes the connection.
    func rest() async throws -> [UInt8] {
        try await offThread {
            while try self.fill() {}
            return self.received.withLock { bytes in
                defer { bytes = [] }
                return bytes
            }
        }
    }

    /// Waits until `count` bytes are here, and keeps them.
    func buffer(_ count: Int) async throws {
        try await offThread {
            while self.received.withLock({ $0.count }) < count {
                guard try self.fill() else { throw ClientFailure(why: "closed") }
            }
        }
    }

    /// All that came so far, once it contains `text`; it is kept.
    func text(until text: String) async throws -> String {
        try await offThread {
            while true {
                let bytes = self.received.withLock { $0 }
                let all = String(decoding: bytes, as: UTF8.self)
                if all.contains(text) { return all }
                guard try self.fill() else { throw ClientFailure(why: "closed") }
            }
        }
    }

    /// Reads `count` bytes and drops them.
    func skip(_ count: Int) async throws {
        try await offThread {
            while self.received.withLock({ $0.count }) < count {
                guard try self.fill() else { throw ClientFailure(why: "closed") }
            }
            self.received.withLock { $0.removeFirst(count) }
        }
    }

    private func readResponse(isHead: Bool) throws -> RawResponse {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = received.withLock({ find(separator, in: $0) }) {
                let head = received.withLock { bytes in
                    let head = Array(bytes[..<end])
                    bytes.removeFirst(end + 4)
                    return head
                }
                var response = RawResponse(head: String(decoding: head, as: UTF8.self))
                let length = isHead ? 0 : Int(response["content-length"] ?? "0") ?? 0
                while received.withLock({ $0.count }) < length {
                    guard try fill() else { throw ClientFailure(why: "closed inside the body") }
                }
                response.body = received.withLock { bytes in
                    let body = Array(bytes[..<length])
                    bytes.removeFirst(length)
                    return body
                }
                return response
            }
            guard try fill() else { throw ClientFailure(why: "closed inside the head") }
        }
    }

    private func find(_ needle: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        return (0...(bytes.count - needle.count)).first {
            bytes[$0] == needle[0] && Array(bytes[$0..<$0 + needle.count]) == needle
        }
    }

    /// Reads once; false at the end.
    private func fill() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0 {
            guard errno == ECONNRESET else {
                throw ClientFailure(why: String(cString: strerror(errno)))
            }
            return false
        }
        received.withLock { $0 += buffer[..<count] }
        return count > 0
    }

    private func offThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}

/// A response as it came over the wire.
struct RawResponse: Sendable {
    let head: String
    var body: [UInt8] = []

    var status: Int { Int(head.split(separator: " ")[1]) ?? 0 }
    var text: String { String(decoding: body, as: UTF8.self) }

    subscript(name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { continue }
            return parts[1].trimmingCharacters(in: .whitespaces)
        }
        return nil
    }
}

struct ClientFailure: Error { let why: String }

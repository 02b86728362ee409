// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Glibc
import Primitives
import SwarmCore
import Synchronization

/// A blocking socket that says to a peer whatever a test wants, honest or not. Every wait ends after ten seconds.
final class RawPeer: Sendable {
    struct Failure: Error { let what: String }

    let descriptor: CInt

    init(descriptor: CInt) {
        self.descriptor = descriptor
        var time = timeval(tv_sec: 10, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// Connects to `port` of this machine.
    convenience init(port: Int) throws {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(what: "socket") }
        let result = withLoopback(port) { connect(descriptor, $0, $1) }
        guard result == 0 else {
            Glibc.close(descriptor)
            throw Failure(what: "connect: \(errno)")
        }
        self.init(descriptor: descriptor)
    }

    deinit { Glibc.close(descriptor) }

    /// Ends both directions, whoever may be waiting for them.
    func shutDown() { shutdown(descriptor, CInt(SHUT_RDWR)) }

    func send(_ bytes: some Collection<UInt8>) throws {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send: \(errno)") }
            sent += count
        }
    }

    func send(_ message: PeerMessage) throws {
        var frame: [UInt8] = []
        PeerMessageCodec.encode(message, into: &frame)
        try send(frame)
    }

    /// Exactly `count` bytes; nil when the peer closes instead.
    func receive(_ count: Int) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let result = bytes[received...].withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            if result > 0 {
                received += result
            } else if result == 0 || errno == ECONNRESET || errno == EPIPE {
                return nil
            } else {
                throw Failure(what: "receive: \(errno)")
            }
        }
        return bytes
    }

    /// The next message; nil when the peer closes instead.
    func receiveMessage() throws -> PeerMessage? {
        guard let prefix = try receive(4) else { return nil }
        let length = prefix.reduce(0) { $0 << 8 | Int($1) }
        guard let body = try receive(length) else { return nil }
        return try body.withUnsafeBytes { try PeerMessageCodec.decode($0) }
    }

    /// Returns once the peer has closed, whatever it sends before.
    func waitForClose() throws {
        while try receive(1) != nil {}
    }
}

/// Calls `body` with the address of `port` on this machine.
func withLoopback<Result>(
    _ port: Int,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

/// A seeder written a second time, on blocking sockets: what it serves, and how, is the test's choice.
final class RawSeeder: Sendable {
    private let blob: [UInt8]
    private let metaInfo: MetaInfo
    private let peerID: PeerID
    private let port: Int
    private let listener: CInt
    /// What becomes of a piece's bytes before they are sent; nil: the connection is closed in the middle of them.
    private let change: @Sendable (PieceIndex, [UInt8]) -> [UInt8]?
    private let peers = Mutex<[RawPeer]>([])
    private let served = Mutex(0)

    /// Serves `blob` as `metaInfo` until ``stop()``.
    init(
        _ blob: [UInt8],
        metaInfo: MetaInfo,
        seed: UInt64,
        change: @escaping @Sendable (PieceIndex, [UInt8]) -> [UInt8]? = { $1 }
    ) throws {
        (self.blob, self.metaInfo, self.change) = (blob, metaInfo, change)
        var generator = Generator(seed: seed)
        peerID = PeerID(randomFrom: &generator)
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        port = try listenOnLoopback(listener)
        Thread.detachNewThread { [self] in accept() }
    }

    var info: PeerInfo {
        PeerInfo(peerID: peerID, ip: "127.0.0.1", port: port, isComplete: true)
    }

    var id: PeerID { peerID }
    /// Pieces sent, good or bad.
    var servedCount: Int { served.withLock { $0 } }

    func stop() {
        shutdown(listener, CInt(SHUT_RDWR))
        for peer in peers.withLock({ $0 }) { peer.shutDown() }
    }

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            let peer = RawPeer(descriptor: descriptor)
            peers.withLock { $0.append(peer) }
            Thread.detachNewThread { [self] in
                // Whatever goes wrong ends this connection, as a peer's failure would.
                try? serve(peer)
                peer.shutDown()
            }
        }
        close(listener)
    }

    private func serve(_ peer: RawPeer) throws {
        guard case .bitfield = try peer.receiveMessage() else { return }
        try peer.send(.bitfield(handshake))
        while let message = try peer.receiveMessage() {
            guard case .pieceRequest(let span) = message,
                let piece = span.wholePiece(in: metaInfo.layout)
            else { continue }
            let start = metaInfo.layout.offset(of: piece)
            let bytes = Array(blob[start..<start + metaInfo.layout.bytes(of: piece)])
            served.withLock { $0 += 1 }
            try peer.send(.piecePayload(span))
            guard let changed = change(piece, bytes) else {
                return try peer.send(bytes.prefix(bytes.count / 2))
            }
            try peer.send(changed)
        }
    }

    private var handshake: PeerHandshake {
        PeerHandshake(
            peerID: peerID,
            infoHash: metaInfo.infoHash,
            digest: metaInfo.digest,
            namespace: "",
            bitfieldBytes: Bitfield.full(pieceCount: metaInfo.layout.pieceCount).wireBytes,
            neighbours: []
        )
    }
}

extension RawPeer {
    /// Ends what we send; the peer's answers may still come.
    func finishTalking() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Makes sends and the kernel's buffers give up soon.
    func shorten() {
        var time = timeval(tv_sec: 0, tv_usec: 500_000)
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_SNDTIMEO,
            &time,
            socklen_t(MemoryLayout<timeval>.size)
        )
        var bytes: CInt = 64 << 10
        for option in [SO_SNDBUF, SO_RCVBUF] {
            setsockopt(descriptor, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    /// Sends all of `bytes` unless the peer does not take them in time.
    func trySend(_ bytes: [UInt8]) -> Bool {
        do {
            try send(bytes)
            return true
        } catch {
            return false
        }
    }
}

/// A port that accepts connections and never says a word.
final class SilentListener: Sendable {
    private let descriptor: CInt
    let port: Int

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        port = try listenOnLoopback(descriptor)
    }

    func stop() { close(descriptor) }
}

/// Makes `descriptor` listen on a free port of this machine; answers the port.
func listenOnLoopback(_ descriptor: CInt) throws -> Int {
    guard descriptor >= 0, withLoopback(0, { bind(descriptor, $0, $1) }) == 0,
        listen(descriptor, 64) == 0
    else { throw RawPeer.Failure(what: "listen: \(errno)") }
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            getsockname(descriptor, $0, &size)
        }
    }
    guard result == 0 else { throw RawPeer.Failure(what: "getsockname: \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
}

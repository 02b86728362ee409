// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Glibc
import Primitives
import SwarmCore
import Synchronization

/// A peer that listens like any other, and whose every connection goes as a test wants it.
final class ScriptedPeer: Sendable {
    let id: PeerID
    let metaInfo: MetaInfo
    private let port: Int
    private let listener: CInt
    private let script: @Sendable (RawPeer, ScriptedPeer) throws -> Void
    private let peers = Mutex<[RawPeer]>([])

    /// Runs `script` on a thread of its own for each connection, until ``stop()``.
    init(
        _ metaInfo: MetaInfo,
        seed: UInt64,
        script: @escaping @Sendable (RawPeer, ScriptedPeer) throws -> Void
    ) throws {
        (self.metaInfo, self.script) = (metaInfo, script)
        var generator = Generator(seed: seed)
        id = PeerID(randomFrom: &generator)
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        port = try listenOnLoopback(listener)
        Thread.detachNewThread { [self] in accept() }
    }

    /// As a tracker would name it.
    var info: PeerInfo {
        PeerInfo(peerID: id, ip: "127.0.0.1", port: port, isComplete: true)
    }

    /// How often it was dialled.
    var connectionCount: Int { peers.withLock { $0.count } }

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
                try? script(peer, self)
                peer.shutDown()
            }
        }
        close(listener)
    }

    /// A handshake of a peer that has everything, or what `bits` say.
    func handshake(_ peerID: PeerID? = nil, bits: [UInt8]? = nil) -> PeerHandshake {
        PeerHandshake(
            peerID: peerID ?? id,
            infoHash: metaInfo.infoHash,
            digest: metaInfo.digest,
            namespace: "",
            bitfieldBytes: bits
                ?? Bitfield.full(pieceCount: metaInfo.layout.pieceCount).wireBytes,
            neighbours: []
        )
    }

    /// Takes the handshake of whoever dialled, and answers it.
    func shakeHands(_ peer: RawPeer) throws {
        guard case .bitfield = try peer.receiveMessage() else {
            throw RawPeer.Failure(what: "no handshake")
        }
        try peer.send(.bitfield(handshake()))
    }

    /// Calls `answer` with each request, until the other side closes.
    func eachRequest(_ peer: RawPeer, _ answer: (PieceSpan) throws -> Void) throws {
        while let message = try peer.receiveMessage() {
            if case .pieceRequest(let span) = message { try answer(span) }
        }
    }
}

extension RawPeer {
    /// Whether the other side has closed, without waiting for it; what it has sent stays unread.
    var isClosed: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }

    /// Waits for a few milliseconds, or until the connection is reset.
    func pause(milliseconds: CInt = 20) {
        var request = pollfd(fd: descriptor, events: 0, revents: 0)
        poll(&request, 1, milliseconds)
    }
}

/// Runs blocking `body` on a thread of its own, off the tests'.
func onThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}

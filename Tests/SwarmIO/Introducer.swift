// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmIO
import Synchronization

/// Introduces the hosts of one test to each other, as a tracker would.
final class Introducer: Sendable {
    private struct State {
        var peers: [InfoHash: [PeerInfo]] = [:]
        var missing: [Digest] = []
        var announceCount = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Hands out `peer` to whoever asks for `infoHash`.
    func add(_ peer: PeerInfo, to infoHash: InfoHash) {
        state.withLock { state in
            state.peers[infoHash, default: []].removeAll { $0.peerID == peer.peerID }
            state.peers[infoHash, default: []].append(peer)
        }
    }

    /// Hands out `peer` no longer.
    func remove(_ peerID: PeerID) {
        state.withLock { state in
            for hash in state.peers.keys { state.peers[hash]?.removeAll { $0.peerID == peerID } }
        }
    }

    func peers(of infoHash: InfoHash) -> [PeerInfo] { state.withLock { $0.peers[infoHash] ?? [] } }
    var announceCount: Int { state.withLock { $0.announceCount } }
    var missing: [Digest] { state.withLock { $0.missing } }

    func noteAnnounce() { state.withLock { $0.announceCount += 1 } }

    func noteMissing(_ digest: Digest) {
        let waiters = state.withLock { state in
            state.missing.append(digest)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when a blob was missing.
    func waitForMissing() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.missing.isEmpty { state.waiters.append(continuation) }
                return !state.missing.isEmpty
            }
            if isThere { continuation.resume() }
        }
    }
}

/// What one host of a test does for its swarms.
struct TestHost: SwarmHost {
    let introducer: Introducer
    /// How others reach it; nil: it hands itself to nobody.
    let address: Settable<PeerInfo?>

    func announce(
        _ announce: SwarmAnnounce
    ) async throws -> (peers: [PeerInfo], interval: Duration) {
        introducer.noteAnnounce()
        let peers = introducer.peers(of: announce.infoHash)
        if let own = address.value { introducer.add(own, to: announce.infoHash) }
        return (peers, .seconds(1))
    }

    func blobMissing(_ digest: Digest, namespace: String) async { introducer.noteMissing(digest) }
}

/// A value that is set once, later.
final class Settable<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>
    init(_ value: Value) { storage = Mutex(value) }
    var value: Value {
        get { storage.withLock { $0 } }
        set { storage.withLock { $0 = newValue } }
    }
}

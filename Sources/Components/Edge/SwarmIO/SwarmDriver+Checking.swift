// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import NIOCore
import SwarmCore

/// Checking what arrives, two pieces at a time.
///
/// Two SHA-256 take no longer side by side than one, so that the bytes of one read, written already, wait in their buffer
/// for those of another connection's. At most one read waits, and never beyond the loop's present round of reads.
extension SwarmDriver {
    /// Bytes that were written and not checked yet.
    struct UncheckedBytes {
        let connection: PeerConnection
        /// Owns the memory of ``bytes``.
        let buffer: ByteBuffer
        /// Valid as long as ``buffer`` is kept, which is not written to meanwhile.
        var bytes: UnsafeRawBufferPointer
        /// Whether ``buffer`` is ours to hand back: not while the read goes on that it came with.
        var isKept = false
    }

    /// Takes in `bytes` of `connection`'s arriving piece, which lie in `buffer`.
    func check(
        _ bytes: UnsafeRawBufferPointer,
        of connection: PeerConnection,
        in buffer: ByteBuffer
    ) {
        guard connection.arrival?.check?.isProof == true else {
            connection.arrival?.check?.update(bytes)
            return
        }
        // One piece's bytes are taken in one after the other.
        if isUnchecked(connection) { checkRest() }
        guard var other = unchecked else {
            unchecked = UncheckedBytes(connection: connection, buffer: buffer, bytes: bytes)
            return endRoundLater()
        }
        let common = min(bytes.count, other.bytes.count)
        guard var first = other.connection.arrival?.check, var second = connection.arrival?.check
        else { return }
        PieceCheck.update(
            &first,
            UnsafeRawBufferPointer(rebasing: other.bytes[..<common]),
            &second,
            UnsafeRawBufferPointer(rebasing: bytes[..<common])
        )
        other.connection.arrival?.check = first
        connection.arrival?.check = second
        other.bytes = UnsafeRawBufferPointer(rebasing: other.bytes[common...])
        if !other.bytes.isEmpty { return unchecked = other }
        release(other)
        let rest = UnsafeRawBufferPointer(rebasing: bytes[common...])
        if !rest.isEmpty {
            unchecked = UncheckedBytes(connection: connection, buffer: buffer, bytes: rest)
        }
        finishIfChecked(other.connection)
    }

    /// Whether bytes of `connection` wait.
    func isUnchecked(_ connection: PeerConnection) -> Bool {
        unchecked.map { $0.connection === connection } ?? false
    }

    /// Ends `connection`'s arrival when its last byte is here and checked.
    func finishIfChecked(_ connection: PeerConnection) {
        guard connection.arrival?.remainingBytes == 0, !isUnchecked(connection) else { return }
        finishArrival(connection)
    }

    /// Takes in what waits, alone.
    func checkRest() {
        guard let rest = unchecked else { return }
        rest.connection.arrival?.check?.update(rest.bytes)
        release(rest)
        finishIfChecked(rest.connection)
    }

    /// `connection` is gone: what waits of it is thrown away.
    func forgetUnchecked(of connection: PeerConnection) {
        if let rest = unchecked, rest.connection === connection { release(rest) }
    }

    /// A read is over; answers whether its buffer is kept.
    func keepUncheckedBytes() -> Bool {
        guard let rest = unchecked, !rest.isKept else { return false }
        unchecked?.isKept = true
        return true
    }

    private func release(_ rest: UncheckedBytes) {
        unchecked = nil
        if rest.isKept { ReceiveBuffers.giveBack(rest.buffer) }
    }

    /// Whoever is left alone at the end of the loop's round of reads waits no longer.
    private func endRoundLater() {
        guard !isRoundEnding else { return }
        isRoundEnding = true
        eventLoop.execute { [self] in
            assumeIsolated { driver in
                driver.isRoundEnding = false
                driver.turn { driver.checkRest() }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import NIOCore
import SwarmCore

/// Checking what arrives.
extension SwarmDriver {
    /// Takes in `bytes` of `connection`'s arriving piece, which lie in `buffer`.
    func check(
        _ bytes: UnsafeRawBufferPointer,
        of connection: PeerConnection,
        in buffer: ByteBuffer
    ) {
        // One piece's bytes are taken in one after the other.
        settleCheck(connection)
        guard let check = connection.arrival?.check, check.isProof,
            let part = Self.part(bytes, of: buffer)
        else {
            connection.arrival?.check?.update(bytes)
            return
        }
        let share = PairedChecks.Share(
            driver: self,
            connection: connection.id,
            check: check,
            bytes: part
        )
        connection.isBeingChecked = true
        if let check = PairedChecks.current.take(share) { update(check, of: connection) }
    }

    /// `buffer` with its indexes around the part of it that is `bytes`.
    private static func part(_ bytes: UnsafeRawBufferPointer, of buffer: ByteBuffer) -> ByteBuffer?
    {
        let start = buffer.withUnsafeReadableBytes { whole -> Int? in
            guard let start = bytes.baseAddress, let base = whole.baseAddress else { return nil }
            return buffer.readerIndex + (start - base)
        }
        guard let start else { return nil }
        var part = buffer
        part.moveWriterIndex(to: start + bytes.count)
        part.moveReaderIndex(to: start)
        return part
    }

    /// What waited of `connection` is taken in.
    func checked(_ check: PieceCheck, of id: ConnectionID) {
        guard let connection = connections[id] else { return }
        turn {
            update(check, of: connection)
            finishIfChecked(connection)
        }
    }

    /// Takes in what waits of `connection`, alone; its last piece may be whole then.
    func finishCheck(_ connection: PeerConnection) {
        settleCheck(connection)
        finishIfChecked(connection)
    }

    /// Takes in what waits of `connection`, alone.
    private func settleCheck(_ connection: PeerConnection) {
        guard connection.isBeingChecked,
            let check = PairedChecks.current.settle(self, connection.id)
        else { return }
        update(check, of: connection)
    }

    private func update(_ check: PieceCheck, of connection: PeerConnection) {
        connection.isBeingChecked = false
        connection.arrival?.check = check
    }

    /// Ends `connection`'s arrival when its last byte is here and checked.
    func finishIfChecked(_ connection: PeerConnection) {
        guard connection.arrival?.remainingBytes == 0, !connection.isBeingChecked else { return }
        finishArrival(connection)
    }

    /// `connection` is gone: what waits of it is thrown away.
    func forgetCheck(of connection: PeerConnection) {
        guard connection.isBeingChecked else { return }
        PairedChecks.current.forget(self, connection.id)
    }
}

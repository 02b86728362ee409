// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import NIOCore
import NIOPosix
import SwarmCore
import Synchronization

/// Checks what arrives two pieces at a time, for all drivers of a thread.
///
/// Two SHA-256 side by side take less time than one after the other, so that the bytes of one read, written already, wait in
/// their buffer for those of another connection's. At most one read waits, and for less time than it takes to check it alone.
final class PairedChecks: Sendable {
    /// Bytes of an arriving piece that were written and not checked yet.
    struct Share: Sendable {
        let driver: SwarmDriver
        let connection: ConnectionID
        /// Of all bytes of the piece before.
        var check: PieceCheck
        /// The bytes to be taken in: a part of the buffer they were read into.
        var bytes: ByteBuffer
        /// Whether the buffer is ours to hand back: not while the read goes on that it came with.
        fileprivate var isKept = false

        init(
            driver: SwarmDriver,
            connection: ConnectionID,
            check: PieceCheck,
            bytes: ByteBuffer
        ) {
            (self.driver, self.connection) = (driver, connection)
            (self.check, self.bytes) = (check, bytes)
        }

        fileprivate func belongs(to driver: SwarmDriver, _ connection: ConnectionID) -> Bool {
            self.connection == connection && self.driver === driver
        }

        /// Takes in all bytes, alone.
        fileprivate mutating func update() {
            bytes.withUnsafeReadableBytes { check.update($0) }
            bytes.moveReaderIndex(to: bytes.writerIndex)
        }

        /// Takes in as many bytes of both as they have in common.
        fileprivate static func update(_ first: inout Share, _ second: inout Share) {
            let common = min(first.bytes.readableBytes, second.bytes.readableBytes)
            first.bytes.withUnsafeReadableBytes { firstBytes in
                second.bytes.withUnsafeReadableBytes { secondBytes in
                    PieceCheck.update(
                        &first.check,
                        UnsafeRawBufferPointer(rebasing: firstBytes[..<common]),
                        &second.check,
                        UnsafeRawBufferPointer(rebasing: secondBytes[..<common])
                    )
                }
            }
            first.bytes.moveReaderIndex(forwardBy: common)
            second.bytes.moveReaderIndex(forwardBy: common)
        }
    }

    private struct State {
        var waiting: Share?
        /// Whether it has waited before the loop looked for what had come meanwhile.
        var isOld = false
        /// Whether ``PairedChecks/endRound()`` is due.
        var isRoundEnding = false
    }

    /// Only its own thread uses it, so the lock is never contended.
    private let state = Mutex(State())
    private static let perThread = ThreadSpecificVariable<PairedChecks>()

    /// Those of the calling thread, which is that of an event loop.
    static var current: PairedChecks {
        if let checks = perThread.currentValue { return checks }
        let checks = PairedChecks()
        perThread.currentValue = checks
        return checks
    }

    /// Takes in the bytes of `share`; answers the check once they all are. Nil: they wait, and the driver is told by
    /// `SwarmDriver.checked`, or asks with ``settle(_:_:)``. Nothing of the same connection may be waiting.
    func take(_ share: Share) -> PieceCheck? {
        var share = share
        guard var other = state.withLock({ $0.waiting.take() }) else {
            wait(share)
            return nil
        }
        Share.update(&share, &other)
        let isDone = share.bytes.readableBytes == 0
        if !isDone {
            wait(share)
        } else if other.bytes.readableBytes > 0 {
            state.withLock { $0.waiting = other }
            return share.check
        }
        finish(other)
        return isDone ? share.check : nil
    }

    /// The check of what waits of `connection`, which is now taken in; nil: nothing waits.
    func settle(_ driver: SwarmDriver, _ connection: ConnectionID) -> PieceCheck? {
        guard var share = remove(driver, connection) else { return nil }
        share.update()
        Self.giveBack(share)
        return share.check
    }

    /// `connection` is gone: what waits of it is thrown away.
    func forget(_ driver: SwarmDriver, _ connection: ConnectionID) {
        if let share = remove(driver, connection) { Self.giveBack(share) }
    }

    /// A read is over; answers whether its buffer is kept.
    func keepBytes() -> Bool {
        state.withLock { state in
            guard state.waiting?.isKept == false else { return false }
            state.waiting?.isKept = true
            return true
        }
    }

    private func remove(_ driver: SwarmDriver, _ connection: ConnectionID) -> Share? {
        state.withLock { state in
            guard state.waiting?.belongs(to: driver, connection) == true else { return nil }
            return state.waiting.take()
        }
    }

    private func wait(_ share: Share) {
        let isFirst = state.withLock { state in
            defer { (state.waiting, state.isOld, state.isRoundEnding) = (share, false, true) }
            return !state.isRoundEnding
        }
        if isFirst { share.driver.eventLoop.execute { [self] in endRound() } }
    }

    /// Few bytes that are left alone at the end of the loop's round of reads wait no longer. Many are worth another look at
    /// the sockets, which a loop takes before it gets to what is due a little later.
    private func endRound() {
        let (rest, eventLoop) = state.withLock { state -> (Share?, (any EventLoop)?) in
            if !state.isOld, let waiting = state.waiting,
                waiting.bytes.readableBytes >= Self.manyBytes
            {
                state.isOld = true
                return (nil, waiting.driver.eventLoop)
            }
            (state.isOld, state.isRoundEnding) = (false, false)
            return (state.waiting.take(), nil)
        }
        eventLoop?.scheduleTask(in: Self.anotherLook) { [self] in endRound() }
        guard var share = rest else { return }
        share.update()
        finish(share)
    }

    /// So many take longer to check alone than ``anotherLook``.
    private static let manyBytes = 512 << 10
    /// Until a loop comes back to what it is to do after its sockets.
    private static let anotherLook = TimeAmount.microseconds(100)

    private func finish(_ share: Share) {
        Self.giveBack(share)
        let (connection, check) = (share.connection, share.check)
        share.driver.assumeIsolated { $0.checked(check, of: connection) }
    }

    private static func giveBack(_ share: Share) {
        if share.isKept { ReceiveBuffers.giveBack(share.bytes) }
    }
}

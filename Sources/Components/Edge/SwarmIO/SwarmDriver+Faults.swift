// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import NIOCore
package import Primitives
import SwarmCore
import Telemetry

/// What faults that someone switched on do to a host's peer connections.
extension SwarmDriver {
    /// Follows the component's faults until ``ignoreFaults()``.
    func heedFaults() {
        faultWatch = faults.watch { [self] in
            eventLoop.execute { self.assumeIsolated { $0.faultsChanged() } }
        }
        faultsChanged()
    }

    /// Follows them no more.
    func ignoreFaults() {
        faultWatch.take().map(faults.unwatch)
    }

    private func faultsChanged() {
        guard !isStopping else { return }
        turn {
            limit()
            cutPartitioned()
        }
    }

    // MARK: - Bandwidth

    /// Sends and receives no more than this from now on; nil: no limit. Connections and what they move go on.
    package func limit(egress: ByteRate?, ingress: ByteRate?) {
        guard !isStopping else { return }
        bandwidth = (egress, ingress)
        turn { limit() }
    }

    /// The lower of the configured limit and that of the faults.
    private func limit() {
        let links = faults.links
        let now = Self.now
        let out = Self.lower(bandwidth.egress, links?.up)
        let into = Self.lower(bandwidth.ingress, links?.down)
        delay(by: links?.delay)
        if egress.rate != out { egress.limit(to: out, at: now) }
        if ingress.rate != into {
            ingress.limit(to: into, at: now)
            for connection in connections.values { setReads(of: connection) }
        }
        guard pace != links?.rate else { return }
        pace = links?.rate
        deliver(.paced(pace))
    }

    private static func lower(_ left: ByteRate?, _ right: ByteRate?) -> ByteRate? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }

    // MARK: - Latency

    /// Makes all that is sent from now on go out `delay` later.
    private func delay(by delay: Duration?) {
        guard linkDelay != delay else { return }
        linkDelay = delay
        for connection in connections.values { updateDelay(of: connection) }
    }

    /// Makes what is sent to the peer of `connection` as late as the faults of the moment want it.
    func updateDelay(of connection: PeerConnection) {
        let amount = TimeAmount.nanoseconds(linkDelay?.nanoseconds ?? 0)
        if let line = connection.delayLine { return line.change(to: amount) }
        guard amount > .zero else { return }
        let line = DelayLine(amount)
        do {
            // At the socket's end: behind all that knows the order of frames.
            try connection.channel.pipeline.syncOperations.addHandler(line, position: .first)
            connection.delayLine = line
        } catch {
            // Only a closed channel refuses, and its end is reported by itself.
        }
    }

    /// How many slices of a connection may be under way, so that its rate holds although each is held for a while.
    var slicesUnderWayMax: Int {
        guard let linkDelay, egress.rate != nil else { return Self.slicesWithoutDelay }
        let held = linkDelay.nanoseconds / BandwidthShape.sliceTime.nanoseconds
        return Self.slicesWithoutDelay + Int(clamping: held)
    }

    /// One that flows and one that follows without a gap.
    private static let slicesWithoutDelay = 2

    // MARK: - Partitions

    /// Whether a peer at `ip`:`port` can't be reached because of a fault.
    func isCutOff(_ peer: PeerInfo) -> Bool {
        guard faults.isActive else { return false }
        return faults.refuses(peer.peerID) || faults.refuses(address: "\(peer.ip):\(peer.port)")
    }

    /// Closes the connection of a peer that can't reach us because of a fault.
    func refuse(_ id: ConnectionID, _ handshake: PeerHandshake) {
        meters.refused(handshake, localPeer: scheduler.localPeer, because: Self.cutOff)
        cut(id)
    }

    private func cutPartitioned() {
        guard faults.isActive else { return }
        for connection in Array(connections.values) {
            let isPeer = connection.peer.map { faults.refuses($0.peerID) } ?? false
            let isAddress = connection.address.map { faults.refuses(address: $0) } ?? false
            if isPeer || isAddress { connectionEnded(connection.id, reason: Self.cutOff) }
        }
    }

    /// Why such a connection ended.
    static let cutOff = "cut off by a fault"

    // MARK: - Wrong pieces

    /// `range` of the file of `send`, whose first byte is wrong; nil when it can't be read.
    func forgedPart(of send: PieceSend, _ range: Range<Int>, for channel: any Channel) -> IOData? {
        var buffer = channel.allocator.buffer(capacity: range.count)
        do {
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<range.count])
                return try send.file.read(into: part, at: range.lowerBound)
            }
        } catch {
            return nil
        }
        guard buffer.readableBytes == range.count else { return nil }
        if range.lowerBound == send.range.lowerBound,
            let byte = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self)
        {
            buffer.setInteger(~byte, at: buffer.readerIndex)
        }
        return .byteBuffer(buffer)
    }
}

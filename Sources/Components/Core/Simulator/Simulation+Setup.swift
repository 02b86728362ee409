// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// How a cluster begins.
extension Simulation {
    static func makeBlobs(_ plan: SimulationPlan) throws(PlanError) -> [SimulatedBlob] {
        var blobs: [SimulatedBlob] = []
        var firstWord = 0
        let replicas = min(plan.replicas, plan.origins)
        for (index, bytes) in plan.blobBytes.enumerated() {
            let digest = Digest(hashing: Array("blob \(index) of seed \(plan.seed)".utf8))
            guard let layout = PieceLayout(blobBytes: bytes, pieceBytes: plan.pieceBytes) else {
                throw PlanError(what: "blob \(index)", why: "it can't be cut into pieces")
            }
            let sums = (0..<layout.pieceCount).map { UInt32(truncatingIfNeeded: $0) }
            let metaInfo: MetaInfo
            do {
                metaInfo = try MetaInfo(digest: digest, layout: layout, pieceSums: sums)
            } catch {
                throw PlanError(what: "blob \(index)", why: error.description)
            }
            // Neighbouring origins, so that the blobs of an image are spread over all.
            let first = index * replicas % plan.origins
            let blob = SimulatedBlob(
                metaInfo: metaInfo,
                origins: (0..<replicas).map { (first + $0) % plan.origins }.sorted(),
                firstWord: firstWord,
                sizes: MessageSizes(metaInfo)
            )
            firstWord += blob.wordCount
            blobs.append(blob)
        }
        return blobs
    }

    static func makeHost(
        _ index: Int,
        _ plan: SimulationPlan,
        _ generator: inout Generator
    ) -> SimulatedHost {
        let isOrigin = index < plan.origins
        let info = PeerInfo(
            peerID: PeerID(randomFrom: &generator),
            // Short enough to need no memory of its own.
            ip: "10.\(index >> 16).\(index >> 8 & 255).\(index & 255)",
            port: isOrigin ? 15001 : 16001,
            isOrigin: isOrigin,
            isComplete: isOrigin
        )
        let rate = isOrigin ? plan.originBandwidth ?? plan.bandwidth : plan.bandwidth
        var host = SimulatedHost(
            scheduler: makeScheduler(info, plan, seed: generator.next()),
            info: info,
            isOrigin: isOrigin,
            zone: index % plan.zones,
            rate: Int64(rate.bytesPerSecond)
        )
        host.missingBlobs = isOrigin ? 0 : plan.blobBytes.count
        host.activity = isOrigin ? .awaitingConnections : .absent
        return host
    }

    static func makeScheduler(
        _ info: PeerInfo,
        _ plan: SimulationPlan,
        seed: UInt64
    ) -> SwarmScheduler {
        SwarmScheduler(
            localPeer: info.peerID,
            role: info.isOrigin ? .origin : .agent,
            policy: plan.policy,
            limits: plan.limits,
            seed: seed
        )
    }

    static func deadline(_ plan: SimulationPlan) -> Int64 {
        if let deadline = plan.deadline { return deadline.nanoseconds }
        let bound = SwarmBound(image: plan)
        return Int64(bound.tMin * 20e9) + Duration.minutes(10).nanoseconds
    }

    mutating func seedOrigins() {
        for (index, blob) in blobs.enumerated() {
            for origin in blob.origins {
                for piece in 0..<blob.pieceCount { setBit(origin, index, piece) }
                let seat = seat(origin, index)
                seats[seat].heldCount = Int32(blob.pieceCount)
                seats[seat].isCommitted = true
            }
        }
    }

    mutating func scheduleJoins(_ generator: inout Generator) {
        let window = max(1, Int(plan.join.nanoseconds))
        for host in plan.origins..<plan.hostCount {
            queue.push(.join, at: Int64(generator.below(window)), host: host)
        }
    }

    // MARK: - Pieces on disks

    func seat(_ host: Int, _ blob: Int) -> Int { host * blobs.count + blob }

    private func word(_ host: Int, _ blob: Int, _ piece: Int) -> Int {
        host * wordsPerHost + blobs[blob].firstWord + piece >> 6
    }

    /// Whether `host` has the piece on disk.
    func hasBit(_ host: Int, _ blob: Int, _ piece: Int) -> Bool {
        bits[word(host, blob, piece)] & 1 << UInt64(piece & 63) != 0
    }

    mutating func setBit(_ host: Int, _ blob: Int, _ piece: Int) {
        bits[word(host, blob, piece)] |= 1 << UInt64(piece & 63)
    }

    /// The words of what `host` has of a blob.
    func words(_ host: Int, _ blob: Int) -> Range<Int> {
        let first = word(host, blob, 0)
        return first..<first + blobs[blob].wordCount
    }

    func blob(of hash: InfoHash) -> Int? { blobs.firstIndex { $0.hash == hash } }

    /// What `host` has of a blob, as its disk would tell.
    func held(_ host: Int, _ blob: Int) -> Bitfield {
        var held = Bitfield(pieceCount: blobs[blob].pieceCount)
        for (index, position) in words(host, blob).enumerated() {
            var rest = bits[position]
            while rest != 0 {
                held.insert(PieceIndex(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return held
    }
}

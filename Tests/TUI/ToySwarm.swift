// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport

/// A swarm that plays by simple rules, says what it does, and knows at any time what is true: what is folded from its
/// events can be held against that.
struct ToySwarm {
    struct Request: Equatable {
        var asker: Int
        var holder: Int
        var piece: Int
        var at: Timestamp
    }

    struct Ban: Equatable {
        var other: Int
        var until: Timestamp
    }

    struct Link: Hashable {
        var first, second: Int
        init(_ one: Int, _ other: Int) { (first, second) = (min(one, other), max(one, other)) }
    }

    static let start = Timestamp(parsing: "2026-08-14T14:02:26Z") ?? Timestamp(unixNanoseconds: 1)
    static let pieceBytes = 4 << 20
    static let connectionsMax = 10

    let originCount: Int
    let pieceCount: Int
    let infoHash: InfoHash
    let digest: Digest
    var now = ToySwarm.start
    var generator: Generator
    /// By peer: origins, then agents.
    var held: [Bitfield]
    var isPresent: [Bool]
    var links: Set<Link> = []
    var slots: [Link: (first: Int?, second: Int?)] = [:]
    var requests: [Request] = []
    var bans: [[Ban]]
    var deliveries: [(at: Timestamp, to: Int, from: Int)] = []
    var marks: [TimeMark] = []
    var window = EventWindow()
    var series = RateSeries()
    private var sequences: [String: UInt64] = [:]

    init(seed: UInt64, origins: Int = 3, agents: Int = 24, pieces: Int = 48, present: Int = 24) {
        // Seeds that differ by a step of the generator would give the same swarm a step later.
        var seeds = Generator(seed: seed)
        (originCount, pieceCount, generator) = (origins, pieces, seeds.fork())
        digest = SamplePicture.layer
        infoHash = InfoHash(hashing: Array(digest.hex.utf8))
        held = (0..<origins + agents).map {
            $0 < origins ? .full(pieceCount: pieces) : Bitfield(pieceCount: pieces)
        }
        isPresent = (0..<origins + agents).map { $0 < origins + present }
        bans = Array(repeating: [], count: origins + agents)
    }

    // MARK: - Names

    func isOrigin(_ peer: Int) -> Bool { peer < originCount }
    func component(_ peer: Int) -> String {
        isOrigin(peer) ? "origin-\(peer)" : "agent-\(peer - originCount)"
    }
    func name(_ peer: Int) -> String {
        let number = peer - originCount
        return isOrigin(peer) ? "o\(peer)" : "a\(number < 10 ? "0" : "")\(number)"
    }
    func id(_ peer: Int) -> PeerID { PeerID(hashOfAddress: component(peer), port: 1) }
    var agents: Range<Int> { originCount..<held.count }

    // MARK: - Saying

    mutating func say(
        _ kind: EventKind,
        _ own: Int,
        _ other: Int? = nil,
        piece: Int? = nil,
        reason: String? = nil,
        _ detail: [String: String]? = nil,
        change: (inout ClusterEvent) -> Void = { _ in }
    ) {
        var event = ClusterEvent(
            kind,
            torrent: infoHash,
            localPeer: id(own),
            peer: other.map(id),
            piece: piece,
            reason: reason,
            detail: detail
        )
        event.component = component(own)
        change(&event)
        sequences[event.component, default: 0] += 1
        event.sequence = sequences[event.component] ?? 0
        now = now.later(bySeconds: 0.000_002)
        event.timestamp = now
        window.append([event])
    }

    // MARK: - Playing

    /// Lets some time pass and does one thing.
    mutating func play() {
        now = now.later(bySeconds: Double(2 + generator.below(8)) / 1000)
        switch generator.below(1000) {
        case 0..<60: connect()
        case 60..<480: request()
        case 480..<500: move()
        case 500..<960: deliver()
        case 960..<970: expire()
        case 970..<975: sendWrongly()
        case 975..<985: disconnect()
        case 985..<995: join()
        case 995..<998: leave()
        default: repeatPiece()
        }
    }

    private mutating func presentAgent() -> Int? {
        let peer = originCount + generator.below(agents.count)
        return isPresent[peer] ? peer : nil
    }

    func neighbours(_ peer: Int) -> [Int] {
        held.indices.filter { $0 != peer && links.contains(Link(peer, $0)) }
    }

    mutating func connect() {
        guard let own = presentAgent() else { return }
        let other = generator.below(held.count)
        guard other != own, isPresent[other], !links.contains(Link(own, other)),
            neighbours(own).count < Self.connectionsMax,
            !bans[own].contains(where: { $0.other == other && $0.until > now })
        else { return }
        guard neighbours(other).count < Self.connectionsMax else {
            return say(.connectionRejected, other, own, reason: "noSlot")
        }
        links.insert(Link(own, other))
        say(.addActiveConnection, own, other, ["direction": "outgoing"])
        say(.addActiveConnection, other, own, ["direction": "incoming"])
    }

    private func slotsMax(_ holder: Int) -> Int { isOrigin(holder) ? 5 : 3 }

    private func waiting(_ asker: Int, _ holder: Int) -> Int {
        requests.count { $0.asker == asker && $0.holder == holder }
    }

    private mutating func ask(
        _ own: Int,
        _ other: Int,
        _ piece: Int,
        _ reason: String,
        offered: Int
    ) {
        let holders = neighbours(own).count { held[$0].contains(PieceIndex(piece)) }
        let all = slotsMax(other)
        let detail = [
            "offered": "\(offered)", "holders": "\(holders)", "conns": "\(neighbours(own).count)",
            "slot": "\(waiting(own, other) + 1)", "slots": "\(all)",
        ]
        let link = Link(own, other)
        if other < own {
            slots[link] = (all, slots[link]?.second)
        } else {
            slots[link] = (slots[link]?.first, all)
        }
        let text = reason == "rarest" ? "rarest(availability: \(holders))" : reason
        say(.requestPiece, own, other, piece: piece, reason: text, detail)
        requests.append(Request(asker: own, holder: other, piece: piece, at: now))
    }

    mutating func request() {
        guard let own = presentAgent(), !held[own].isComplete else { return }
        let others = neighbours(own)
        guard !others.isEmpty else { return }
        let other = generator.pick(others)
        guard waiting(own, other) < slotsMax(other) else { return }
        let asked = Set(requests.filter { $0.asker == own }.map(\.piece))
        let offered = (0..<pieceCount).filter { piece in
            let index = PieceIndex(piece)
            return held[other].contains(index) && !held[own].contains(index)
                && !asked.contains(piece)
        }
        func holders(_ piece: Int) -> Int { others.count { held[$0].contains(PieceIndex(piece)) } }
        if let piece = offered.min(by: { (holders($0), $0) < (holders($1), $1) }) {
            let reason = holders(piece) == 1 ? "onlySource" : "rarest"
            return ask(own, other, piece, reason, offered: offered.count)
        }
        guard held[own].missingCount <= 3,
            let old = requests.first(where: { request in
                request.asker == own && request.holder != other
                    && held[other].contains(PieceIndex(request.piece))
                    && !requests.contains {
                        $0.asker == own && $0.holder == other && $0.piece == request.piece
                    }
            })
        else { return }
        ask(own, other, old.piece, "endgame", offered: 0)
    }

    /// A waiting request goes to another holder; nothing says that it left the first.
    mutating func move() {
        guard !requests.isEmpty else { return }
        let index = generator.below(requests.count)
        let old = requests[index]
        let isSole = requests.count { $0.asker == old.asker && $0.piece == old.piece } == 1
        let others = neighbours(old.asker).filter {
            $0 != old.holder && held[$0].contains(PieceIndex(old.piece))
                && waiting(old.asker, $0) < slotsMax($0)
        }
        guard isSole, let other = others.first else { return }
        requests.remove(at: index)
        ask(old.asker, other, old.piece, "rarest", offered: 1)
    }

    mutating func deliver() {
        guard !requests.isEmpty else { return }
        let request = requests[generator.below(min(12, requests.count))]
        let took = Int(now.seconds(since: request.at) * 1000)
        guard took >= 20 else { return }
        let (own, other) = (request.asker, request.holder)
        held[own].insert(PieceIndex(request.piece))
        requests.removeAll { $0.asker == own && $0.piece == request.piece }
        deliveries.append((now, own, other))
        say(.receivePiece, own, other, piece: request.piece) {
            ($0.bytes, $0.tookMilliseconds) = (Self.pieceBytes, took)
        }
        say(.sendPiece, other, own, piece: request.piece) { $0.bytes = Self.pieceBytes }
        guard held[own].isComplete else { return }
        let (digest, bytes) = (digest, pieceCount * Self.pieceBytes)
        say(.torrentComplete, own, nil, ["bytes_from_agents": "\(bytes / 2)"]) {
            ($0.blob, $0.bytes) = (digest, bytes)
            $0.tookMilliseconds = 6200
        }
        if !marks.contains(where: { $0.label.hasPrefix("first") }) {
            marks.append(TimeMark(at: now, label: "first seed \(name(own))"))
        }
    }

    mutating func expire() {
        guard let old = requests.first else { return }
        requests.removeFirst()
        say(.requestExpired, old.asker, old.holder, piece: old.piece)
    }

    mutating func repeatPiece() {
        guard let own = presentAgent(), let other = neighbours(own).first,
            let piece = held[own].indices.first
        else { return }
        say(.duplicatePiece, own, other, piece: piece.value) { $0.bytes = Self.pieceBytes }
    }

    mutating func sendWrongly() {
        guard let old = requests.first, !isOrigin(old.holder) else { return }
        let (own, other) = (old.asker, old.holder)
        requests.removeFirst()
        say(.hashFailed, own, other, piece: old.piece)
        drop(own, other, "badPiece", "closed by peer")
        bans[own].removeAll { $0.other == other || $0.until <= now }
        say(.banConnection, own, other) { $0.durationMilliseconds = 2000 }
        bans[own].append(Ban(other: other, until: now.later(bySeconds: 2)))
    }

    mutating func disconnect() {
        guard let own = presentAgent(), let other = neighbours(own).last else { return }
        drop(own, other, "idle", "closed by peer")
    }

    private mutating func drop(_ own: Int, _ other: Int, _ reason: String, _ otherReason: String) {
        links.remove(Link(own, other))
        slots[Link(own, other)] = nil
        requests.removeAll { Link($0.asker, $0.holder) == Link(own, other) }
        say(.dropActiveConnection, own, other, reason: reason)
        say(.dropActiveConnection, other, own, reason: otherReason)
    }

    mutating func join() {
        guard let own = agents.first(where: { !isPresent[$0] }) else { return }
        isPresent[own] = true
        say(.addTorrent, own, nil, ["held": "0", "pieces": "\(pieceCount)"])
        let digest = digest
        say(.announce, own, nil) { $0.blob = digest }
        announce(own)
    }

    /// The tracker's word of it.
    private mutating func announce(_ own: Int) {
        let seeders = agents.count { isPresent[$0] && held[$0].isComplete }
        let detail = [
            "peers": "\(isPresent.count { $0 } - 1)", "origins": "\(originCount)",
            "seeders": "\(seeders)", "policy": "completeness",
        ]
        let digest = digest
        say(.announce, own, own, detail) {
            ($0.component, $0.localPeer, $0.blob) = ("tracker-0", nil, digest)
        }
    }

    mutating func leave() {
        guard let own = presentAgent() else { return }
        for other in neighbours(own) { drop(own, other, "swarmForgotten", "closed by peer") }
        isPresent[own] = false
        held[own] = Bitfield(pieceCount: pieceCount)
        bans[own] = []
        say(.torrentCancelled, own, nil, reason: "removed")
    }
}

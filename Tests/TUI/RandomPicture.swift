// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport

/// Pictures that no cluster would ever give: numbers at their limits, texts that try to move the cursor, parts missing.
struct RandomPicture {
    var generator: Generator

    init(seed: UInt64) { generator = Generator(seed: seed) }

    mutating func picture() -> ClusterPicture {
        var picture = ClusterPicture()
        guard generator.below(12) > 0 else { return picture }
        picture.name = text()
        picture.source = generator.pick([.herd, .remote, .replay, .simulator])
        picture.takenAt = generator.below(10) == 0 ? extremeTime() : SamplePicture.takenAt
        for index in 0..<generator.pick([0, 1, 10, 31, 200]) {
            picture.components.append(component(index))
        }
        for _ in 0..<generator.pick([0, 1, 5, 40]) { picture.queues.append(queue()) }
        for _ in 0..<generator.below(6) { picture.blobs.append(blob()) }
        if generator.below(4) > 0 { picture.ring = ring() }
        picture.events.append((0..<generator.pick([0, 1, 50, 600])).map { _ in event() })
        picture.events.rates = (0..<generator.below(60)).map { _ in number() }
        for _ in 0..<generator.pick([0, 3, 300]) {
            let level = generator.pick(["info", "debug", "warning", "error", "", "\u{7}"])
            let name = picture.components.isEmpty ? "" : generator.pick(picture.components).id
            picture.logs.lines.append(
                LogLine(at: time(), level: level, component: name, text: text())
            )
        }
        for _ in 0..<generator.below(4) {
            picture.marks.append(TimeMark(at: time(), label: text()))
            picture.faults.append(
                FaultRow(
                    id: integer(),
                    kind: text(),
                    targets: [text()],
                    detail: text(),
                    remainingSeconds: number()
                )
            )
        }
        (picture.totals.eventRate, picture.totals.downloadRate) = (number(), number())
        return picture
    }

    /// A view of `screen` with anything selected, filtered and open.
    mutating func view(_ screen: Screen, _ picture: ClusterPicture, size: Size) -> ViewState {
        var view = ViewState()
        (view.screen, view.size) = (screen, size)
        view.glyphs = generator.pick(GlyphSet.allCases)
        view.component =
            generator.below(3) == 0 ? "gone" : any(of: picture.components)?.id
        view.queue = any(of: picture.queues)?.id
        view.task = any(of: picture.queues)?.status.tasks?.first?.name
        view.event = any(of: picture.events).map { EventKey($0) }
        view.filters[screen] = generator.pick([
            "", "", "a", "-a", "~a.*b~", "~[~", "kind:piece since:10s", "who:a|b", text(),
        ])
        view.queues.pane = generator.pick(QueuesState.Pane.allCases)
        view.queues.sorting = Sorting(
            generator.pick(QueuesState.Column.allCases),
            isDescending: generator.below(2) == 0
        )
        view.components.pane = generator.pick(ComponentsState.Pane.allCases)
        view.components.level = generator.pick(ComponentsState.Level.allCases)
        view.components.followsLog = generator.below(2) == 0
        view.components.logScroll = integer()
        view.components.wraps = generator.below(2) == 0
        if generator.below(2) == 0 { view.components.whatIf = ["o1", "gone"] }
        view.events.follows = generator.below(2) == 0
        view.events.wraps = generator.below(2) == 0
        view.zoneOffsetSeconds = generator.pick([0, 7200, -43_200])
        view.dialog = dialog(picture)
        return view
    }

    private mutating func dialog(_ picture: ClusterPicture) -> Dialog? {
        let choice = generator.pick([0, 1, 7, -3, 1000, .max, .min])
        switch generator.below(16) {
        case 0: return .help(scroll: choice)
        case 1:
            let names = picture.components.prefix(generator.below(9)).map(\.id)
            return .faultMenu(targets: names + [text()], choice: choice)
        case 2:
            let demanded = generator.below(2) == 0 ? nil : text()
            var question = Confirmation(
                intent: .quit,
                title: text(),
                lines: (0..<generator.below(5)).map { _ in text() },
                demanded: demanded
            )
            question.typed = demanded ?? text()
            question.isAccepted = generator.below(2) == 0
            return .confirm(question)
        case 3: return .pullMenu(choice: choice)
        case 4: return .quit(choice: choice)
        case 5: return .marks(choice: choice)
        case 6: return .concepts(choice: choice, isOpen: generator.below(2) == 0)
        case 7:
            let lines = (0..<generator.below(80)).map { _ in text() }
            return .text(title: text(), lines: lines, scroll: choice)
        default: return nil
        }
    }

    // MARK: - Parts

    private mutating func component(_ index: Int) -> ComponentRow {
        let kind = generator.pick(ComponentKind.allCases)
        let id = generator.below(20) == 0 ? text() : "\(kind.rawValue)-\(index)"
        var row = ComponentRow(id: id, shortName: "\(kind.rawValue.prefix(1))\(index)", kind: kind)
        row.freshness = generator.pick([
            .fresh, .fresh, .stale(seconds: number()), .down(seconds: number()), .limited,
        ])
        row.health = generator.pick(Health.allCases)
        if generator.below(3) == 0 { row.healthReason = text() }
        row.addresses = generator.below(3) == 0 ? [:] : ["http": "127.0.0.1:15000", text(): text()]
        (row.uptimeSeconds, row.completion) = (number(), number())
        (row.downloadRate, row.uploadRate) = (number(), number())
        (row.swarmCount, row.leechingCount, row.connectionCount) = (integer(), integer(), integer())
        row.counters = ["bytes_uploaded": integer(), text(): integer()]
        row.gauges = [text(): number(), "resident_bytes": number(), "a_seconds": number()]
        row.rates = ["bytes_uploaded": number()]
        row.latencies = (0..<generator.below(31)).map { _ in number() }
        if generator.below(2) == 0 {
            row.storage = StorageStatus(
                blobCount: integer(),
                blobBytes: integer(),
                unfinishedCount: integer()
            )
        }
        row.settings = (0..<generator.below(30)).map { _ in
            .init(key: text(), value: text(), isChanged: generator.below(2) == 0)
        }
        row.faults = (0..<generator.below(2)).map { _ in text() }
        return row
    }

    private mutating func queue() -> QueueRow {
        var status = QueueStatus(
            name: generator.pick(["write-back", "replication", text()]),
            target: generator.below(3) == 0 ? nil : text(),
            pendingCount: integer(),
            failedCount: integer(),
            doneCount: integer(),
            capacity: generator.below(2) == 0 ? nil : integer()
        )
        status.oldestSeconds = generator.below(2) == 0 ? nil : number()
        status.nextAttemptSeconds = generator.below(2) == 0 ? nil : number()
        status.lastError = text()
        if generator.below(3) > 0 {
            status.tasks = (0..<generator.below(20)).map { _ in
                .init(
                    name: generator.below(2) == 0 ? text() : Digest.random(&generator).description,
                    failureCount: integer(),
                    ageSeconds: number(),
                    nextAttemptSeconds: generator.below(2) == 0 ? nil : number(),
                    lastError: generator.below(2) == 0 ? nil : text()
                )
            }
        }
        var row = QueueRow(component: text(), status: status)
        row.doneLastMinute = integer()
        row.pendingHistory = (0..<generator.below(61)).map { _ in integer() }
        row.failedHistory = (0..<generator.below(61)).map { _ in integer() }
        return row
    }

    private mutating func ring() -> RingPicture {
        let count = generator.pick([0, 1, 3, 5, 40])
        return RingPicture(
            members: (0..<count).map { index in
                .init(
                    name: generator.below(5) == 0 ? text() : "o\(index)",
                    address: text(),
                    isHealthy: generator.below(2) == 0,
                    shards: generator.pick([nil, integer(), 1000, 20_000])
                )
            },
            replicasMax: integer()
        )
    }

    private mutating func blob() -> BlobRow {
        var row = BlobRow(digest: .random(&generator))
        row.label = text()
        (row.blobBytes, row.pieceBytes, row.pieceCount) = (integer(), integer(), integer())
        (row.done, row.rate, row.copies) = (number(), number(), number())
        row.secondsLeft = number()
        return row
    }

    private mutating func event() -> ClusterEvent {
        let kinds: [EventKind] = [
            .addTorrent, .addActiveConnection, .dropActiveConnection, .banConnection, .requestPiece,
            .receivePiece, .torrentComplete, .torrentCancelled, .connectionRejected,
            .requestExpired,
            .hashFailed, .duplicatePiece, .sendPiece, .announce, .announceFailed, .leave, .push,
            .pull, .blobCommitted, .blobEvicted, .tagPut, .writeBackFailed, .replicationDone,
            .membership, .health, .fault, EventKind(rawValue: text()),
        ]
        var event = ClusterEvent(generator.pick(kinds))
        event.component = generator.pick(["agent-1", "tracker-0", "", text()])
        event.sequence = generator.next()
        event.timestamp = time()
        func maybe<Value>(_ value: Value) -> Value? { generator.below(2) == 0 ? nil : value }
        event.peer = maybe(PeerID(randomFrom: &generator))
        event.localPeer = maybe(PeerID(randomFrom: &generator))
        event.blob = maybe(Digest.random(&generator))
        event.torrent = maybe(InfoHash(hashing: [1]))
        event.piece = maybe(integer())
        event.bytes = maybe(integer())
        event.tookMilliseconds = maybe(integer())
        event.durationMilliseconds = maybe(integer())
        event.reason = maybe(
            generator.pick(["rarest(availability: 5)", "noSlot", "a(\"b\")", text()])
        )
        event.detail = maybe([
            "peers": "\(integer())", "origins": "\(integer())", "seeders": "\(integer())",
            "conns": "\(integer())", "offered": text(), "slot": text(), "slots": text(),
            "to": text(),
            "bytes_from_agents": "\(integer())",
        ])
        return event
    }

    private mutating func time() -> Timestamp {
        generator.below(20) == 0
            ? extremeTime() : SamplePicture.second(-Double(generator.below(100_000)) / 1000)
    }

    private mutating func extremeTime() -> Timestamp {
        Timestamp(unixNanoseconds: generator.pick([-1, 1, -86_400_000_000_000, 1 << 62]))
    }

    private mutating func any<Elements: RandomAccessCollection>(
        of elements: Elements
    ) -> Elements.Element? {
        guard !elements.isEmpty else { return nil }
        return elements[
            elements.index(elements.startIndex, offsetBy: generator.below(elements.count))
        ]
    }

    mutating func number() -> Double {
        generator.pick([0, 0.5, 1, 1e9, -1, .nan, .infinity, -.infinity, 1e300, 1e-300, 41])
    }

    mutating func integer() -> Int {
        generator.pick([0, 1, 2, 48, 65_536, -1, .max, .min, 1 << 40])
    }

    mutating func text() -> String {
        generator.pick([
            "", "a", "demo/web:v42", "\u{1B}[2J\u{1B}[H", "漢字かな", "e\u{301}\u{200D}", "\u{202E}abc",
            "👩‍👩‍👧", String(repeating: "long ", count: 60), "tab\tnew\nline", "503 service unavailable",
            String(repeating: "x", count: 400), "ﷺ", "\0", "a b  c", "sha256:zz",
        ])
    }
}

// SPDX-License-Identifier: Apache-2.0

package import Content
import Telemetry

/// Makes pictures of samples: names peers, turns counters into rates, adds up.
///
/// Give it the samples of one cluster in the order of time. It keeps about a second of them to measure rates over.
package struct PictureBuilder: Sendable {
    private var picture = ClusterPicture()
    /// Samples of the last second, the oldest first.
    private var past: [PastSample] = []
    private var minute = MinuteLog()
    private var rows = BlobRows()
    private var labels: [Digest: String] = [:]
    private static let labelsMax = 20_000
    private var firstSeeds = FirstSeeds()
    private var flows = PieceFlows()
    /// Whether anybody told by which rules the swarms go.
    private var hasRules = false
    /// When images were pushed, and through whom, by their tags.
    private var pushes: [String: (at: Timestamp, by: String)] = [:]
    private let owners: Owners
    private let rankings: Rankings

    /// The members of a ring that own a blob, best first, whatever their health.
    package typealias Owners = @Sendable (Digest, RingPicture) -> [String]

    /// The members at these addresses, ranked for each shard; nil while that is not known. Called for each picture.
    package typealias Rankings = @Sendable ([String]) -> RingRankings?

    /// Components that were there, so that one that is gone can be shown as down.
    private var known: [String: ComponentRow] = [:]

    /// How far back rates look, in nanoseconds.
    private static let rateSpan: Int64 = 1_000_000_000
    /// After so many seconds without an answer a component counts as down; before that it is stale.
    package static let downAfterSeconds: Double = 10
    /// How many marks are kept.
    private static let marksMax = 50

    /// A builder for the cluster `name`.
    ///
    /// - Parameters:
    ///   - owners: tells whom of the ring's addresses a blob belongs to.
    ///   - rankings: ranks them for all blobs.
    package init(
        name: String,
        source: ClusterPicture.Source,
        owners: @escaping Owners = { _, _ in [] },
        rankings: @escaping Rankings = { _ in nil }
    ) {
        (self.owners, self.rankings) = (owners, rankings)
        (picture.name, picture.source) = (name, source)
    }

    /// The picture after `sample`; the swarm of `interest` in detail.
    package mutating func take(_ sample: Sample, interest: Interest) -> ClusterPicture {
        let now = sample.snapshot.takenAt
        let reference = past.first
        picture.takenAt = now
        takeComponents(sample, reference)
        takeEvents(sample)
        takeFaults(sample)
        if let rules = sample.rules { (picture.rules, hasRules) = (rules, true) }
        let context = SwarmContext(
            snapshot: sample.snapshot,
            names: picture.names,
            rows: known,
            reference: reference,
            now: now,
            flows: flows,
            rules: hasRules ? picture.rules : nil
        )
        picture.tags = sample.snapshot.components.compactMap(\.tags).flatMap(\.latest)
        takeImages(sample)
        picture.blobs = rows.update(context, labels: labels)
        let blob = interest.blob ?? picture.blobs.first(where: \.isActive)?.digest
        picture.swarm = blob.flatMap { context.swarm(of: $0, label: label(of: $0)) }
        takeQueues(sample, now)
        takeRing(sample)
        takeTotals(sample, reference, now)
        remember(sample, now)
        // Its time differs from the one before, if nothing else.
        picture.version &+= 1
        return picture
    }

    /// Layers are called by their image and place: `demo/web:v42 · 3/4`.
    private mutating func takeImages(_ sample: Sample) {
        for tag in picture.tags where labels[tag.digest] == nil { labels[tag.digest] = tag.tag }
        for image in sample.images {
            takeImage(image)
            labels[image.manifest] = image.reference
            if let config = image.config { labels[config] = "\(image.reference) · config" }
            for (index, layer) in image.layers.enumerated() where labels[layer] == nil {
                labels[layer] = "\(image.reference) · \(index + 1)/\(image.layers.count)"
            }
        }
        // Far more than are shown; better all anew than ever more.
        if labels.count > Self.labelsMax { labels = [:] }
    }

    private mutating func takeImage(_ image: ImageContent) {
        var row = ImageRow(image)
        if let push = pushes[image.reference] { (row.pushedAt, row.pushedBy) = push }
        picture.images.removeAll { $0.content.reference == image.reference }
        picture.images.append(row)
        if picture.images.count > ClusterPicture.imagesMax { picture.images.removeFirst() }
    }

    /// Notes when an image was pushed, and through whom.
    private mutating func takePush(_ event: ClusterEvent, _ who: String) {
        guard let tag = event.detail?["tag"] else { return }
        if pushes.count > ClusterPicture.imagesMax { pushes = [:] }
        pushes[tag] = (event.timestamp, who)
        for index in picture.images.indices where picture.images[index].content.reference == tag {
            (picture.images[index].pushedAt, picture.images[index].pushedBy) = (
                event.timestamp, who
            )
        }
    }

    private func label(of digest: Digest) -> String {
        picture.blobs.first { $0.digest == digest }?.label ?? ""
    }

    private mutating func remember(_ sample: Sample, _ now: Timestamp) {
        past.append(PastSample(sample.snapshot))
        while past.count > 1, now.unixNanoseconds - past[1].at.unixNanoseconds > Self.rateSpan {
            past.removeFirst()
        }
    }

    // MARK: - Components

    private mutating func takeComponents(_ sample: Sample, _ reference: PastSample?) {
        var counts: [ComponentKind: Int] = [:]
        for component in sample.snapshot.components { counts[component.kind, default: 0] += 1 }
        for row in known.values where sample.silence[row.id] != nil {
            if !sample.snapshot.components.contains(where: { $0.id == row.id }) {
                counts[row.kind, default: 0] += 1
            }
        }
        for component in sample.snapshot.components {
            let name = ShortNames.name(
                component.id,
                component.kind,
                count: counts[component.kind] ?? 1
            )
            var row =
                known[component.id]
                ?? ComponentRow(id: component.id, shortName: name, kind: component.kind)
            row.shortName = name
            row.take(component, reference: reference?.components[component.id])
            if let latency = sample.latencies[component.id] { row.take(latency: latency) }
            known[component.id] = row
        }
        let present = Set(sample.snapshot.components.map(\.id))
        known = known.filter { present.contains($0.key) || sample.silence[$0.key] != nil }
        for id in sample.limited { known[id]?.freshness = .limited }
        for (id, seconds) in sample.silence {
            known[id]?.freshness =
                seconds >= Self.downAfterSeconds
                ? .down(seconds: seconds) : .stale(seconds: seconds)
            known[id]?.healthReason = sample.problems[id]
            known[id]?.downloadRate = 0
            known[id]?.uploadRate = 0
        }
        picture.components = known.values.sorted(by: Self.precedes)
        for row in picture.components {
            if let peer = row.peerID { picture.names[peer] = row.shortName }
        }
    }

    private static let order: [ComponentKind] = [
        .proxy, .buildIndex, .tracker, .origin, .testfs, .agent,
    ]

    private static func precedes(_ left: ComponentRow, _ right: ComponentRow) -> Bool {
        if left.kind != right.kind {
            return (order.firstIndex(of: left.kind) ?? 0) < (order.firstIndex(of: right.kind) ?? 0)
        }
        if left.id.count != right.id.count { return left.id.count < right.id.count }
        return left.id < right.id
    }

    // MARK: - Events

    private mutating func takeEvents(_ sample: Sample) {
        flows.take(sample)
        picture.events.append(sample.events)
        picture.events.droppedCount += sample.droppedEvents
        picture.logs.lines.append(contentsOf: sample.logs)
        let surplus = picture.logs.lines.count - LogWindow.linesMax
        if surplus > 0 { picture.logs.lines.removeFirst(surplus) }
        for event in sample.events {
            if let peer = event.localPeer, picture.names[peer] == nil,
                let row = known[event.component]
            {
                picture.names[peer] = row.shortName
            }
            takeMark(event)
            if event.kind == .torrentComplete, let took = event.tookMilliseconds {
                minute.pulled(seconds: Double(took) / 1000)
            }
        }
        if picture.marks.count > Self.marksMax {
            picture.marks.removeFirst(picture.marks.count - Self.marksMax)
        }
    }

    /// Marks the moment of `event`, unless it is one like any other.
    private mutating func takeMark(_ event: ClusterEvent) {
        let who = known[event.component]?.shortName ?? event.component
        var label = ""
        switch event.kind {
        case .push:
            // Of the blobs of an image nothing is marked, only of its tag.
            guard event.detail?["tag"] != nil || event.detail?["repository"] == nil else {
                return
            }
            label = "push"
            takePush(event, who)
            firstSeeds.begin()
        case .torrentComplete:
            guard let torrent = event.torrent, known[event.component]?.kind == .agent else {
                return
            }
            let row = picture.blobs.first { $0.infoHash == torrent }
            let bytes = event.bytes ?? row?.blobBytes ?? 0
            guard firstSeeds.take(torrent, bytes: bytes) else { return }
            // That of a larger layer says more than that of a small one before it.
            if let old = firstSeeds.mark { picture.marks.removeAll { $0 == old } }
            label = "first seed \(who)"
            firstSeeds.mark = TimeMark(at: event.timestamp, label: label)
        case .lesson:
            label = "lesson"
            picture.lesson = TimeMark(at: event.timestamp, label: event.reason ?? "")
        case .fault: label = event.reason ?? event.detail?["fault"] ?? "fault \(who)"
        default: return
        }
        let mark = TimeMark(at: event.timestamp, label: label)
        // What is done to several at once is one moment.
        if let last = picture.marks.last, last.label == label,
            abs(mark.at.seconds(since: last.at)) < Self.momentSeconds
        {
            return
        }
        picture.marks.append(mark)
    }

    /// Marks of the same words this close together are one.
    private static let momentSeconds = 0.5

    private mutating func takeFaults(_ sample: Sample) {
        picture.faults = sample.faults
    }

    // MARK: - Queues, ring

    private mutating func takeQueues(_ sample: Sample, _ now: Timestamp) {
        var before: [String: QueueRow] = [:]
        for row in picture.queues { before[row.id] = row }
        let holders = OriginHolders(sample.snapshot, known)
        let isNewSecond = minute.isNewSecond(now)
        picture.queues = sample.snapshot.components.flatMap { component in
            (component.queues ?? []).map { status in
                let fresh = QueueRow(component: component.id, status: status)
                var row = before[fresh.id] ?? fresh
                row.status = status
                if isNewSecond {
                    row.pendingHistory.append(status.pendingCount)
                    row.failedHistory.append(status.failedCount)
                    if row.pendingHistory.count > QueueRow.historyCount {
                        row.pendingHistory.removeFirst()
                        row.failedHistory.removeFirst()
                    }
                }
                row.otherHolders = holders.others(than: component.id, of: status)
                row.doneLastMinute = minute.done(row.id, status.doneCount, isNewSecond: isNewSecond)
                return row
            }
        }
    }

    private mutating func takeRing(_ sample: Sample) {
        let rings = sample.snapshot.components.filter { $0.kind == .origin }.compactMap(\.ring)
        guard let ring = rings.first(where: { $0.kind == .origin }) else { return }
        var names: [String: String] = [:]
        for row in known.values where row.kind == .origin {
            for address in row.addresses.values { names[address] = row.shortName }
        }
        picture.ring = RingPicture(
            members: ring.members.map {
                RingPicture.Member(
                    name: names[$0.address] ?? $0.address,
                    address: $0.address,
                    isHealthy: $0.isHealthy,
                    shards: $0.shardCount
                )
            },
            replicasMax: ring.replicasMax
        )
        picture.ring?.rankings = rankings(ring.members.map(\.address))
        guard let blob = picture.swarm?.digest, var owned = picture.ring else { return }
        let addresses = owners(blob, owned).prefix(ring.replicasMax)
        owned.owned = blob
        owned.owners = addresses.compactMap { address in
            owned.members.firstIndex { $0.address == address }
        }
        picture.ring = owned
    }

    // MARK: - Totals

    private mutating func takeTotals(
        _ sample: Sample,
        _ reference: PastSample?,
        _ now: Timestamp
    ) {
        var totals = Totals()
        let agents = picture.components.filter { $0.kind == .agent }
        let origins = picture.components.filter { $0.kind == .origin }
        totals.downloadRate = agents.reduce(0) { $0 + $1.downloadRate }
        totals.agentUploadRate = agents.reduce(0) { $0 + $1.uploadRate }
        totals.originUploadRate = origins.reduce(0) { $0 + $1.uploadRate }
        let fromAgents = Self.sum("bytes_downloaded_from_agents", agents)
        let fromOrigins = Self.sum("bytes_downloaded_from_origins", agents)
        totals.downloadedBytes = fromAgents + fromOrigins
        totals.peakDownloadRate = max(picture.totals.peakDownloadRate, totals.downloadRate)
        totals.badPieces = Self.sum("pieces_bad", picture.components)
        totals.duplicatePieces = Self.sum("pieces_duplicate", picture.components)
        totals.announceRate = agents.reduce(0) { $0 + ($1.rates["announces"] ?? 0) }
        totals.pieceRate = agents.reduce(0) { $0 + ($1.rates["pieces_received"] ?? 0) }
        totals.connectionCount = agents.reduce(0) { $0 + $1.connectionCount }
        if hasRules {
            // One swarm may have so many at each of its peers.
            let swarms = agents.reduce(0) { $0 + $1.swarmCount }
            let most = swarms.multipliedReportingOverflow(by: picture.rules.connectionsMax)
            totals.connectionsMax = most.overflow || swarms == 0 ? nil : most.partialValue
        }
        totals.banCount = sample.snapshot.components.reduce(0) { sum, component in
            sum + (component.swarms ?? []).reduce(0) { $0 + ($1.bans?.count ?? 0) }
        }
        totals.pendingTasks = picture.queues.reduce(0) { $0 + $1.status.pendingCount }
        totals.failedTasks = picture.queues.reduce(0) { $0 + $1.status.failedCount }
        totals.oldestTaskSeconds = picture.queues.compactMap(\.status.oldestSeconds).max()
        totals.diskUsedBytes = picture.components.compactMap(\.storage?.blobBytes).reduce(0, +)
        totals.residentBytes = sample.process?.residentBytes
        totals.openFiles = sample.process?.openFiles
        totals.openFilesMax = sample.process?.openFilesMax
        minute.took(now, fromAgents, fromOrigins, Int(picture.events.totalCount))
        totals.agentShare = minute.agentShare
        totals.eventRate = minute.eventRate
        totals.pullSeconds = minute.percentiles
        picture.events.rates = minute.eventRates
        picture.totals = totals
        // Ten samples a second, however often samples come.
        let passed = Double(now.nanoseconds(since: past.last?.at ?? now)) / 1e8
        picture.series.append(
            times: min(max(1, Int(passed.rounded())), RateSeries.samplesMax),
            download: totals.downloadRate,
            originUpload: totals.originUploadRate,
            agentUpload: totals.agentUploadRate,
            queued: Double(totals.pendingTasks + totals.failedTasks)
        )
    }

    private static func sum(_ counter: String, _ rows: [ComponentRow]) -> Int {
        rows.reduce(0) { $0 &+ ($1.counters[counter] ?? 0) }
    }
}

/// A snapshot of a while ago, to measure rates from.
struct PastSample: Sendable {
    let at: Timestamp
    let components: [String: ComponentSnapshot]

    init(_ snapshot: ClusterSnapshot) {
        at = snapshot.takenAt
        var components: [String: ComponentSnapshot] = [:]
        for component in snapshot.components { components[component.id] = component }
        self.components = components
    }
}

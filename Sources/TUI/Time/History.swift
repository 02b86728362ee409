// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The last minute of a cluster: what it looked like at any moment of it.
///
/// One picture a second is kept; the events between turn it into any moment in between. The events themselves are kept once,
/// in the latest picture.
package struct History: Sendable {
    /// The latest picture.
    package private(set) var latest = ClusterPicture()
    /// How many seconds are kept.
    package var spanSeconds: Double { didSet { spanSeconds = Self.clamped(spanSeconds) } }
    /// Pictures about a second apart, the oldest first, without events and log.
    private var keys: [ClusterPicture] = []
    private var samples: [Timeline.Sample] = []

    /// How many seconds are kept unless told otherwise.
    package static let spanSecondsDefault: Double = 60
    private static let keySeconds: Double = 1
    /// Events that came late are looked for so many places around where they should be.
    private static let disorderMax = 256

    /// An empty history of `spanSeconds`, one second to an hour.
    package init(spanSeconds: Double = History.spanSecondsDefault) {
        self.spanSeconds = Self.clamped(spanSeconds)
    }

    private static func clamped(_ seconds: Double) -> Double {
        seconds.isFinite ? min(max(1, seconds), 3600) : spanSecondsDefault
    }

    /// The moments that can be shown; nil before the first picture.
    package var span: ClosedRange<Timestamp>? {
        guard let first = keys.first?.takenAt, first <= latest.takenAt else { return nil }
        return first...latest.takenAt
    }

    // MARK: - Taking pictures

    /// Takes the next picture; its events are those of the pictures before it and some more.
    package mutating func append(_ picture: ClusterPicture) {
        latest = picture
        guard !picture.isEmpty else { return }
        let now = picture.takenAt
        // After the clock was set back, what lies ahead of it never was.
        while let last = keys.last, last.takenAt > now { keys.removeLast() }
        while let last = samples.last, last.at > now { samples.removeLast() }
        if keys.last.map({ now.seconds(since: $0.takenAt) >= Self.keySeconds }) ?? true {
            keys.append(picture.asKey)
        }
        let start = now.later(bySeconds: -spanSeconds)
        while keys.count > 1, keys[1].takenAt <= start { keys.removeFirst() }
        takeSample(picture, from: start)
        latest.timeline = timeline
    }

    private mutating func takeSample(_ picture: ClusterPicture, from start: Timestamp) {
        let gap = spanSeconds / Double(Timeline.samplesMax)
        let now = picture.takenAt
        if samples.last.map({ now.seconds(since: $0.at) >= gap }) ?? true {
            samples.append(Timeline.Sample(at: now, rate: picture.totals.downloadRate))
        }
        let surplus = samples.firstIndex { $0.at >= start } ?? 0
        samples.removeFirst(max(surplus, samples.count - Timeline.samplesMax))
    }

    private var timeline: Timeline {
        var timeline = Timeline()
        timeline.first = keys.first?.takenAt ?? latest.takenAt
        (timeline.now, timeline.events) = (latest.takenAt, latest.events)
        timeline.samples = samples
        return timeline
    }

    // MARK: - Other moments

    /// What the cluster looked like at `time`: the last picture kept by then, and what happened since.
    package func picture(at time: Timestamp) -> ClusterPicture {
        var moment = ShownMoment()
        return moment.picture(of: self, at: time)
    }

    /// The moment that is shown when `time` is asked for, and the kept picture that it follows from; nil when that is now.
    func origin(of time: Timestamp) -> (time: Timestamp, key: ClusterPicture)? {
        guard time < latest.takenAt, let first = keys.first else { return nil }
        let time = max(time, first.takenAt)
        return (time, keys.last { $0.takenAt <= time } ?? first)
    }

    /// `key` brought forward to `time` by the events between.
    func folded(_ key: ClusterPicture, to time: Timestamp) -> ClusterPicture {
        var fold = Fold(key)
        for event in events(after: key.takenAt, through: time) { fold.apply(event) }
        return fold.finished(at: time)
    }

    /// `folded` with what is known now of the time around it.
    func framed(_ folded: ClusterPicture) -> ClusterPicture {
        var picture = folded
        let time = folded.takenAt
        picture.events = latest.events.ending(before: latest.events.firstIndex(after: time))
        picture.events.rates = folded.events.rates
        picture.logs = latest.logs.ending(at: time)
        (picture.marks, picture.lesson) = (latest.marks, latest.lesson)
        picture.timeline = latest.timeline
        return picture
    }

    /// The events of (`start`, `end`] in the order of time.
    private func events(after start: Timestamp, through end: Timestamp) -> [ClusterEvent] {
        let all = latest.events
        let lower = max(0, all.firstIndex(after: start) - Self.disorderMax)
        let upper = min(all.count, all.firstIndex(after: end) + Self.disorderMax)
        guard lower < upper else { return [] }
        let found = (lower..<upper).lazy.map { all[$0] }
            .filter { $0.timestamp > start && $0.timestamp <= end }
        return found.enumerated()
            .sorted { ($0.element.timestamp, $0.offset) < ($1.element.timestamp, $1.offset) }
            .map(\.element)
    }

    // MARK: - Stepping

    /// The moment of the `count`-th event after `time`, or before it for a negative count; fewer steps where there are not so
    /// many events; nil where there is none.
    ///
    /// - Parameter peer: the short name of the peer whose events count; nil counts everybody's.
    package func step(
        from time: Timestamp,
        by count: Int,
        following peer: String? = nil
    ) -> Timestamp? {
        let all = latest.events
        let filter = StoryFilter(following: peer, in: latest)
        let first = keys.first?.takenAt ?? latest.takenAt
        var (at, found) = (time, Timestamp?.none)
        var index = count > 0 ? all.firstIndex(after: time) : all.firstIndex(after: time) - 1
        var left = min(count.magnitude, UInt(all.count))
        while left > 0, all.indices.contains(index) {
            let event = all[index]
            index += count > 0 ? 1 : -1
            let isFurther = count > 0 ? event.timestamp > at : event.timestamp < at
            guard isFurther, event.timestamp >= first, filter.matches(event) else { continue }
            (at, found) = (event.timestamp, event.timestamp)
            left -= 1
        }
        return found
    }

    /// The event called `key`; nil when it is no longer kept.
    package func event(_ key: EventKey) -> ClusterEvent? {
        latest.events.last { $0.sequence == key.sequence && $0.component == key.component }
    }
}

extension ClusterPicture {
    /// The picture without what the latest one has anyway.
    fileprivate var asKey: ClusterPicture {
        var key = self
        key.events = EventWindow()
        key.events.rates = events.rates
        (key.logs, key.marks, key.timeline) = (LogWindow(), [], Timeline())
        key.lesson = nil
        return key
    }
}

extension LogWindow {
    /// The lines up to `time`.
    fileprivate func ending(at time: Timestamp) -> LogWindow {
        guard let last = lines.last, last.at > time else { return self }
        var (low, high) = (0, lines.count)
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].at <= time { low = middle + 1 } else { high = middle }
        }
        var window = self
        window.lines = Array(lines.prefix(low))
        return window
    }
}

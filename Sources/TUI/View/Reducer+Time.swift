// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// How the shown moment changes.
extension Reducer {
    /// The speeds between which keys step.
    static let speeds: [Double] = [1, 0.5, 0.2, 0.1, 0.02]

    mutating func tick(_ now: Timestamp) {
        if let toast = view.toast, now >= toast.until { view.toast = nil }
        let before = view.time.lastTick ?? now
        view.time.lastTick = now
        stopForLesson(now)
        guard let at = view.time.at, view.time.speed > 0 else { return }
        // A clock that was set back moves nothing.
        let passed = Double(max(0, now.unixNanoseconds &- before.unixNanoseconds))
        let next = at.unixNanoseconds &+ Int64(min(passed * view.time.speed, 1e15))
        // What was in slow motion has caught up.
        view.time.at = next >= now.unixNanoseconds ? nil : Timestamp(unixNanoseconds: next)
        if view.time.isLive { view.time.speed = 0 }
    }

    /// How long the view stands still at a moment of a lesson, unless somebody takes over.
    static let lessonSeconds = 8.0
    /// Moments that lie further back were there before this view was.
    private static let lessonAgeMax = 3 * lessonSeconds

    /// Stops the view, never the cluster, where a lesson has something to show; goes on by itself when nobody touched a key.
    private mutating func stopForLesson(_ now: Timestamp) {
        if let resumesAt = view.time.resumesAt {
            guard now >= resumesAt else { return }
            changeTime(.live)
        }
        guard let lesson = history.latest.lesson, lesson != view.time.lesson else { return }
        view.time.lesson = lesson
        guard view.time.isLive, now.seconds(since: lesson.at) < Self.lessonAgeMax else { return }
        (view.time.at, view.time.speed) = (min(lesson.at, now), 0)
        let end = now.unixNanoseconds &+ Int64(Self.lessonSeconds * 1e9)
        view.time.resumesAt = Timestamp(unixNanoseconds: end)
        show(lesson.label + "  (space goes on)")
    }

    mutating func changeTime(_ intent: Intent) {
        switch intent {
        case .pause: pause()
        case .live: (view.time.at, view.time.speed, view.time.resumesAt) = (nil, 0, nil)
        case .slower: changeSpeed(by: 1)
        case .faster: changeSpeed(by: -1)
        case .speed(let speed): setSpeed(speed)
        case .step(let count): step(count)
        case .seek(let seconds): seek(seconds)
        case .goTo(let nanoseconds): go(to: Timestamp(unixNanoseconds: nanoseconds))
        case .mark(let label): mark(label)
        case .listMarks: view.dialog = .marks(choice: 0)
        default: break
        }
    }

    private mutating func pause() {
        if view.time.isLive {
            (view.time.at, view.time.speed) = (now, 0)
        } else if view.time.isPaused, view.time.playSpeed < 1 {
            view.time.speed = view.time.playSpeed
        } else {
            (view.time.at, view.time.speed) = (nil, 0)
        }
    }

    private mutating func changeSpeed(by steps: Int) {
        let index = Self.speeds.firstIndex { $0 <= view.time.playSpeed } ?? 0
        setSpeed(Self.speeds[min(max(0, index + steps), Self.speeds.count - 1)])
    }

    private mutating func setSpeed(_ speed: Double) {
        guard speed.isFinite, speed > 0 else { return show("a speed is above 0", isError: true) }
        view.time.playSpeed = min(speed, 1)
        if view.time.playSpeed == 1 {
            // At full speed the view can't catch up: it goes back to now.
            (view.time.at, view.time.speed) = (nil, 0)
            show("at full speed, live")
        } else {
            view.time.at = view.time.at ?? now
            view.time.speed = view.time.playSpeed
        }
    }

    private mutating func step(_ count: Int) {
        let from = view.time.at ?? now
        let peer = view.screen == .explain ? view.peer : nil
        guard let to = history.step(from: from, by: count, following: peer) else {
            return show(count > 0 ? "no later event" : "no earlier event is kept")
        }
        (view.time.at, view.time.speed) = (to, 0)
    }

    private mutating func seek(_ seconds: Double) {
        guard seconds.isFinite, abs(seconds) < 1e9 else { return }
        let from = (view.time.at ?? now).unixNanoseconds
        go(to: Timestamp(unixNanoseconds: from &+ Int64(seconds * 1e9)))
    }

    mutating func go(to time: Timestamp) {
        guard time < now else { return changeTime(.live) }
        let first = history.span?.lowerBound ?? time
        (view.time.at, view.time.speed) = (max(first, time), 0)
    }

    private mutating func mark(_ label: String?) {
        let at = view.time.at ?? now
        let text = label ?? "mark \(view.marks.count + 1)"
        view.marks.append(TimeMark(at: at, label: text.oneColumnPerScalar))
        if view.marks.count > ViewState.commandsMax { view.marks.removeFirst() }
        show("marked this moment as “\(text)”; ' lists the marks")
    }

    /// Every mark, the oldest first.
    static func marks(_ scene: Scene) -> [TimeMark] {
        (scene.picture.marks + scene.view.marks).sorted { $0.at < $1.at }
    }
}

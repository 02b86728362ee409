// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Synchronization
import TUI
import Telemetry

/// Looks at components that run elsewhere: asks each for its status once a second and reads its stream of events.
struct RemoteSampler: PictureSource {
    /// The pause between two looks, and what it grows to while a component does not answer.
    private static let interval = Duration.seconds(1)
    private static let intervalMax = Duration.seconds(5)
    /// How long a component may take to answer.
    private static let answerTimeout = Duration.seconds(5)
    /// A stream of events is begun anew after so long at the latest.
    private static let streamTimeout = Duration.hours(24)
    /// Bytes of the largest event that is read.
    private static let eventBytesMax = 1 << 20

    private let components: [RemoteComponent]
    private let client: HTTPClient
    private let images: ImageDirectory
    private let logs: Logs?

    /// Network-event logs, and the threads that read them.
    struct Logs: Sendable {
        let files: EventLogs
        let pool: BlockingPool
    }

    /// Looks at the components at `urls`, such as `http://127.0.0.1:16002`.
    ///
    /// - Parameter logs: what is known of swarms whose components do not tell.
    init(urls: [String], client: HTTPClient, images: ImageDirectory, logs: Logs? = nil) {
        components = urls.map(RemoteComponent.init)
        (self.client, self.images, self.logs) = (client, images, logs)
    }

    func run(take: (Sample) -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            for component in components {
                group.addTask { await poll(component) }
                group.addTask { await follow(component) }
            }
            while !Task.isCancelled {
                await readLogs()
                take(sample())
                // The rate is the point: there is no event to wait for.
                try? await Task.sleep(for: Self.interval)
            }
            group.cancelAll()
        }
        await images.stop()
    }

    private func sample() -> Sample {
        var sample = Sample(snapshot: ClusterSnapshot(components: []))
        for component in components { component.add(to: &sample) }
        logs?.files.add(to: &sample)
        sample.events.sort { $0.timestamp < $1.timestamp }
        sample.images = images.update(sample.snapshot)
        return sample
    }

    private func readLogs() async {
        guard let logs else { return }
        // A log that is being exchanged is there with the next look.
        try? await logs.pool.run { try logs.files.read() }
    }

    // MARK: - Status

    private func poll(_ component: RemoteComponent) async {
        var pause = Self.interval
        while !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                var snapshot = try await status(of: component)
                snapshot.settings = await settings(of: component, now: snapshot)
                component.answered(snapshot, after: begin.duration(to: .now))
                pause = Self.interval
            } catch is CancellationError {
                return
            } catch {
                component.failed("\(error)")
                pause = min(pause * 2, Self.intervalMax)
            }
            // Components do not tell when their numbers change: they are asked at a rate.
            try? await Task.sleep(for: pause)
        }
    }

    private func status(of component: RemoteComponent) async throws -> ComponentSnapshot {
        let url = component.url
        let timeout = Self.answerTimeout
        if let snapshot = try await ComponentStatus.ask(
            url,
            client,
            within: timeout,
            retry: .never
        ) {
            return snapshot
        }
        return try await health(of: component)
    }

    /// Its configuration, asked for when it is new, was restarted, or was not asked for a while; nil when it does not tell.
    private func settings(
        of component: RemoteComponent,
        now: ComponentSnapshot
    ) async -> [SettingStatus]? {
        guard !component.isLimited else { return nil }
        if let known = component.settings(at: now.uptimeSeconds) { return known }
        let request = ClientRequest(
            .get,
            component.url + "/config",
            timeout: Self.answerTimeout,
            acceptedStatuses: [200, 404],
            retry: .never
        )
        // One that can't be asked now is asked again with the next look; its status has just come.
        guard let answer = try? await client.collect(request, upTo: Self.settingsBytesMax),
            answer.response.status.code == 200,
            let settings = try? TelemetryJSON.decode(
                [SettingStatus].self,
                from: answer.body.readableBytesView
            )
        else { return nil }
        component.took(settings, at: now.uptimeSeconds)
        return settings
    }

    private static let settingsBytesMax = 1 << 20

    /// What is known of a component without a status, such as one of Kraken's own: whether it lives.
    private func health(of component: RemoteComponent) async throws -> ComponentSnapshot {
        let request = ClientRequest(
            .get,
            component.url + "/health",
            timeout: Self.answerTimeout,
            retry: .never
        )
        _ = try await client.collect(request, upTo: 4096)
        component.isLimited = true
        return ComponentSnapshot(
            kind: .agent,
            id: component.address,
            health: .ok,
            addresses: ["http": component.address]
        )
    }

    // MARK: - Events

    private func follow(_ component: RemoteComponent) async {
        while !Task.isCancelled {
            do {
                try await read(component)
            } catch is CancellationError {
                return
            } catch {
                // The status says why it does not answer.
            }
            // Nobody tells when it is back.
            try? await Task.sleep(for: component.isLimited ? Self.intervalMax : Self.interval)
        }
    }

    private func read(_ component: RemoteComponent) async throws {
        var headers: HTTPFields = [.accept: "text/event-stream"]
        if let last = component.lastEventID { headers[.lastEventID] = last }
        let request = ClientRequest(
            .get,
            component.url + "/events",
            headers: headers,
            timeout: Self.streamTimeout,
            retry: .never
        )
        var parser = EventStreamParser(bytesMax: Self.eventBytesMax)
        for try await part in try await client.send(request).body {
            component.take(parser.feed(part.readableBytesView))
        }
    }
}

/// What is known of one component that runs elsewhere.
final class RemoteComponent: Sendable {
    let url: String

    private struct State {
        var snapshot: ComponentSnapshot?
        var answeredAt: ContinuousClock.Instant?
        var problem: String?
        var latency: Double?
        var events: [ClusterEvent] = []
        var dropped: UInt64 = 0
        var lastEventID: String?
        var isLimited = false
        var settings: [SettingStatus]?
        /// How long it was up when it told them.
        var settingsUptime: Double = 0
    }
    private let state = Mutex(State())

    /// Events kept between two samples.
    private static let eventsMax = 20_000
    /// A component is behind when it has not answered for so long.
    private static let staleAfter = Duration.seconds(3)

    init(_ url: String) { self.url = url }

    /// Its `host:port`, which names it until it says its name.
    var address: String { url.split(separator: "/").last.map(String.init) ?? url }

    var lastEventID: String? { state.withLock { $0.lastEventID } }
    var isLimited: Bool {
        get { state.withLock { $0.isLimited } }
        set { state.withLock { $0.isLimited = newValue } }
    }

    func answered(_ snapshot: ComponentSnapshot, after latency: Duration) {
        state.withLock { state in
            (state.snapshot, state.answeredAt, state.problem) = (snapshot, .now, nil)
            state.latency = latency.seconds * 1000
        }
    }

    /// What it said of its configuration, unless that is old, or of another life.
    func settings(at uptime: Double) -> [SettingStatus]? {
        state.withLock { state in
            let age = uptime - state.settingsUptime
            return age >= 0 && age < Self.settingsSeconds ? state.settings : nil
        }
    }

    /// A configuration may be replaced while it runs: it is asked for again after so long.
    private static let settingsSeconds: Double = 15

    /// It said this of its configuration.
    func took(_ settings: [SettingStatus], at uptime: Double) {
        state.withLock { ($0.settings, $0.settingsUptime) = (settings, uptime) }
    }

    func failed(_ why: String) { state.withLock { $0.problem = why } }

    /// Takes messages of its stream of events.
    func take(_ messages: [EventStreamParser.Message]) {
        state.withLock { state in
            for message in messages {
                state.lastEventID = message.lastID ?? state.lastEventID
                if message.event == "dropped" {
                    // A count that can't be read is as good as none.
                    let document = try? JSON(parsing: message.data)
                    state.dropped += UInt64(max(0, document?["dropped_count"]?.integer ?? 0))
                } else {
                    take(message.data, &state)
                }
            }
            let surplus = state.events.count - Self.eventsMax
            if surplus > 0 {
                state.events.removeFirst(surplus)
                state.dropped += UInt64(surplus)
            }
        }
    }

    private func take(_ data: [UInt8], _ state: inout State) {
        do {
            state.events.append(try TelemetryJSON.decode(ClusterEvent.self, from: data))
        } catch {
            // An event that can't be read is as good as one that was lost.
            state.dropped += 1
        }
    }

    /// Adds what is known, and what has happened since the last time, to `sample`.
    func add(to sample: inout Sample) {
        state.withLock { state in
            sample.events += state.events
            sample.droppedEvents += state.dropped
            (state.events, state.dropped) = ([], 0)
            guard let snapshot = state.snapshot, let answeredAt = state.answeredAt else {
                var unknown = ComponentSnapshot(kind: .agent, id: address, health: .starting)
                unknown.healthReason = state.problem
                sample.snapshot.components.append(unknown)
                return
            }
            sample.snapshot.components.append(snapshot)
            sample.latencies[snapshot.id] = state.latency
            let silent = answeredAt.duration(to: .now)
            if silent > Self.staleAfter {
                sample.silence[snapshot.id] = silent.seconds
                sample.problems[snapshot.id] = state.problem
            }
            if state.isLimited { sample.limited.insert(snapshot.id) }
        }
    }
}

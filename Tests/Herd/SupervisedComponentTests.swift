// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Logging
import Primitives
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import Herd

@Suite("Supervised component") struct SupervisedComponentTests {
    private static let planned = PlannedComponent(
        kind: .tracker,
        index: 0,
        sockets: [:],
        directory: "/nowhere"
    )
    /// Bootstraps logging, so there is one for the process.
    static let resources = ProcessResources.start(logLevel: .critical)

    /// A component that serves until it is stopped, or fails in the ways a test asks for.
    private struct Component: Service {
        let environment: ComponentEnvironment
        let failure: Failure?
        let isReadyFirst: Bool

        func run() async throws {
            if isReadyFirst { environment.onReady([:]) }
            if let failure { throw failure }
            let forever = AsyncStream<Void> { _ in }
            await withGracefulShutdownHandler {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { for await _ in forever {} }
                    group.addTask {
                        // Returns when the stop is asked for.
                        try? await gracefulShutdown()
                    }
                    await group.next()
                    group.cancelAll()
                }
            } onGracefulShutdown: {
            }
        }
    }

    private func supervised(
        _ lives: [(failure: Failure?, isReadyFirst: Bool)]
    ) -> SupervisedComponent {
        let life = Mutex(0)
        return SupervisedComponent(Self.planned, resources: Self.resources, seed: 1) {
            environment in
            let index = life.withLock { life in
                defer { life += 1 }
                return life
            }
            let (failure, isReadyFirst) = lives[min(index, lives.count - 1)]
            return Component(environment: environment, failure: failure, isReadyFirst: isReadyFirst)
        }
    }

    @Test("is ready when the component says so, and stops when asked", .timeLimit(.minutes(1)))
    func lifeCycle() async throws {
        let component = supervised([(nil, true)])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await component.run { _ in } }
            try await component.waitUntilReady()
            await component.stop()
            await component.waitUntilStopped()
            try await group.waitForAll()
        }
    }

    @Test("a first start that fails is reported and not repeated", .timeLimit(.minutes(1)))
    func firstStartFails() async throws {
        let component = supervised([(Failure("x", why: "the disk is gone"), false)])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await component.run { _ in } }
            let failure = await #expect(throws: Failure.self) {
                try await component.waitUntilReady()
            }
            #expect(failure?.why == "the disk is gone")
            await group.waitForAll()
        }
    }

    @Test("a component that fails later is started again", .timeLimit(.minutes(1)))
    func restarts() async throws {
        let component = supervised([(Failure("x", why: "it broke"), true), (nil, true)])
        let (changes, continuation) = AsyncStream<String>.makeStream(
            bufferingPolicy: .bufferingOldest(16)
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await component.run { change in
                    switch change {
                    case .ready: continuation.yield("ready")
                    case .failed(let why, _): continuation.yield(why)
                    case .held: continuation.yield("held")
                    }
                }
            }
            var seen: [String] = []
            for await change in changes {
                seen.append(change)
                if seen.count == 3 { break }
            }
            #expect(seen == ["ready", "it broke", "ready"])
            await component.stop()
            try await group.waitForAll()
        }
    }

    @Test("a stop ends the pause before a restart", .timeLimit(.minutes(1)))
    func stopDuringPause() async throws {
        let component = supervised([(Failure("x", why: "it broke"), true)])
        let (failures, continuation) = AsyncStream<Void>.makeStream(
            bufferingPolicy: .bufferingOldest(16)
        )
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await component.run { change in
                    if case .failed = change { continuation.yield() }
                }
            }
            var iterator = failures.makeAsyncIterator()
            await iterator.next()
            await component.stop()
            await group.waitForAll()
        }
    }

    @Test("pauses double up to the longest, and start over after a good run")
    func backoff() {
        var backoff = Backoff(generator: Generator(seed: 7))
        let pauses = (0..<12).map { _ in backoff.next() }
        for (index, pause) in pauses.enumerated() {
            let full = min(Duration.seconds(30), .milliseconds(500 << index))
            #expect(pause >= full / 2 && pause <= full, "pause \(index): \(pause)")
        }
        backoff.reset()
        #expect(backoff.next() <= .milliseconds(500))
    }
}

// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Synchronization
import Telemetry

/// Logs, once a minute at most, that a listener cannot accept connections, as when the process may open no more files.
final class AcceptAlarm: Sendable {
    private let log: Logger
    private let quietUntil = Mutex(NIODeadline.uptimeNanoseconds(0))

    /// The least time between two lines.
    private static let pause = TimeAmount.seconds(60)

    init(log: Logger) { self.log = log }

    /// A connection was not accepted because of `why`.
    func sound(_ why: String) {
        let now = NIODeadline.now()
        let isLoud = quietUntil.withLock { quietUntil in
            guard now >= quietUntil else { return false }
            quietUntil = now + Self.pause
            return true
        }
        if isLoud { log.error("cannot accept connections", metadata: [LogKey.error: "\(why)"]) }
    }

    /// Sounds for the failures of `listener` itself. NIO waits a second then and tries again, without a word; clients
    /// would see time-outs and nobody the cause.
    func watch(_ listener: any Channel) async {
        do {
            try await listener.eventLoop.submit {
                try listener.pipeline.syncOperations.addHandler(Ear(self), position: .first)
            }.get()
        } catch {
            // It is closed already: there will be no failures to report.
        }
    }

    private final class Ear: ChannelInboundHandler {
        typealias InboundIn = Any
        private let alarm: AcceptAlarm

        init(_ alarm: AcceptAlarm) { self.alarm = alarm }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            alarm.sound("\(error)")
            context.fireErrorCaught(error)
        }
    }
}

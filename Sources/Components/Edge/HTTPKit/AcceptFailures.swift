// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Telemetry

/// Logs that a listener cannot accept connections, as when the process may open no more files.
///
/// NIO waits a second then and tries again, without a word; clients would see time-outs and nobody the cause.
final class AcceptFailures: ChannelInboundHandler {
    typealias InboundIn = Any

    private let log: Logger
    private var quietUntil = NIODeadline.uptimeNanoseconds(0)

    /// The least time between two lines.
    private static let pause = TimeAmount.seconds(60)

    init(log: Logger) { self.log = log }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if NIODeadline.now() >= quietUntil {
            quietUntil = .now() + Self.pause
            log.error("cannot accept connections", metadata: [LogKey.error: "\(error)"])
        }
        context.fireErrorCaught(error)
    }

    /// Puts one in front of `listener`'s handlers.
    static func watch(_ listener: any Channel, log: Logger) async {
        do {
            try await listener.eventLoop.submit {
                try listener.pipeline.syncOperations.addHandler(
                    AcceptFailures(log: log),
                    position: .first
                )
            }.get()
        } catch {
            // It is closed already: there will be no failures to report.
        }
    }
}

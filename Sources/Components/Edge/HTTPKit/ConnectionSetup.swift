// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import Primitives
import TransportSecurity

/// Puts Hummingbird's HTTP/1.1 pipeline, with our handler in it, onto each connection.
struct ConnectionSetup: ServerChildChannel {
    /// A connection with both views of it.
    struct Value: ServerChildChannelValue {
        let parts: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
        let connection: ServerConnection
        var channel: any Channel { parts.channel }
    }

    private let http: HTTP1Channel
    private let table: ConnectionTable
    private let alarm: AcceptAlarm
    private let security: TransportSecurity?

    init(
        options: ServerOptions,
        table: ConnectionTable,
        alarm: AcceptAlarm,
        responder: @escaping HTTPChannelHandler.Responder
    ) {
        let timeouts = ConnectionTimeouts(options)
        let headBytesMax = options.limits.requestHeadBytesMax
        let security = options.security.flatMap { $0.settings.server == nil ? nil : $0 }
        let admission = security.map { ClientAdmission($0.settings) }
        http = HTTP1Channel(
            responder: responder,
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [
                    ConnectionHandler(timeouts: timeouts, admission: admission)
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: headBytesMax,
                    maxHeaderListSize: headBytesMax,
                    maxHeaderFieldCount: 128
                )
            )
        )
        (self.table, self.alarm, self.security) = (table, alarm, security)
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        if let security {
            do {
                try channel.pipeline.syncOperations.addHandler(SecureEntrance(security))
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }
        return http.setup(channel: channel, logger: logger).flatMapThrowing { parts in
            let handler = try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self)
            table.add(channel, handler.rest)
            if OpenFiles.isCrowded(by: channel) {
                alarm.sound("Too many open files; raise the limit (ulimit -n)")
                channel.close(promise: nil)
                table.makeRoom()
            }
            return Value(
                parts: parts,
                connection: ServerConnection(
                    handler: handler,
                    eventLoop: channel.eventLoop,
                    isEncrypted: security != nil
                )
            )
        }
    }

    func handle(value: Value, logger: Logger) async {
        await ServerConnection.$current.withValue(value.connection) {
            await http.handle(value: value.parts, logger: logger)
        }
    }
}

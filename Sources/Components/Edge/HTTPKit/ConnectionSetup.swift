// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Primitives
import TransportSecurity

/// Puts Hummingbird's HTTP/1.1 pipeline, with our handler in it, onto each connection.
struct ConnectionSetup: HTTPChannelHandler {
    /// A connection with both views of it.
    struct Value: ServerChildChannelValue {
        let parts: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
        let connection: ServerConnection
        var channel: any Channel { parts.channel }
    }

    let responder: HTTPChannelHandler.Responder
    private let timeouts: ConnectionTimeouts
    private let headBytesMax: Int
    private let admission: ClientAdmission?
    private let table: ConnectionTable
    private let alarm: AcceptAlarm
    private let security: TransportSecurity?

    private static let headersMax = 128
    /// Parts of requests that wait for their reader: the socket is read while there are fewer. A part of a large body has
    /// the buffer of a whole read, and with NIO's own limit of 10 that was most of the memory of a busy server. One has to be
    /// let wait: the end of a request is read after its answer only, and a client that goes away meanwhile must be seen.
    private static let partsWaitingMax = 2

    init(
        options: ServerOptions,
        table: ConnectionTable,
        alarm: AcceptAlarm,
        responder: @escaping HTTPChannelHandler.Responder
    ) {
        let security = options.security.flatMap { $0.settings.server == nil ? nil : $0 }
        timeouts = ConnectionTimeouts(options)
        headBytesMax = options.limits.requestHeadBytesMax
        admission = security.map { ClientAdmission($0.settings) }
        (self.responder, self.table, self.alarm) = (responder, table, alarm)
        self.security = security
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        if let security {
            do {
                try channel.pipeline.syncOperations.addHandler(SecureEntrance(security))
            } catch {
                return channel.eventLoop.makeFailedFuture(error)
            }
        }
        return channel.eventLoop.makeCompletedFuture {
            let handler = ConnectionHandler(timeouts: timeouts, admission: admission)
            let parts = try speakHTTP(on: channel, through: handler, logger)
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

    /// Hummingbird's pipeline for HTTP/1.1, with `handler` in it.
    private func speakHTTP(
        on channel: any Channel,
        through handler: ConnectionHandler,
        _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        let pipeline = channel.pipeline.syncOperations
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = headBytesMax
        limits.maxHeaderListSize = headBytesMax
        limits.maxHeaderFieldCount = Self.headersMax
        // What comes ahead of an answer waits in the channel below; errors are `handler`'s; our header types check themselves.
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withErrorHandling: false,
            withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: limits
        )
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandler(handler)
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel,
            configuration: .init(
                backPressureStrategy: .init(
                    lowWatermark: Self.partsWaitingMax,
                    highWatermark: Self.partsWaitingMax
                ),
                isOutboundHalfClosureEnabled: true
            )
        )
    }

    /// Runs on the connection's event loop, as does whatever answers its requests: they wait for that loop's sockets most of the
    /// time, and each hand-over to another thread and back costs more than what it is for.
    func handle(value: Value, logger: Logger) async {
        await withTaskExecutorPreference(value.connection.executor) {
            await ServerConnection.$current.withValue(value.connection) {
                await handleHTTP(asyncChannel: value.parts, logger: logger)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOSSL
import TransportSecurity

/// Stands first on a connection to a server that speaks TLS until the first byte tells what the client speaks: TLS goes on
/// with the certificate that is in force now, anything else gets an answer that can be read, and the connection ends.
final class SecureEntrance: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The first byte of every TLS connection: a record of type handshake.
    /// - Source: RFC 8446 §5.1.
    private static let handshakeRecord: UInt8 = 22

    private let security: TransportSecurity
    private var isRefused = false

    init(_ security: TransportSecurity) { self.security = security }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !isRefused, let first = bytes.readableBytesView.first else { return }
        guard first == Self.handshakeRecord else { return refuse(context) }
        guard let secure = security.serverContext else { return context.close(promise: nil) }
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(NIOSSLServerHandler(context: secure), position: .after(self))
        } catch {
            return context.fireErrorCaught(error)
        }
        context.fireChannelRead(data)
        pipeline.removeHandler(self, promise: nil)
    }

    /// As nginx answers, whose 400 Kraken's health checks know.
    private func refuse(_ context: ChannelHandlerContext) {
        isRefused = true
        let text = "400: this port speaks TLS; ask https:// instead of http://\n"
        let answer =
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
            + "Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)"
        let isSent = context.eventLoop.makePromise(of: Void.self)
        isSent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: isSent)
    }
}

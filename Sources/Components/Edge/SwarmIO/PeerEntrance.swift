// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import SwarmCore
import TransportSecurity

/// Stands first on a connection that a peer has opened until the first byte tells whether it speaks TLS.
final class PeerEntrance: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// The first byte of every TLS connection. A peer's own first byte is the highest of a message's length: this one would
    /// mean 369 MB, more than any message may have.
    /// - Source: RFC 8446 §5.1; reference/kraken-p2p.md §2.
    private static let handshakeRecord: UInt8 = 22

    private let context: NIOSSLContext
    private let letsInPlain: Bool

    init(_ context: NIOSSLContext, letsInPlain: Bool) {
        (self.context, self.letsInPlain) = (context, letsInPlain)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let first = unwrapInboundIn(data).readableBytesView.first else { return }
        let pipeline = context.pipeline.syncOperations
        do {
            if first == Self.handshakeRecord {
                try pipeline.addHandlers(
                    [NIOSSLServerHandler(context: self.context), FileRegionReader()],
                    position: .after(self)
                )
            } else if !letsInPlain {
                throw PeerProtocolError("the peer speaks in the open, and peer_tls requires TLS")
            }
        } catch {
            return context.fireErrorCaught(error)
        }
        context.fireChannelRead(data)
        pipeline.removeHandler(self, promise: nil)
    }
}

extension Channel {
    /// Whether the connection is encrypted; on its event loop.
    var isEncrypted: Bool { encryption != nil }

    private var encryption: NIOSSLHandler? {
        let pipeline = pipeline.syncOperations
        // That there is no such handler is the answer.
        if let handler = try? pipeline.handler(type: NIOSSLServerHandler.self) { return handler }
        // As above.
        return try? pipeline.handler(type: NIOSSLClientHandler.self)
    }

    /// The peer ids, in hexadecimal digits, that the other end's certificate is bound to.
    /// - Throws: when the certificate can't be read.
    var certifiedPeers: Set<String> {
        get throws {
            guard let certificate = encryption?.peerCertificate else { return [] }
            return Set(try PeerIdentity.ids(in: certificate))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import SwarmCore

/// The driver's end of one peer connection: hands each read to it, on the loop they share.
///
/// All state is the driver's, so this holds none; entering the driver costs no hop and happens once per read.
final class PeerChannelHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let connection: ConnectionID
    private let driver: SwarmDriver

    init(_ connection: ConnectionID, of driver: SwarmDriver) {
        (self.connection, self.driver) = (connection, driver)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        let connection = connection
        let isKept = driver.assumeIsolated { $0.read(buffer, from: connection) }
        if !isKept { ReceiveBuffers.giveBack(buffer) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let connection = connection
        driver.assumeIsolated { $0.connectionEnded(connection, reason: "closed by the peer") }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let (connection, reason) = (connection, "\(error)")
        // Who has no certificate that can be believed is not who it says.
        let isFault = error is NIOSSLError || error is BoringSSLError
        driver.assumeIsolated { $0.connectionEnded(connection, reason: reason, isFault: isFault) }
        context.close(promise: nil)
    }
}

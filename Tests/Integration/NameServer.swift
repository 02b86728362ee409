// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A name server of the test's own, at port 53 of a loopback address, that knows one name or says that it can't.
final class NameServer: Sendable {
    /// Where it listens, for `/etc/resolv.conf`.
    let address: String
    private let answer = Mutex(Answer.failure)
    private let channel: any Channel

    /// What it says of whatever name it is asked for.
    enum Answer: Sendable {
        /// It has these IPv4 addresses.
        case addresses([String])
        /// SERVFAIL.
        case failure
        /// Nothing at all.
        case silence
    }

    private init(_ address: String, _ channel: any Channel, _ handler: Handler) {
        (self.address, self.channel) = (address, channel)
        handler.server.withLock { $0 = self }
    }

    /// Starts one.
    static func start() async throws -> NameServer {
        // One of 16 million, so that nobody else's is met.
        let address =
            "127.\((0..<3).map { _ in "\(Int.random(in: 1...254))" }.joined(separator: "."))"
        let handler = Handler()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(handler) }
            .bind(host: address, port: 53).get()
        return NameServer(address, channel, handler)
    }

    /// Changes what it says from now on.
    func say(_ answer: Answer) { self.answer.withLock { $0 = answer } }

    /// Ends it.
    func stop() async throws { try await channel.close() }

    /// The words that start a program that asks this server, and it alone; `folder` is the test's.
    func launcher(in folder: URL) throws -> [String] {
        let file = folder.appending(path: "resolv.conf")
        try "nameserver \(address)\noptions timeout:1 attempts:1\n".write(
            to: file,
            atomically: true,
            encoding: .utf8
        )
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""
        return ["unshare", "--mount", "sh", "-c", script, file.path]
    }

    /// Whether this user may start one.
    static var isPermitted: Bool { geteuid() == 0 }

    /// The answer to `query`; nil for none.
    /// - Source: RFC 1035 §4.1.
    private func reply(to query: [UInt8]) -> [UInt8]? {
        guard query.count > 16, let end = query[12...].firstIndex(of: 0), end + 4 < query.count
        else { return nil }
        let question = query[12...(end + 4)]
        // A record of another type than A there is none of.
        let asksForIPv4 = query[end + 2] == 1
        var records: [[UInt8]] = []
        var code: UInt8 = 0
        switch answer.withLock({ $0 }) {
        case .silence: return nil
        case .failure: code = 2
        case .addresses(let addresses) where asksForIPv4:
            records = addresses.map { $0.split(separator: ".").compactMap { UInt8($0) } }
        case .addresses: break
        }
        var reply = Array(query[0..<2]) + [0x81, 0x80 | code, 0, 1, 0, UInt8(records.count)]
        reply += [0, 0, 0, 0] + question
        // The name of the question; A, IN, no time to live, four bytes.
        for record in records { reply += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4] + record }
        return reply
    }

    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        let server = Mutex<NameServer?>(nil)

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let server = server.withLock { $0 }
            guard let reply = server?.reply(to: Array(envelope.data.readableBytesView)) else {
                return
            }
            context.writeAndFlush(
                wrapOutboundOut(
                    AddressedEnvelope(
                        remoteAddress: envelope.remoteAddress,
                        data: ByteBuffer(bytes: reply)
                    )
                ),
                promise: nil
            )
        }
    }
}

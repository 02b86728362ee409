// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Primitives
import SwarmCore
import Telemetry
import TransportSecurity

/// Connections: how they come, shake hands and go.
extension SwarmDriver {
    // MARK: - Incoming

    /// A peer has connected.
    /// - Throws: when there is no room for it, which closes the channel.
    func welcome(_ channel: any Channel) throws {
        guard !isStopping, connections.count < configuration.limits.peerConnectionsMax,
            !OpenFiles.isCrowded(by: channel)
        else { throw PeerProtocolError("too many connections") }
        let id = ConnectionID(nextIncoming)
        nextIncoming += 2
        if let security, let contexts = security.peerContexts {
            let isRequired = security.settings.peers == .require
            try channel.pipeline.syncOperations.addHandler(
                PeerEntrance(contexts.server, letsInPlain: !isRequired)
            )
        }
        try prepare(channel, id)
        let origin = channel.remoteAddress.flatMap(Doorkeeper.Address.init)
        switch door.knock(id, from: origin, at: Self.now) {
        case .enter: break
        case .enterInPlaceOf(let oldest): cut(oldest)
        case .refuse: throw PeerProtocolError("not now")
        }
        add(channel, id, phase: .awaitingHandshake, origin: origin)
        turn {}
    }

    // MARK: - Outgoing

    func dial(_ id: ConnectionID, _ peer: PeerInfo, _ handshake: PeerHandshake) {
        let count = connections.count + dials.count
        guard !isStopping, count < configuration.limits.peerConnectionsMax else {
            return deliver(.dialFailed(id, .refused))
        }
        guard !isCutOff(peer), UInt16(exactly: peer.port) != nil else {
            return deliver(.dialFailed(id, .unreachable))
        }
        dials[id] = handshake
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.nanoseconds(configuration.policy.handshakeTimeout.nanoseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.assumeIsolated { driver in
                        try driver.encrypt(channel)
                        try driver.prepare(channel, id)
                    }
                }
            }
        connect(bootstrap, to: peer).hop(to: eventLoop).whenComplete { [self] result in
            assumeIsolated { $0.dialEnded(id, result) }
        }
    }

    /// Addresses are dialled as they are; only names take the way over the resolver and its threads.
    private func connect(
        _ bootstrap: ClientBootstrap,
        to peer: PeerInfo
    ) -> EventLoopFuture<any Channel> {
        var ip = peer.ip
        if ip.hasPrefix("["), ip.hasSuffix("]") { ip = String(ip.dropFirst().dropLast()) }
        do {
            return bootstrap.connect(to: try SocketAddress(ipAddress: ip, port: peer.port))
        } catch {
            // Not an address, so it is a name.
            return bootstrap.connect(host: ip, port: peer.port)
        }
    }

    private func dialEnded(_ id: ConnectionID, _ result: Result<any Channel, any Error>) {
        guard let handshake = dials.removeValue(forKey: id) else {
            // The scheduler gave it up meanwhile.
            if case .success(let channel) = result { channel.close(promise: nil) }
            return
        }
        switch result {
        case .success(let channel) where isCutOff(channel):
            channel.close(promise: nil)
            deliver(.dialFailed(id, .unreachable))
        case .success(let channel):
            turn {
                add(channel, id, phase: .awaitingAnswer)
                send(.bitfield(handshake), to: id)
            }
        case .failure(let error):
            log.debug(
                "could not dial a peer",
                metadata: [LogKey.infoHash: "\(handshake.infoHash)", LogKey.error: "\(error)"]
            )
            deliver(.dialFailed(id, .unreachable))
        }
    }

    // MARK: - Both

    /// Has the connection that is being dialled speak TLS, where peers must.
    private func encrypt(_ channel: any Channel) throws {
        guard let security, security.settings.peers == .require,
            let contexts = security.peerContexts
        else { return }
        let handler = try NIOSSLClientHandler(context: contexts.client, serverHostname: nil)
        try channel.pipeline.syncOperations.addHandlers([handler, FileRegionReader()])
    }

    /// Fails where TLS is required and the other end's certificate is not bound to `peerID`, which it claims.
    func checkIdentity(_ peerID: PeerID, on connection: PeerConnection) throws {
        guard let security, security.peerContexts != nil else { return }
        connection.isEncrypted = connection.channel.isEncrypted
        if connection.isEncrypted { setReads(of: connection) }
        guard connection.isEncrypted || security.settings.peers == .require else { return }
        guard try connection.channel.certifiedPeers.contains(peerID.hex) else {
            throw PeerProtocolError(
                "the certificate of the peer is not bound to the id \(peerID.hex) that it claims"
            )
        }
    }

    private func prepare(_ channel: any Channel, _ id: ConnectionID) throws {
        try channel.syncOptions?.setOption(
            .recvAllocator,
            value: receiveAllocator(isEncrypted: false)
        )
        try channel.pipeline.syncOperations.addHandler(PeerChannelHandler(id, of: self))
    }

    /// Reads as much at a time as the limit of the moment suggests.
    private func receiveAllocator(isEncrypted: Bool) -> any RecvByteBufferAllocator {
        let limit = BandwidthShape.sliceBytes(for: ingress.rate)
        guard isEncrypted else {
            return SharedReceiveAllocator(bytes: limit ?? ReceiveBuffers.readBytes)
        }
        // What is read to be decrypted does not come back, so a loop's large buffers would be made anew for each read.
        let most = limit ?? Self.encryptedReadBytesMax
        let least = min(Self.encryptedReadBytesMin, most)
        return AdaptiveRecvByteBufferAllocator(minimum: least, initial: least, maximum: most)
    }

    /// Makes `connection` read as the limit of the moment, and its encryption, suggest.
    func setReads(of connection: PeerConnection) {
        do {
            try connection.channel.syncOptions?.setOption(
                .recvAllocator,
                value: receiveAllocator(isEncrypted: connection.isEncrypted)
            )
        } catch {
            // Only a closed channel refuses, and its end is reported by itself.
        }
    }

    /// Bytes of one read from an encrypted connection, whose channel keeps the buffer: one record of TLS to eight.
    private static let encryptedReadBytesMin = 16 << 10
    private static let encryptedReadBytesMax = 128 << 10

    private func add(
        _ channel: any Channel,
        _ id: ConnectionID,
        phase: PeerConnection.Phase,
        origin: Doorkeeper.Address? = nil
    ) {
        connections[id] = PeerConnection(
            id: id,
            channel: channel,
            address: channel.remoteAddress.map(Self.describe),
            phase: phase,
            origin: origin,
            frameBytesMax: configuration.limits.frameBytesMax
        )
        if linkDelay != nil, let connection = connections[id] { updateDelay(of: connection) }
        guard phase == .awaitingAnswer else { return }
        let deadline = Self.now.advanced(by: configuration.policy.handshakeTimeout)
        handshakes.append((deadline, id))
    }

    /// Whether a fault has come between us and the other end of `channel` while it was being opened.
    private func isCutOff(_ channel: any Channel) -> Bool {
        guard faults.isActive, let address = channel.remoteAddress else { return false }
        return faults.refuses(address: Self.describe(address))
    }

    private static func describe(_ address: SocketAddress) -> String {
        guard let ip = address.ipAddress, let port = address.port else { return "\(address)" }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    /// Closes the connections that have not shaken hands in time.
    func expireHandshakes(_ now: Instant) {
        for stranger in door.overdue(at: now) { cut(stranger) }
        while let first = handshakes.first, first.at <= now {
            handshakes.removeFirst()
            switch connections[first.connection]?.phase {
            case .awaitingAnswer:
                closeConnection(first.connection)
                deliver(.dialFailed(first.connection, .misbehaved))
            case .awaitingHandshake, .deciding, .active, nil: break
            }
        }
    }

    /// Closes a connection without telling the scheduler, which knows or need not know.
    func closeConnection(_ id: ConnectionID) {
        dials[id] = nil
        guard connections[id] != nil else { return }
        // The last words, such as COMPLETE, still go out.
        flush(id)
        guard let connection = forget(id) else { return }
        connection.channel.close(promise: nil)
    }

    /// Closes a connection without a word, and without telling the scheduler.
    func cut(_ id: ConnectionID) {
        forget(id)?.channel.close(promise: nil)
    }

    /// A connection has ended, or must end, for a reason the scheduler does not know.
    func connectionEnded(_ id: ConnectionID, reason: String, isFault: Bool = false) {
        // Its last piece may be whole.
        if let connection = connections[id] { finishCheck(connection) }
        guard let connection = forget(id) else { return }
        connection.channel.close(promise: nil)
        switch connection.phase {
        case .awaitingHandshake: break
        case .awaitingAnswer: deliver(.dialFailed(id, isFault ? .misbehaved : .refused))
        case .deciding, .active:
            deliver(isFault ? .misbehaved(id, reason: reason) : .closed(id, reason: reason))
        }
    }

    /// The address that `id` came from, if it did, pays for what its peer did.
    func blame(_ id: ConnectionID) {
        guard let connection = connections[id], let origin = connection.origin else { return }
        let pause = door.misdeed(from: origin, at: Self.now)
        guard pause > .zero else { return }
        log.info(
            "peers of one address misbehave, letting nobody in from there for a while",
            metadata: [
                LogKey.address: "\(connection.address ?? "")",
                LogKey.duration: "\(pause.seconds)",
            ]
        )
    }

    private func forget(_ id: ConnectionID) -> PeerConnection? {
        guard let connection = connections.removeValue(forKey: id) else { return nil }
        if id.isIncoming { door.left(id, from: connection.origin) }
        egress.cancel(id)
        ingress.cancel(id)
        forgetCheck(of: connection)
        if connection.arrival != nil { connection.arrival = nil }
        return connection
    }
}

extension Doorkeeper.Address {
    /// Where the other end of a connection is; nil when it has no IP address.
    init?(_ address: SocketAddress) {
        guard address.protocol != .unix else { return nil }
        let isIPv6 = address.protocol == .inet6
        // The address follows family and port, in IPv6 the flow, too.
        let words = address.withSockAddr { pointer, _ in
            let bytes = UnsafeRawPointer(pointer)
            return (
                bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
                isIPv6 ? bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self) : 0
            )
        }
        if isIPv6 {
            self.init(ipv6Network: UInt64(bigEndian: words.1))
        } else {
            self.init(ipv4: UInt32(bigEndian: words.0))
        }
    }
}

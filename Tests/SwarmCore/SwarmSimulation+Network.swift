// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// What becomes of effects: the made-up disks, tracker and network.
extension SwarmSimulation {
    // MARK: - Effects

    mutating func perform(_ effect: SwarmScheduler.Effect, of host: Int) {
        switch effect {
        case .announce(_, _, let isComplete): announce(host, isComplete: isComplete)
        case .dial(let connection, let peer, let handshake): dial(host, connection, peer, handshake)
        case .lookUp(let connection, _): lookUp(host, connection)
        case .accept(let connection, let handshake): accept(host, connection, handshake)
        case .send(let connection, let message): send(host, connection, message)
        case .sendPiece(let connection, _, let piece):
            guard !generator.chance(faults.unreadable) else {
                return schedule(at: now) { $0.deliver(.sendFailed(connection, piece), to: host) }
            }
            hosts[host].sends.append(Send(connection: connection, piece: piece))
            pump(host)
        case .cancelSend(let connection, let piece):
            let send = Send(connection: connection, piece: piece)
            guard let index = hosts[host].sends.firstIndex(of: send) else { return }
            hosts[host].sends.remove(at: index)
            schedule(at: now) { $0.deliver(.sendFailed(connection, piece), to: host) }
        case .receivePayload(let connection, _, let piece):
            if hosts[host].stored.contains(piece) {
                violations.append("host \(host) receives piece \(piece) over a checked one")
            }
            if hosts[host].receiving.values.contains(piece) {
                violations.append("host \(host) receives piece \(piece) twice at once")
            }
            hosts[host].receiving[connection] = piece
        case .discardPayload: break
        case .close(let connection, _): close(host, connection)
        case .commit(let hash):
            schedule(at: now.advanced(by: .milliseconds(5))) { $0.commit(hash, host) }
        case .forgotten(_, let reason): hosts[host].forgotten = reason
        case .pieceAvailable, .note: break
        }
    }

    private mutating func commit(_ hash: InfoHash, _ host: Int) {
        if hosts[host].stored.count != metaInfo.layout.pieceCount {
            violations.append("host \(host) commits without all pieces")
        }
        hosts[host].isCommitted = true
        deliver(.committed(hash), to: host)
    }

    private mutating func announce(_ host: Int, isComplete: Bool) {
        if !announced.contains(host) { announced.append(host) }
        guard !isComplete, !generator.chance(faults.unanswered) else { return }
        var others = announced.filter { $0 != host }
        generator.shuffle(&others)
        let handout = (Array(0..<originCount) + others.prefix(50)).map { hosts[$0].info }
        schedule(at: now.advanced(by: .milliseconds(3))) { world in
            world.deliver(
                .announceAnswered(world.metaInfo.infoHash, handout, interval: .seconds(3)),
                to: host
            )
        }
    }

    private mutating func lookUp(_ host: Int, _ connection: ConnectionID) {
        guard host < originCount else {
            schedule(at: now) { $0.deliver(.swarmUnavailable(connection), to: host) }
            return
        }
        let description = SwarmDescription(
            metaInfo: metaInfo,
            namespace: "ns",
            held: .full(pieceCount: metaInfo.layout.pieceCount),
            isCommitted: true,
            isLocalRequest: false
        )
        schedule(at: now) { $0.deliver(.opened(description), to: host) }
    }

    // MARK: - Network

    private mutating func dial(
        _ host: Int,
        _ connection: ConnectionID,
        _ peer: PeerInfo,
        _ handshake: PeerHandshake
    ) {
        guard let target = hosts.firstIndex(where: { $0.info.port == peer.port }),
            hosts[target].isAlive
        else {
            schedule(at: now.advanced(by: policy.handshakeTimeout)) {
                $0.deliver(.dialFailed(connection, .unreachable), to: host)
            }
            return
        }
        let incoming = ConnectionID(hosts[target].nextIncoming)
        hosts[target].nextIncoming += 2
        let index = links.count
        links.append(Link(opener: (host, connection), acceptor: (target, incoming)))
        linkOf[host, default: [:]][connection] = index
        linkOf[target, default: [:]][incoming] = index
        schedule(at: now.advanced(by: latency * 2)) { world in
            guard !world.links[index].isClosed else { return }
            world.deliver(.handshakeReceived(incoming, handshake), to: target)
        }
    }

    private mutating func accept(
        _ host: Int,
        _ connection: ConnectionID,
        _ handshake: PeerHandshake
    ) {
        guard let index = linkOf[host]?[connection], !links[index].isClosed else { return }
        links[index].isOpen = true
        let opener = links[index].opener
        schedule(at: delivery(on: index, to: 0)) { world in
            guard !world.links[index].isClosed else { return }
            world.deliver(.dialSucceeded(opener.connection, handshake), to: opener.host)
        }
    }

    /// When something sent now arrives: never before what was sent earlier on the same link.
    private mutating func delivery(on link: Int, to side: Int) -> Instant {
        let jitter = Duration.microseconds(generator.below(500))
        let at = max(now.advanced(by: latency + jitter), links[link].lastDelivery[side])
        links[link].lastDelivery[side] = at
        return at
    }

    private mutating func send(_ host: Int, _ connection: ConnectionID, _ message: PeerMessage) {
        guard let index = linkOf[host]?[connection], !links[index].isClosed else { return }
        let isOpener =
            links[index].opener.host == host && links[index].opener.connection == connection
        let other = isOpener ? links[index].acceptor : links[index].opener
        let at = delivery(on: index, to: isOpener ? 1 : 0)
        guard !generator.chance(faults.loss) else { return }
        schedule(at: at) { world in
            guard !world.links[index].isClosed else { return }
            world.deliver(.received(other.connection, message), to: other.host)
        }
    }

    private mutating func close(_ host: Int, _ connection: ConnectionID) {
        hosts[host].receiving[connection] = nil
        hosts[host].sends.removeAll { $0.connection == connection }
        guard let index = linkOf[host]?[connection], !links[index].isClosed else { return }
        links[index].isClosed = true
        let link = links[index]
        let isOpener = link.opener.host == host && link.opener.connection == connection
        let other = isOpener ? link.acceptor : link.opener
        let event: SwarmScheduler.Event =
            link.isOpen || isOpener
            ? .closed(other.connection, reason: "end of stream")
            : .dialFailed(other.connection, .refused)
        schedule(at: now.advanced(by: latency)) { world in
            world.hosts[other.host].receiving[other.connection] = nil
            world.deliver(event, to: other.host)
        }
    }

    /// Sends the next waiting piece when the uplink is free.
    private mutating func pump(_ host: Int) {
        guard !hosts[host].isUplinkBusy, !hosts[host].sends.isEmpty else { return }
        let send = hosts[host].sends.removeFirst()
        let bytes = metaInfo.layout.bytes(of: send.piece)
        hosts[host].isUplinkBusy = true
        let duration = Duration.nanoseconds(
            Int64(bytes) * 1_000_000_000 / Int64(hosts[host].bytesPerSecond)
        )
        self.send(host, send.connection, .piecePayload(PieceSpan(send.piece, in: metaInfo.layout)))
        let link = linkOf[host]?[send.connection]
        schedule(at: now.advanced(by: duration)) { world in
            world.hosts[host].isUplinkBusy = false
            world.hosts[host].payloadsSent += 1
            world.finish(send, of: host, on: link, bytes)
            world.pump(host)
        }
    }

    private mutating func finish(_ send: Send, of host: Int, on link: Int?, _ bytes: Int) {
        guard let index = link, !links[index].isClosed else { return }
        let isOpener =
            links[index].opener.host == host && links[index].opener.connection == send.connection
        let other = isOpener ? links[index].acceptor : links[index].opener
        schedule(at: delivery(on: index, to: isOpener ? 1 : 0)) { world in
            guard world.hosts[other.host].isAlive,
                world.hosts[other.host].receiving[other.connection] == send.piece
            else { return }
            world.hosts[other.host].receiving[other.connection] = nil
            world.hosts[other.host].payloadsReceived += 1
            world.store(send.piece, of: host, at: other.host, other.connection)
        }
        deliver(.pieceSent(send.connection, send.piece, bytes: bytes), to: host)
    }

    /// A payload of `sender` is in the file of `host`, for better or worse.
    private mutating func store(
        _ piece: PieceIndex,
        of sender: Int,
        at host: Int,
        _ connection: ConnectionID
    ) {
        let hash = metaInfo.infoHash
        var fault: PieceFault?
        if faults.corruptHosts.contains(sender) { fault = .checksum }
        if generator.chance(faults.diskFaults) { fault = .disk }
        guard let fault else {
            hosts[host].stored.insert(piece)
            return deliver(.pieceStored(hash, piece, connection), to: host)
        }
        hosts[host].payloadsRejected += 1
        deliver(.pieceRejected(hash, piece, connection, fault), to: host)
    }
}

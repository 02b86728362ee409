// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// What we do to a connection beneath Hummingbird: time-outs, large reads for large bodies, answers to garbage, sendfile.
///
/// It sits right above the codec between NIO's HTTP parts and the HTTP types.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let timeouts: ConnectionTimeouts
    /// Who is let in; nil: everybody.
    private let admission: ClientAdmission?
    /// Bodies from here on, and those of unknown length, are read in large pieces.
    private static let bulkBytesMin = 1 << 20
    /// Bytes per read while a large body comes in.
    private static let bulkReadBytes = 256 << 10
    /// Buffers of a large body that are used in turn: one that is filled, one that waits, one that is written. With fewer each read
    /// took new memory, which the kernel had to clear first.
    private static let bulkBuffersMax: UInt = 3
    /// Bytes of a body that we still swallow after its answer, so that the client gets to read that answer.
    private static let unwantedBytesMax = 1 << 20

    /// The codec's place in the pipeline, where parts of files can be written that our own type cannot carry.
    var codec: ChannelHandlerContext?
    var state = ConnectionState() {
        didSet { rest.note(isResting: state.isResting) }
    }
    /// Since when there is nothing to do, for those who look for connections to close.
    let rest = ConnectionRest()
    private var watchers: [ObjectIdentifier: Watcher] = [:]
    private var clock: Scheduled<Void>?
    private var clockDue = NIODeadline.distantFuture

    private struct Watcher {
        let endsWithServer: Bool
        let cancel: () -> Void
    }

    init(timeouts: ConnectionTimeouts, admission: ClientAdmission? = nil) {
        (self.timeouts, self.admission) = (timeouts, admission)
    }

    // MARK: - Life

    func handlerAdded(context: ChannelHandlerContext) {
        // Without the codec (never in our own pipeline) file parts are refused, see send(_:_:_:).
        codec = try? context.pipeline.syncOperations.context(
            handlerType: HTTP1ToHTTPServerCodec.self
        )
        armClock(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        codec = nil
        clock?.cancel()
        clock = nil
        clientIsGone()
    }

    func channelInactive(context: ChannelHandlerContext) {
        clock?.cancel()
        clock = nil
        reportTruncatedBody(context)
        clientIsGone()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            reportTruncatedBody(context)
            clientIsGone()
        case is ChannelShouldQuiesceEvent:
            state.isStopping = true
            cancelWatchers { $0.endsWithServer }
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// A body that ends with its connection must not look like a whole one to whoever reads it.
    private func reportTruncatedBody(_ context: ChannelHandlerContext) {
        guard state.isReadingBody, !state.isBroken else { return }
        state.isBroken = true
        context.fireErrorCaught(ChannelError.inputClosed)
    }

    // MARK: - Requests

    func read(context: ChannelHandlerContext) {
        state.readBegan()
        // The body's time begins, which may be over before the one that the clock was set for.
        if state.isReadingBody { armClock(context) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !state.isBroken else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            if let problem = admission?.refusal(of: head, on: context.channel) {
                return reject(context, problem)
            }
            state.headReceived(closes: head.headerFields[.connection]?.lowercased() == "close")
            if isBulk(head) { beginBulk(context) }
            armClock(context)
        case .body(let part):
            state.bodyReceived(part.readableBytes)
            guard state.unwantedBytes <= Self.unwantedBytesMax else {
                return context.close(promise: nil)
            }
        case .end:
            state.requestEnded()
            if state.isBulk { endBulk(context) }
            if state.mustCloseNow { return context.close(promise: nil) }
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.readEnded()
        context.fireChannelReadComplete()
    }

    private func isBulk(_ head: HTTPRequest) -> Bool {
        if let length = head.headerFields[.contentLength] {
            return (Int(length) ?? 0) >= Self.bulkBytesMin
        }
        return head.headerFields[.transferEncoding] != nil
    }

    /// The buffers belong to the connection, so they are large, and several, only while a large body comes in; as many are kept as
    /// reads are made at a time.
    private func beginBulk(_ context: ChannelHandlerContext) {
        state.isBulk = true
        setReads(
            context,
            allocator: FixedSizeRecvByteBufferAllocator(capacity: Self.bulkReadBytes),
            messages: Self.bulkBuffersMax
        )
    }

    private func endBulk(_ context: ChannelHandlerContext) {
        state.isBulk = false
        // First one read at a time, which leaves one buffer: an idle connection keeps them all otherwise.
        for messages: UInt in [1, 4] {
            setReads(context, allocator: AdaptiveRecvByteBufferAllocator(), messages: messages)
        }
    }

    private func setReads(
        _ context: ChannelHandlerContext,
        allocator: any RecvByteBufferAllocator,
        messages: UInt
    ) {
        // Both fail only on a closed channel, which reads nothing any more.
        _ = try? context.channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        _ = try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: messages)
    }

    // MARK: - Garbage

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A failed socket has nobody to answer; a body that turns bad has a reader who must hear of it.
        guard !(error is IOError), !(error is ChannelError), !state.isReadingBody else {
            state.closesAfterResponse = true
            return context.fireErrorCaught(error)
        }
        guard !state.isBroken else { return }
        reject(context, Rejection.problem(of: error))
    }

    /// Answers `problem` once the answers before it are out; nothing more from this client is understood.
    private func reject(_ context: ChannelHandlerContext, _ problem: HTTPProblem) {
        state.isBroken = true
        state.rejection = Rejection(problem)
        if state.requestsInWork == 0 { writeRejection(context) }
    }

    private func writeRejection(_ context: ChannelHandlerContext) {
        guard let rejection = state.rejection else { return }
        state.rejection = nil
        context.write(wrapOutboundOut(.head(rejection.head)), promise: nil)
        context.write(wrapOutboundOut(.body(rejection.body)), promise: nil)
        let isSent = context.eventLoop.makePromise(of: Void.self)
        isSent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: isSent)
    }

    // MARK: - Responses

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var part = unwrapOutboundIn(data)
        if case .head(var head) = part, head.status.kind != .informational {
            if head.headerFields[.connection]?.lowercased() == "close" {
                state.closesAfterResponse = true
            } else if state.closesAfterResponse || state.isStopping {
                state.closesAfterResponse = true
                head.headerFields[.connection] = "close"
                part = .head(head)
            }
        }
        let isSent = promise ?? context.eventLoop.makePromise(of: Void.self)
        track(isSent.futureResult, context)
        if case .end = part {
            state.responseEnded()
            if state.mustCloseNow {
                isSent.futureResult.assumeIsolated().whenComplete { _ in
                    context.close(promise: nil)
                }
            } else if state.rejection != nil, state.requestsInWork == 0 {
                context.write(wrapOutboundOut(part), promise: isSent)
                return writeRejection(context)
            }
        }
        context.write(wrapOutboundOut(part), promise: isSent)
    }

    /// Counts a write until the kernel has taken it, for the time-out of clients that take nothing.
    func track(_ future: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        state.writeBegan()
        if state.writesPending == 1 { armClock(context) }
        future.assumeIsolated().whenComplete { _ in self.state.writeEnded() }
    }

    // MARK: - Watchers

    /// Calls `cancel` once the client is gone (`endsWithServer`: or the server stops); at once if that has happened.
    func watch(_ id: WatchID, endsWithServer: Bool, cancel: @escaping () -> Void) {
        guard !state.isClientGone, !(endsWithServer && state.isStopping) else { return cancel() }
        watchers[ObjectIdentifier(id)] = Watcher(endsWithServer: endsWithServer, cancel: cancel)
    }

    /// Ends a ``watch(_:endsWithServer:cancel:)``.
    func forget(_ id: WatchID) { watchers[ObjectIdentifier(id)] = nil }

    private func clientIsGone() {
        state.isClientGone = true
        cancelWatchers { _ in true }
    }

    private func cancelWatchers(where isConcerned: (Watcher) -> Bool) {
        for (id, watcher) in watchers where isConcerned(watcher) {
            watchers[id] = nil
            watcher.cancel()
        }
    }

    // MARK: - Time

    /// Makes sure that we look at the clock when the current wait would be over; one timer a connection.
    private func armClock(_ context: ChannelHandlerContext) {
        let due = state.deadline(timeouts) ?? .now() + timeouts.idle
        guard clock == nil || due < clockDue else { return }
        clock?.cancel()
        clockDue = due
        clock = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.clock = nil
            if let deadline = self.state.deadline(self.timeouts), deadline <= .now() {
                self.clientIsGone()
                context.close(promise: nil)
            } else {
                self.armClock(context)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore

/// Holds up everything that is sent on one connection for a while, in order, as a long line would.
///
/// Stands at the socket's end of the pipeline; there only while a fault makes the link slow. Writes count as done when they
/// have left it, so that whoever bounds what is under way bounds what is held here, too.
final class DelayLine: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private struct Held {
        let due: NIODeadline
        let data: IOData
        let promise: EventLoopPromise<Void>?
    }

    private var delay: TimeAmount
    private var held: Deque<Held> = []
    private var timer: Scheduled<Void>?
    /// Bytes that wait here.
    private(set) var heldBytes = 0

    /// A line on which everything takes `delay`.
    init(_ delay: TimeAmount) { self.delay = delay }

    /// What is sent from now on takes `delay`; nothing overtakes what was sent before.
    func change(to delay: TimeAmount) { self.delay = delay }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard delay > .zero || !held.isEmpty else {
            return context.write(data, promise: promise)
        }
        let data = unwrapOutboundIn(data)
        let now = context.eventLoop.now
        let due = max(now + delay, held.last?.due ?? now)
        held.append(Held(due: due, data: data, promise: promise))
        heldBytes += data.readableBytes
        arm(context)
    }

    func flush(context: ChannelHandlerContext) {
        // What is held is flushed when it leaves.
        if held.isEmpty { context.flush() }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // The last words still go out, only not as late.
        release(context, until: .distantFuture)
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        abandon()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { abandon() }

    private func arm(_ context: ChannelHandlerContext) {
        guard timer == nil, let first = held.first else { return }
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: first.due) { [self] in
            timer = nil
            release(context, until: context.eventLoop.now)
            arm(context)
        }
    }

    private func release(_ context: ChannelHandlerContext, until now: NIODeadline) {
        var isAny = false
        while let first = held.first, first.due <= now {
            held.removeFirst()
            heldBytes -= first.data.readableBytes
            context.write(wrapOutboundOut(first.data), promise: first.promise)
            isAny = true
        }
        if isAny { context.flush() }
    }

    /// The connection is gone: nothing of what is held will ever be sent.
    private func abandon() {
        timer?.cancel()
        timer = nil
        let rest = held
        (held, heldBytes) = ([], 0)
        for entry in rest { entry.promise?.fail(ChannelError.ioOnClosedChannel) }
    }
}

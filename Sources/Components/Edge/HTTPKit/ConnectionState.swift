// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTP1

/// How long a connection may make us wait, by what we wait for.
struct ConnectionTimeouts: Sendable {
    /// For the next request's complete head.
    let idle: TimeAmount
    /// For the next part of a body that we are ready to read.
    let body: TimeAmount
    /// For the client to take something of what we send.
    let write: TimeAmount

    init(_ options: ServerOptions) {
        idle = TimeAmount(options.idleTimeout)
        body = TimeAmount(options.bodyTimeout)
        write = TimeAmount(options.writeTimeout)
    }
}

/// Where one connection stands between its requests and their answers.
struct ConnectionState {
    /// Requests whose answer has not been written.
    private(set) var requestsInWork = 0
    /// Whether a request's head has come and its end has not.
    private(set) var isReadingBody = false
    /// Whether its body is read in large pieces.
    var isBulk = false
    /// Whether the socket has been asked for bytes that have not come yet.
    var isReadOutstanding = false
    /// Whether nothing more from this client is understood.
    var isBroken = false
    /// Whether the client has closed its side, or the connection is gone.
    var isClientGone = false
    /// Whether the server stops: the current answer is the last.
    var isStopping = false
    /// Whether the connection ends with the current answer.
    var closesAfterResponse = false
    /// What to answer to garbage, once the answers before it are out.
    var rejection: Rejection?
    /// Bytes of a body that came after its answer was out.
    private(set) var unwantedBytes = 0
    /// Writes that the kernel has not taken.
    private(set) var writesPending = 0

    private var isAnswered = false
    private var received = NIODeadline.now()
    private var sent = NIODeadline.now()

    mutating func headReceived(closes: Bool) {
        requestsInWork += 1
        isReadingBody = true
        isAnswered = false
        unwantedBytes = 0
        if closes { closesAfterResponse = true }
        received = .now()
    }

    mutating func bodyReceived(_ bytes: Int) {
        received = .now()
        if isAnswered { unwantedBytes += bytes }
    }

    mutating func requestEnded() {
        isReadingBody = false
        received = .now()
    }

    mutating func responseEnded() {
        requestsInWork -= 1
        isAnswered = true
    }

    /// Whether the last answer is written and nothing of its request is left to swallow.
    var mustCloseNow: Bool {
        closesAfterResponse && isAnswered && !isReadingBody && requestsInWork == 0
            && rejection == nil
    }

    mutating func writeBegan() {
        if writesPending == 0 { sent = .now() }
        writesPending += 1
    }

    mutating func writeEnded() {
        writesPending -= 1
        sent = .now()
    }

    /// When the client will have kept us waiting for too long; nil while it is we who have something to do.
    func deadline(_ timeouts: ConnectionTimeouts) -> NIODeadline? {
        if writesPending > 0 { return sent + timeouts.write }
        if isReadingBody { return isReadOutstanding ? received + timeouts.body : nil }
        if requestsInWork > 0 { return nil }
        return max(received, sent) + timeouts.idle
    }
}

/// The answer to bytes that are no request; the connection ends with it.
struct Rejection {
    let head: HTTPResponse
    let body: ByteBuffer

    /// What is wrong according to `error`, which the decoder reported.
    static func problem(of error: any Error) -> HTTPProblem {
        switch error {
        case HTTPParserError.headerOverflow:
            HTTPProblem(
                .requestHeaderFieldsTooLarge,
                "the request's head is too large",
                remedy: "send a shorter URL and fewer headers"
            )
        default: .badRequest("this is not an HTTP request")
        }
    }

    /// The answer `problem`.
    init(_ problem: HTTPProblem) {
        var head = HTTPResponse(status: problem.status)
        let json = problem.jsonBody
        head.headerFields[.contentType] = "application/json"
        head.headerFields[.contentLength] = String(json.count)
        head.headerFields[.connection] = "close"
        self.head = head
        body = ByteBuffer(bytes: json)
    }
}

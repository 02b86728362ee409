// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTP1

/// How long a connection may make us wait, by what we wait for.
struct ConnectionTimeouts: Sendable {
    /// For the next request's complete head.
    let idle: TimeAmount
    /// For the next ``bodyBytesMin`` of a body, or its end, while we are ready to read.
    let body: TimeAmount
    /// For the client to take something of what we send.
    let write: TimeAmount

    /// What a body has to bring in each ``body``: a client that sends a byte now and then would hold its connection forever.
    /// With a minute it is 1 KiB a second.
    static let bodyBytesMin = 64 << 10

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
    private(set) var isReadOutstanding = false
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
    /// Bytes of a body that came after ``received``.
    private var bytesSinceReceived = 0
    /// Since when we do not want to read; that time is not the client's.
    private var pausedAt = NIODeadline.now()
    private var sent = NIODeadline.now()

    mutating func headReceived(closes: Bool) {
        requestsInWork += 1
        isReadingBody = true
        isAnswered = false
        unwantedBytes = 0
        bytesSinceReceived = 0
        pausedAt = .now()
        if closes { closesAfterResponse = true }
        received = .now()
    }

    mutating func bodyReceived(_ bytes: Int) {
        bytesSinceReceived += bytes
        if bytesSinceReceived >= ConnectionTimeouts.bodyBytesMin {
            received = .now()
            bytesSinceReceived = 0
        }
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

    mutating func readBegan() {
        guard !isReadOutstanding else { return }
        isReadOutstanding = true
        if isReadingBody { received = received + (.now() - pausedAt) }
    }

    mutating func readEnded() {
        isReadOutstanding = false
        if isReadingBody { pausedAt = .now() }
    }

    /// Whether there is no request at all: neither a head nor a body nor an answer is on its way.
    var isResting: Bool {
        requestsInWork == 0 && !isReadingBody && writesPending == 0 && rejection == nil
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

// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import Primitives
import Synchronization
import Telemetry
import Tracing

/// Answers one request after another: admission, routing, errors as bodies, the headers that every answer has.
final class ServerResponder: Sendable {
    private let router: RouterResponder<ServerContext>
    private let routes: RouteTable
    private let log: Logger
    private let requestsMax: Int
    private let faults: FaultSwitch?
    private let measures: RequestMeasures?
    private let component: String?
    private let requestsInWork = Atomic(0)

    init(name: String, router: Router<ServerContext>, options: ServerOptions) {
        self.router = router.buildResponder()
        measures = options.measures.map {
            RequestMeasures(server: name, of: $0.component, in: $0.registry)
        }
        component = options.measures?.component
        routes = RouteTable(router)
        log = options.log
        requestsMax = options.limits.httpRequestsMax
        faults = options.faults
    }

    /// Answers `request` on `channel` through `writer`; throws when the connection is not fit for another request.
    @concurrent func respond(
        to request: Request,
        writer: consuming ResponseWriter,
        channel: any Channel
    ) async throws {
        let id = RequestIdentity.adopting(request.headers[.requestID])
        let span = startSpan(request, id: id)
        let start = ContinuousClock.now
        let inWork = requestsInWork.add(1, ordering: .relaxed).newValue
        defer { requestsInWork.subtract(1, ordering: .relaxed) }

        var response: Response
        var route = RequestMeasures.noRoute
        if inWork > requestsMax {
            response = HTTPProblem.unavailable("too many requests in work").response
        } else if let faults, faults.isOut, !Self.isSpared(request.rawPath) {
            response = HTTPProblem.unavailable("an outage was switched on here").response
        } else {
            if request.headers[.expect]?.lowercased() == "100-continue", accepts(request) {
                try await writer.writeInformationalHead(HTTPResponse(status: .continue))
            }
            (response, route) = await ServiceContext.withValue(span.context) {
                await answer(request, id: id, channel: channel)
            }
            response.body = response.body.within(span.context)
        }
        if request.method == .head { response = response.createHeadResponse() }
        response.headers[.date] = HTTPDate.now
        response.headers[.requestID] = id
        let status = response.status
        note(status, of: request, id: id)
        defer {
            measures?.note(request.method, route, status, took: .now - start)
            if span.isRecording { span.describe(request, id: id, route: route, status: status) }
            span.end()
        }
        do {
            try await writer.write(response: response.head, body: response.body)
        } catch {
            log.debug(
                "response not completed",
                metadata: [LogKey.requestID: .string(id), LogKey.error: "\(error)"]
            )
            // The client must not take what it got for a whole body: whoever catches this closes the connection.
            throw ResponseAborted()
        }
    }

    /// Where `request` belongs: below whoever asked. Who only looks how the component does begins no trace.
    private func startSpan(_ request: Request, id: String) -> any Span {
        var context = ServiceContext.topLevel
        (context.requestID, context.component) = (id, component)
        guard !Self.isSpared(request.rawPath), request.rawPath != "/readiness" else {
            return NoOpTracer().startSpan(request.method.rawValue, context: context)
        }
        InstrumentationSystem.instrument.extract(
            request.headers,
            into: &context,
            using: HeaderExtractor()
        )
        return InstrumentationSystem.tracer.startSpan(
            request.method.rawValue,
            context: context,
            ofKind: .server
        )
    }

    /// Whether `path` is answered even in an outage that was switched on: what tells how the component does.
    private static func isSpared(_ path: some StringProtocol) -> Bool {
        ["/health", "/status", "/events", "/metrics"].contains { path.hasPrefix($0) }
    }

    private func accepts(_ request: Request) -> Bool {
        routes.hasRoute(request.method, request.rawPath)
    }

    private func answer(
        _ request: Request,
        id: String,
        channel: any Channel
    ) async -> (response: Response, route: String) {
        var log = log
        log[metadataKey: LogKey.requestID] = .string(id)
        let context = ServerContext(
            source: ApplicationRequestContextSource(channel: channel, logger: log)
        )
        do {
            let response = try await router.respond(to: request, context: context)
            guard context.endpointPath == "NotFound" else { return (response, context.route) }
            return (miss(request).response, RequestMeasures.noRoute)
        } catch {
            return (problem(for: error, log: log).response, context.route)
        }
    }

    private func miss(_ request: Request) -> HTTPProblem {
        switch routes.miss(request.method, request.rawPath) {
        case .unknownPath: .notFound("no such endpoint")
        case .wrongMethod(let allowed): .methodNotAllowed(allowed)
        case .emptyParameter(let name): .badRequest("param \(name) is required").asText
        }
    }

    /// What a client may know of an error that no route has dealt with.
    private func problem(for error: any Error, log: Logger) -> HTTPProblem {
        switch error {
        case let error as ContentError:
            return .badRequest(error.description)
        case is HTTPParserError, ChannelError.inputClosed:
            return HTTPProblem(.badRequest, "the body broke off", headers: [.connection: "close"])
        case let error as HTTPClientError where error.isTransient:
            log.warning("another server failed", metadata: [LogKey.error: "\(error)"])
            return HTTPProblem(.badGateway, "another server did not answer", remedy: "try again")
        case let error as FileError where error.code == .noSpace:
            log.warning("a disk is full", metadata: [LogKey.error: "\(error)"])
            return .noSpace(error)
        case is CancellationError:
            return .unavailable("the server is stopping")
        default:
            log.error("request failed", metadata: [LogKey.error: "\(error)"])
            return .internalError(remedy: "the server's log tells more under this request id")
        }
    }

    private func note(_ status: HTTPResponse.Status, of request: Request, id: String) {
        let level: Logger.Level =
            status.code >= 500
            ? .notice : status.code >= 400 && status != .notFound ? .info : .trace
        guard log.logLevel <= level else { return }
        log.log(
            level: level,
            "request answered",
            metadata: [
                LogKey.requestID: .string(id),
                LogKey.requestMethod: .string(request.method.rawValue),
                LogKey.requestPath: .string(String(request.rawPath.prefix(512))),
                LogKey.responseStatus: .stringConvertible(status.code),
            ]
        )
    }
}

/// A response that ended before its end; its connection is closed.
struct ResponseAborted: Error {}

// SPDX-License-Identifier: Apache-2.0

package import Hummingbird
import Logging
package import NIOCore
import Telemetry

/// What a route knows about its request besides the request itself.
///
/// Parameters of the path: ``parameter(_:)``, never Hummingbird's raw `parameters`.
package struct ServerContext: RequestContext {
    /// What Hummingbird keeps for each request.
    package var coreContext: CoreRequestContextStorage
    /// The id of the request: the client's `X-Request-Id` where it sent a sane one, else made up here.
    package let requestID: String
    /// Where the client is; nil on a socket without addresses.
    package let peerAddress: SocketAddress?

    /// Bytes of the largest body that Hummingbird's own decoding takes.
    package var maxUploadSize: Int { 1 << 20 }
    /// The id of the request, under Hummingbird's name for it.
    package var id: String { requestID }

    /// Says which route the request turned out to be for, as its template: where one of the router's routes has many behind it.
    package func answers(_ route: String) { coreContext.endpointPath.value = route }

    /// The context of one request on `source.channel`; the request id comes in the logger's metadata.
    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        if case .string(let id) = source.logger[metadataKey: LogKey.requestID] {
            requestID = id
        } else {
            requestID = RequestIdentity.next()
        }
        peerAddress = source.channel.remoteAddress
    }
}

// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// A testfs server's settings.
package struct TestfsConfiguration: Hashable, Sendable {
    /// The address to listen on.
    package var host: String
    /// The port to listen on; 0 picks a free one. 14000 as in Kraken's devcluster.
    package var port: Int
    /// The directory that holds the files; made when absent. Nil: a temporary one, removed at the
    /// end, as in Kraken.
    package var directory: String?
    /// Bytes of one file; a longer one gets 413. 64 GiB: only there so that a client can't fill a
    /// disk unnoticed.
    package var fileBytesMax: ByteCount
    /// How long a stop waits for running requests.
    package var drainTimeout: Duration

    /// A server on `host`:`port` over `directory`.
    package init(
        host: String = "127.0.0.1",
        port: Int = 14000,
        directory: String? = nil,
        fileBytesMax: ByteCount = .gibibytes(64),
        drainTimeout: Duration = .seconds(10)
    ) {
        (self.host, self.port, self.directory) = (host, port, directory)
        (self.fileBytesMax, self.drainTimeout) = (fileBytesMax, drainTimeout)
    }
}

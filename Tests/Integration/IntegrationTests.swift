// SPDX-License-Identifier: Apache-2.0

import Files
import HTTPKit
import NIOPosix
import Testing

/// Everything that runs the real executable: one at a time, because each test needs the whole machine.
@Suite("The running herd", .serialized) struct IntegrationTests {
    /// What all of them speak to components with.
    static let http = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton
    )
}

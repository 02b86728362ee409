// SPDX-License-Identifier: Apache-2.0

import Files
package import HTTPKit
import NIOPosix

/// One client for all tests of this process, which is never shut down.
package let testClient = HTTPClient(
    eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
    pool: .singleton
)

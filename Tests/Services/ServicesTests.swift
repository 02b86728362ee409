// SPDX-License-Identifier: Apache-2.0

import Testing

/// Components that run whole in the test's process, over real HTTP and the peer protocol: one test at a time, because the
/// time-outs of a cluster are seconds, and a hundred clusters at once on two cores would run into them. The limit on time
/// is only there to end a test that hangs.
@Suite("Services", .serialized, .timeLimit(.minutes(10))) struct ServicesTests {
    /// Tries `attempt` until it answers true: for what a test can see only while the machine is not too busy to let it look
    /// in time. What is wrong fails each time.
    static func eventually(
        _ comment: Comment,
        _ attempt: (_ number: Int) async throws -> Bool
    ) async throws {
        for number in 0..<20 {
            if try await attempt(number) { return }
        }
        Issue.record(comment)
    }
}

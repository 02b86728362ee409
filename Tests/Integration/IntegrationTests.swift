// SPDX-License-Identifier: Apache-2.0

import Testing

/// Everything that runs the real executable: one at a time, because each test needs the whole machine.
@Suite("The running herd", .serialized) struct IntegrationTests {}

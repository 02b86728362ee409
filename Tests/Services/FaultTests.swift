// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import TestfsService
import Testing

extension ServicesTests {
    @Suite("Faults on purpose") struct FaultTests {
        @Test("in an outage everything is 503, except what tells how the component does")
        func outage() async throws {
            try await withTemporaryFolder { root in
                let testfs = try await AgentPart.start("testfs-0", .testfs) {
                    TestfsComponent(
                        configuration: TestfsConfiguration(port: 0, directory: root),
                        environment: $0
                    )
                }
                let faults = testfs.environment.faults
                #expect(try await testfs.send(.post, "/files/a", body: "x").status == 200)
                faults.set(.outage, as: 7)
                let refused = try await testfs.send(.get, "/files/a")
                #expect(refused.status == 503)
                #expect(refused.text.contains("outage"))
                #expect(try await testfs.send(.post, "/files/b", body: "x").status == 503)
                #expect(try await testfs.send(.get, "/readiness").status == 503)
                for path in ["/health", "/status", "/metrics"] {
                    #expect(try await testfs.send(.get, path).status == 200, "\(path)")
                }
                let status = try await testfs.send(.get, "/status").text
                #expect(status.contains("\"faults\":[\"outage: answers 503\"]"))
                faults.clear(7)
                #expect(try await testfs.send(.get, "/files/a").text == "x")
                #expect(try await testfs.send(.get, "/files/b").status == 404)
                #expect(try await !testfs.send(.get, "/status").text.contains("\"faults\""))
                await testfs.event { $0.kind == .fault && $0.detail?["state"] == "off" }
                try await testfs.stop()
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Files
import Glibc
package import HTTPKit
import Hummingbird
import Primitives
import ServiceLifecycle
import Telemetry

/// Kraken's test file system: files over HTTP, for clusters that have no real storage backend.
/// - Source: uber/kraken tools/bin/testfs, lib/backend/testfs/server.go.
package struct TestfsComponent: Service {
    private let configuration: TestfsConfiguration
    private let environment: ComponentEnvironment

    /// The server that `configuration` describes, in `environment`.
    package init(configuration: TestfsConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
    }

    /// Serves until it is told to stop; running requests get `drainTimeout` to finish.
    package func run() async throws {
        let directory = try await makeDirectory()
        defer {
            // Nobody can do anything about a temporary directory that can't be removed; the system
            // cleans /tmp.
            if configuration.directory == nil { try? Directory.remove(directory) }
        }
        let files = TestfsFiles(
            root: directory,
            isDurable: configuration.directory != nil,
            fileBytesMax: configuration.fileBytesMax.bytes,
            pool: environment.pool
        )
        let status = ComponentStatus(.testfs, environment, settings: configuration.settings)
        environment.reloads.register(
            configuration,
            live: [],
            status: status,
            settings: { $0.settings },
            take: { _, _ in }
        )
        let router = Router(context: ServerContext.self)
        TestfsRoutes(files: files, counters: environment.counters).add(to: router)
        StandardRoutes(environment, snapshot: { status.snapshot() }).add(to: router)
        let server = status.listener(
            at: (configuration.host, configuration.port),
            router,
            limits: Limits(),
            drainTimeout: configuration.drainTimeout
        )
        try await server.run()
    }

    private func makeDirectory() async throws -> String {
        let directory = configuration.directory
        return try await environment.pool.run {
            if let directory {
                try Directory.create(directory)
                // What a crash left half-written is nobody's file.
                try Directory.remove("\(directory)/\(TestfsFiles.temporaryDirectory)")
                return directory
            }
            var template = Array("/tmp/kraken-testfs-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw FileError(errno: errno, "make a temporary directory in /tmp")
            }
            return String(
                decoding: template.dropLast().map { UInt8(bitPattern: $0) },
                as: UTF8.self
            )
        }
    }
}

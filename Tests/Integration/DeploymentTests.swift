// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// What is deployed: the executable as an ordinary user's, the tree of its image, the files below `deploy`.
    @Suite("Deployment") struct DeploymentTests {
        /// Where the project lies.
        static let repository = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

        private static let isRoot = geteuid() == 0
        private static let hasSystemd = ["systemd-analyze", "systemd-sysusers", "systemd-tmpfiles"]
            .allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/" + $0) }
        /// Nobody's number everywhere.
        private static let nobody = "65534"

        @Test(
            "a user without rights runs a herd whose agents download from each other",
            .enabled(if: isRoot, "who is no root tests this in all other tests"),
            .timeLimit(.minutes(5))
        )
        func unprivileged() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [9 << 20],
                seed: 61
            )
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o777],
                ofItemAtPath: folder.url.path
            )
            // A copy, for the build may lie where only its owner looks.
            let executable = folder.url.appending(path: "herd").path
            try FileManager.default.copyItem(atPath: HerdProcess.executable, toPath: executable)
            let herd = try await HerdProcess.start(
                in: folder.url,
                launcher: [
                    "setpriv", "--reuid", Self.nobody, "--regid", Self.nobody, "--clear-groups",
                    executable,
                ]
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/user:v1")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/user:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            #expect(try await herd.stop() == 0)
        }

        @Test(
            "every metric of a herd is in the catalogue, and every name in the catalogue is one",
            .timeLimit(.minutes(5))
        )
        func metrics() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [1 << 20],
                seed: 62
            )
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 2,
                arguments: ["--backend", "testfs", "--tls"],
                // Nobody listens there, which is counted.
                launcher: [
                    "env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", HerdProcess.executable,
                ]
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/metrics:v1")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/metrics:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            try await check(
                "metrics.py",
                [Self.repository.path, folder.url.appending(path: "ready.json").path]
            )
            #expect(try await herd.stop() == 0)
        }

        @Test(
            "two clusters in network namespaces lose nothing while their components break",
            .enabled(if: isRoot, "only root may make network namespaces"),
            .timeLimit(.minutes(10))
        )
        func reliability() async throws {
            let folder = try TemporaryDirectory()
            let script = Self.repository.appending(path: "Tests/Reliability/reliability.py").path
            // `make reliability` does the same for longer, from any seed.
            let run = try await Command(
                "python3",
                [script, "--minutes", "0.5", "--seed", "6", "--herd", HerdProcess.executable],
                environment: ["TMPDIR": folder.url.path]
            ).run(within: .seconds(540))
            #expect(run.status == 0, "\(run.output.suffix(2000))\(run.errors)")
        }

        @Test("the Helm chart renders, to valid objects and configurations")
        func chart() async throws {
            let chart = Self.repository.appending(path: "deploy/helm/herd").path
            try await check("chart.py", [chart, HerdProcess.executable])
        }

        @Test("every example configuration is right, and compose.yaml names what is there")
        func configurations() async throws {
            try await check("configurations.py", [Self.repository.path, HerdProcess.executable])
        }

        @Test(
            "the systemd units are right and closed",
            .enabled(if: hasSystemd, "needs systemd's own programs")
        )
        func units() async throws {
            let script = Self.repository.appending(path: "Tests/Deployment/units.sh").path
            let units = Self.repository.appending(path: "deploy/systemd").path
            let run = try await Command(script, [units, HerdProcess.executable]).run()
            #expect(run.status == 0, "\(run.output)\(run.errors)")
        }

        @Test(
            "an image holds all that the executable needs",
            .enabled(if: isRoot, "only root may look at it from inside"),
            .timeLimit(.minutes(5))
        )
        func image() async throws {
            let folder = try TemporaryDirectory()
            let script = Self.repository.appending(path: "deploy/images/bundle.sh").path
            let bundle = try await Command(script, [HerdProcess.executable, folder.url.path]).run()
            #expect(bundle.status == 0, "\(bundle.errors)")
            let root = folder.url.appending(path: "system").path
            for (name, word) in [("herd", "up"), ("kraken-origin", "--blobserver-port")] {
                // With /proc, as containers have it: programs find their arguments there.
                let enter = """
                    mkdir -p "$0/proc" && mount --bind /proc "$0/proc" &&
                    LD_LIBRARY_PATH=/usr/lib/herd exec chroot --userspec 10001:10001 "$0" "$@"
                    """
                let run = try await Command(
                    "unshare",
                    ["--mount", "bash", "-c", enter, root, "/usr/bin/" + name, "--help"]
                ).run()
                #expect(run.status == 0, "\(run.errors)")
                #expect(run.output.contains(word))
            }
        }

        @Test(
            "images of all components and of each are built from it",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/buildah")),
            .timeLimit(.minutes(5))
        )
        func images() async throws {
            let folder = try TemporaryDirectory()
            let script = Self.repository.appending(path: "deploy/images/build.sh").path
            // A storage of its own, so that the user's images stay as they are.
            let storage = [
                "CONTAINERS_STORAGE_CONF": folder.url.appending(path: "storage.conf").path,
                "BUILDAH_ISOLATION": "chroot",
            ]
            try """
            [storage]
            driver = "vfs"
            graphroot = "\(folder.url.path)/images"
            runroot = "\(folder.url.path)/run"

            """.write(
                toFile: folder.url.appending(path: "storage.conf").path,
                atomically: true,
                encoding: .utf8
            )
            let build = try await Command(
                script,
                ["buildah", "herd", "v1", HerdProcess.executable, folder.url.path + "/root"],
                environment: storage
            ).run(within: .seconds(240))
            #expect(build.status == 0, "\(build.errors)")
            #expect(build.output.split(separator: "\n").count == 7)
            let look = try await Command(
                "buildah",
                [
                    "inspect", "--type", "image", "--format",
                    "{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.User}}", "herd-origin:v1",
                ],
                environment: storage
            ).run()
            #expect(
                look.output.contains("[/usr/bin/kraken-origin] 10001:10001"),
                "\(look.output)\(look.errors)"
            )
        }

        /// Runs one of the scripts beside these tests, which tells what is wrong on its output.
        private func check(_ script: String, _ arguments: [String]) async throws {
            let path = Self.repository.appending(path: "Tests/Deployment/\(script)").path
            let python = Self.repository.appending(path: ".build-venv/bin/python").path
            let run = try await Command(python, [path] + arguments).run()
            #expect(run.status == 0, "\(run.output)\(run.errors)")
        }
    }
}

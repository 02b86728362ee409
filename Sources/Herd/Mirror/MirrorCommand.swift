// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Files

/// `herd mirror`: what container runtimes have to know to pull through an agent.
struct MirrorCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "mirror",
            abstract: "Make container runtimes pull other registries' images through an agent.",
            subcommands: [Config.self]
        )
    }

    /// `herd mirror config`.
    struct Config: AsyncParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Write, or remove, an agent as a mirror in runtimes' configurations.",
                discussion: """
                    What is there already stays, and is copied beside the file (.herd-backup) before the first \
                    change. The agent has to name the registries under mirrors in its configuration.
                    """
            )
        }

        @Option(help: "The agent's registry, as the runtimes reach it.")
        var agent = "127.0.0.1:16000"
        @Option(
            parsing: .upToNextOption,
            help: "The registries to pull through it."
        )
        var registry = ["docker.io"]
        @Option(
            parsing: .upToNextOption,
            help:
                "The runtimes: containerd, containers (podman, CRI-O, buildah, skopeo) and docker."
        )
        var client = RuntimeKind.allCases
        @Option(help: "The directory whose etc is meant.")
        var root = "/"
        @Flag(help: "Take away what was written for this agent and these registries.")
        var remove = false

        mutating func validate() throws {
            guard let endpoint = Endpoint(parsing: agent), endpoint.port > 0 else {
                throw ValidationError("\(agent) is no address; write it like 127.0.0.1:16000")
            }
            for name in registry {
                let isName = name.utf8.allSatisfy {
                    switch $0 {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                        UInt8(ascii: ":"), UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
                guard isName, !name.hasPrefix("."), !name.isEmpty else {
                    throw ValidationError("\(name) is no registry; write it like docker.io")
                }
            }
        }

        func run() async throws {
            let mirror = RuntimeMirror(agent: agent, registries: registry)
            let base = root.hasSuffix("/") ? String(root.dropLast()) : root
            for client in client {
                for file in client.files(mirror) {
                    let path = base + file.path
                    do {
                        let edit = ConfigurationEdit(
                            path: path,
                            ownsFolder: file.ownsFolder,
                            saysTheSame: { file.saysTheSame($0, $1) }
                        )
                        let outcome = try edit.apply {
                            try remove ? file.without($0) : file.with($0)
                        }
                        print("\(outcome.rawValue) \(path)")
                    } catch let error as FileError {
                        throw Failure("cannot change \(path)", why: error.description)
                    } catch let error as RuntimeFileError {
                        throw Failure("cannot change \(path)", why: error.description)
                    }
                }
                if let hint = client.hint { StandardError.tell("\(client.rawValue): \(hint)") }
            }
        }
    }
}

/// An agent as a mirror of registries.
struct RuntimeMirror: Hashable, Sendable {
    /// `host:port` of its registry.
    let agent: String
    /// Their names.
    let registries: [String]
}

/// A file of a runtime, and how it comes to know the mirror and forgets it.
protocol RuntimeFile: Sendable {
    /// Its path below the root.
    var path: String { get }
    /// The file's text with the mirror.
    /// - Throws: ``RuntimeFileError`` when what is there can't be understood.
    func with(_ text: String?) throws -> String?
    /// The same without it; nil when nothing is left.
    func without(_ text: String?) throws -> String?
    /// Whether the folder is the file's alone.
    var ownsFolder: Bool { get }
    /// Whether two texts of the file say the same.
    func saysTheSame(_ left: String, _ right: String) -> Bool
}

extension RuntimeFile {
    var ownsFolder: Bool { false }
    /// Whether they are the same, but for the end of the last line, which a block behind it needs.
    func saysTheSame(_ left: String, _ right: String) -> Bool {
        left == right || left == right + "\n"
    }
}

/// A file that is not to be changed.
struct RuntimeFileError: Error, CustomStringConvertible {
    let description: String
}

/// Whose files are written.
enum RuntimeKind: String, CaseIterable, Sendable, ExpressibleByArgument {
    case containerd, containers, docker

    /// The files that make it use `mirror`.
    func files(_ mirror: RuntimeMirror) -> [any RuntimeFile] {
        switch self {
        case .containerd:
            mirror.registries.map { ContainerdHosts(agent: mirror.agent, registry: $0) }
        case .containers: [ContainersRegistries(mirror: mirror)]
        // Docker mirrors Docker Hub only.
        case .docker:
            mirror.registries.contains("docker.io") ? [DockerDaemonFile(agent: mirror.agent)] : []
        }
    }

    /// What the user has to do besides.
    var hint: String? {
        switch self {
        case .containerd:
            "set config_path to /etc/containerd/certs.d in its config.toml, unless it is; no restart needed"
        case .containers: nil
        case .docker: "reload it: systemctl reload docker"
        }
    }
}

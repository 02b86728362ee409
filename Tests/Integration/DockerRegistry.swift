// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// Docker's registry, with a record of what it was asked.
final class DockerRegistry: Sendable {
    let address: String
    /// What it speaks TLS with; nil: it doesn't.
    let tls: Certificates?
    /// `herd:herd-secret` where it wants that.
    let password: String?
    private let folder: URL
    let process: RunningProcess

    /// Files that a registry speaks TLS with.
    struct Certificates: Sendable {
        /// Its certificate, and its key.
        let certificate, key: String
        /// The authority that its certificate comes from, and those of its clients must.
        let authority: String
    }

    /// Starts one that stores below `folder`, on `port` or a free one.
    ///
    /// - Parameters:
    ///   - deletes: whether it deletes manifests.
    ///   - isClosed: whether it wants a password.
    ///   - tokens: whose tokens it wants.
    ///   - tls: what it speaks TLS with; clients have to have certificates, then.
    static func start(
        in folder: URL,
        port: Int? = nil,
        deletes: Bool = false,
        isClosed: Bool = false,
        tokens: TokenService? = nil,
        tls: Certificates? = nil
    ) async throws -> DockerRegistry {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let address = "127.0.0.1:\(try port ?? ReservedPort.make())"
        let file = folder.appending(path: "c.yml")
        var settings = """
            version: 0.1
            log: {accesslog: {disabled: false}}
            storage: {filesystem: {rootdirectory: \(folder.path)/data}, delete: {enabled: \(deletes)}}
            http: {addr: "\(address)"\(tls?.settings ?? "")}

            """
        if isClosed {
            let passwords = folder.appending(path: "htpasswd").path
            let made = try await Command(
                "htpasswd",
                ["-B", "-b", "-c", passwords, "herd", "herd-secret"]
            ).run()
            guard made.status == 0 else {
                throw CommandFailure(description: "htpasswd: \(made.errors)")
            }
            settings += "auth: {htpasswd: {realm: herd, path: \(passwords)}}\n"
        }
        settings += tokens?.registrySettings ?? ""
        try Data(settings.utf8).write(to: file)
        let process = try Command("docker-registry", ["serve", file.path]).start(
            output: folder.appending(path: "access-\(UUID().uuidString)"),
            errors: folder.appending(path: "errors")
        )
        let registry = DockerRegistry(
            address: address,
            tls: tls,
            password: isClosed || tokens != nil ? "herd:herd-secret" : nil,
            folder: folder,
            process: process
        )
        let ready = try await Command(
            "curl",
            registry.transport + [
                "-ks", "-o", "/dev/null", "--retry", "60", "--retry-connrefused",
                "--retry-delay", "1", "\(registry.scheme)://\(address)/v2/",
            ]
        ).run()
        guard ready.status == 0 else {
            process.send(SIGKILL)
            throw CommandFailure(description: "docker-registry: \(ready.errors)")
        }
        return registry
    }

    private init(
        address: String,
        tls: Certificates?,
        password: String?,
        folder: URL,
        process: RunningProcess
    ) {
        (self.address, self.tls, self.password) = (address, tls, password)
        (self.folder, self.process) = (folder, process)
    }

    private var scheme: String { tls == nil ? "http" : "https" }

    /// What tells curl how to connect. Its own certificate is as good as a client's.
    private var transport: [String] {
        tls.map { ["--cacert", $0.authority, "--cert", $0.certificate, "--key", $0.key] } ?? []
    }

    deinit {
        // A test that fails half-way leaves nothing running.
        if process.isRunning { process.send(SIGKILL) }
    }

    /// How often a request of `method` for something with `what` in its path was answered with `status`, over all starts in
    /// the same folder.
    func count(_ method: String, _ what: String, _ status: Int) throws -> Int {
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try files.filter { $0.hasPrefix("access-") }.reduce(0) { sum, name in
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            return sum
                + text.split(separator: "\n").count {
                    $0.contains("\"\(method) /v2/") && $0.contains(what)
                        && $0.contains("\" \(status) ")
                }
        }
    }

    /// Ends it at once.
    func kill() async throws {
        process.send(SIGKILL)
        _ = try await process.waitForExit(within: .seconds(10))
    }

    /// The status code and body that curl gets at `path` below `/v2/`.
    func curl(
        _ path: String,
        _ arguments: [String] = []
    ) async throws -> (status: Int, body: String) {
        let login = password.map { ["-u", $0] } ?? []
        // It gives nothing of OCI's to whoever does not say that it takes that.
        let types = ["index", "manifest"].map { "application/vnd.oci.image.\($0).v1+json" }
        let accept = ["-H", "Accept: \(types.joined(separator: ", "))"]
        return try await Clients.curl(
            transport + login + accept + arguments + ["\(scheme)://\(address)/v2/\(path)"]
        )
    }

    /// The digest that skopeo finds under `reference`; nil when there is none.
    func digest(of reference: String) async throws -> String? {
        let login = password.map { ["--creds", $0] } ?? ["--no-creds"]
        let raw = try await Command(
            "skopeo",
            ["inspect", "--raw", "--tls-verify=false"] + login
                + ["docker://\(address)/\(reference)"]
        ).run()
        return raw.status == 0 ? Clients.sha256(Data(raw.output.utf8)) : nil
    }
}

extension DockerRegistry.Certificates {
    /// Further keys of the registry's `http`.
    fileprivate var settings: String {
        ", tls: {certificate: \(certificate), key: \(key), clientcas: [\(authority)]}"
    }
}

// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// The Docker daemon of this host, as far as it is told to pull images.
/// - Source: uber/kraken lib/dockerdaemon/cli.go; Docker Engine API, `POST /images/create`.
struct DockerDaemon: Sendable {
    let configuration: DockerConfiguration
    let http: HTTPClient

    /// The longest line of a report on progress that is looked into; Docker's have a few hundred bytes.
    private static let lineBytesMax = 64 << 10

    /// Makes Docker pull `tag` from the registry at `address`; returns when it has the image.
    /// - Throws: ``HTTPProblem`` 502 with what Docker says.
    func pull(_ tag: QualifiedTag, from address: String) async throws {
        let image = PercentCoding.encode("\(Self.local(address))/\(tag.repository)")
        let query = "fromImage=\(image)&tag=\(PercentCoding.encode(tag.tag.name))"
        // A socket has no host, but HTTP/1.1 wants one named.
        var headers = HTTPFields()
        for (name, value) in [("X-Registry-Auth", ""), ("Host", "docker")] {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        let request = ClientRequest(
            .post,
            "\(base)/v\(configuration.version)/images/create?\(query)",
            headers: headers,
            timeout: .hours(1)
        )
        do {
            let response = try await http.send(request)
            try await follow(response.body)
        } catch let error as HTTPClientError {
            throw Self.failure("\(error)")
        }
    }

    /// Docker answers 200 before it begins, and tells in the body what goes wrong then.
    private func follow(_ body: ClientBody) async throws {
        var line: [UInt8] = []
        for try await part in body {
            for byte in part.readableBytesView {
                if byte != UInt8(ascii: "\n") {
                    if line.count < Self.lineBytesMax { line.append(byte) }
                    continue
                }
                try Self.check(line)
                line.removeAll(keepingCapacity: true)
            }
        }
        try Self.check(line)
    }

    private static func check(_ line: [UInt8]) throws {
        // A line that is no JSON tells of no error.
        guard let report = try? JSON(parsing: line), let error = report["error"]?.string else {
            return
        }
        throw failure(error)
    }

    private static func failure(_ why: String) -> HTTPProblem {
        HTTPProblem(
            .badGateway,
            "docker could not pull the image",
            detail: why,
            remedy: "check container_runtime.docker, and that docker trusts the agent's registry"
        )
    }

    /// The daemon's URL; `http+unix:` is how the client spells a socket.
    private var base: String {
        let host = configuration.host
        let parts = host.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return "\(configuration.scheme)://\(host)" }
        guard parts[0] == "unix:" else { return "\(configuration.scheme)://\(parts[2])" }
        return "\(configuration.scheme)+unix://\(PercentCoding.encode(parts[2]))"
    }

    /// `address` as this host itself reaches it.
    private static func local(_ address: String) -> String {
        guard let endpoint = Endpoint(parsing: address) else { return address }
        let local = ["0.0.0.0": "127.0.0.1", "::": "::1"][endpoint.host] ?? endpoint.host
        return Endpoint(host: local, port: endpoint.port).description
    }
}

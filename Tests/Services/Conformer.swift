// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import Telemetry
import TestSupport
import Testing

/// A client that holds a registry against the specification, over a real proxy, origin and build-index.
struct Conformer: Sendable {
    let cluster: ProxyCluster
    let name = "conformance/repository"

    static let manifestType = ManifestMediaType.ociManifest.rawValue
    static let indexType = ManifestMediaType.ociIndex.rawValue

    /// One sentence of the specification that has a MUST in it, and what shows that it holds.
    struct Requirement: Sendable, CustomTestStringConvertible {
        let text: String
        let check: @Sendable (Conformer) async throws -> Void

        init(_ text: String, _ check: @escaping @Sendable (Conformer) async throws -> Void) {
            (self.text, self.check) = (text, check)
        }

        var testDescription: String { text }

        /// Checks it in a cluster of its own.
        func run() async throws {
            try await ProxyCluster.run { try await check(Conformer(cluster: $0)) }
        }
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: [UInt8]? = nil,
        headers: [String: String] = [:]
    ) async throws -> ProxyCluster.Answer {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        let path = path.hasPrefix("/") ? path : "/v2/\(name)/\(path)"
        return try await cluster.send(method, path, body, headers: fields)
    }

    /// Begins an upload; answers where it goes on.
    func start() async throws -> String {
        let answer = try await send(.post, "blobs/uploads/")
        #expect(answer.status == 202)
        return try #require(answer["Location"])
    }

    /// Appends `bytes`, which begin at byte `offset`.
    func chunk(
        _ location: String,
        _ bytes: [UInt8],
        at offset: Int
    ) async throws
        -> ProxyCluster.Answer
    {
        try await send(
            .patch,
            location,
            bytes,
            headers: ["Content-Range": "\(offset)-\(offset + bytes.count - 1)"]
        )
    }

    @discardableResult func push(_ text: String) async throws -> Digest {
        let bytes = Array(text.utf8)
        let digest = Digest(hashing: bytes)
        let answer = try await send(.post, "blobs/uploads/?digest=\(digest)", bytes)
        #expect(answer.status == 201, "\(answer.text)")
        return digest
    }

    /// Pushes a manifest; answers its digest.
    @discardableResult func put(
        _ manifest: String,
        as reference: String? = nil,
        type: String = Self.manifestType
    ) async throws -> Digest {
        let digest = Digest(hashing: Array(manifest.utf8))
        let answer = try await send(
            .put,
            "manifests/\(reference ?? digest.description)",
            Array(manifest.utf8),
            headers: ["Content-Type": type]
        )
        #expect(answer.status == 201, "\(answer.text)")
        return digest
    }

    /// A manifest over pushed blobs, which `marker` makes another one than others.
    func manifest(
        _ marker: String = "",
        subject: Digest? = nil,
        artifactType: String? = nil,
        configType: String = "application/vnd.oci.image.config.v1+json",
        type: String? = Self.manifestType
    ) async throws -> String {
        let config = try await push("{}")
        let layer = try await push("layer")
        var members = [#""schemaVersion":2"#]
        if let type { members.append(#""mediaType":"\#(type)""#) }
        if let artifactType { members.append(#""artifactType":"\#(artifactType)""#) }
        members.append(#""config":{"mediaType":"\#(configType)","digest":"\#(config)","size":2}"#)
        members.append(
            #""layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","#
                + #""digest":"\#(layer)","size":5}]"#
        )
        if let subject {
            members.append(
                #""subject":{"mediaType":"\#(Self.manifestType)","digest":"\#(subject)","size":9}"#
            )
        }
        members.append(#""annotations":{"org.example.marker":"\#(marker)"}"#)
        return "{\(members.joined(separator: ","))}"
    }

    /// An index of `manifests`.
    func index(_ manifests: [Digest], subject: Digest? = nil, artifactType: String? = nil) -> String
    {
        let list = manifests.map {
            #"{"mediaType":"\#(Self.manifestType)","digest":"\#($0)","size":9}"#
        }
        var members = [
            #""schemaVersion":2"#, #""mediaType":"\#(Self.indexType)""#,
            #""manifests":[\#(list.joined(separator: ","))]"#,
        ]
        if let artifactType { members.append(#""artifactType":"\#(artifactType)""#) }
        if let subject {
            members.append(
                #""subject":{"mediaType":"\#(Self.manifestType)","digest":"\#(subject)","size":9}"#
            )
        }
        members.append(#""annotations":{"org.example.kind":"index"}"#)
        return "{\(members.joined(separator: ","))}"
    }

    /// The descriptors that the referrers API lists.
    func referrers(_ subject: Digest, query: String = "") async throws -> [JSON] {
        let answer = try await send(.get, "referrers/\(subject)\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer["Content-Type"] == Self.indexType)
        #expect(answer.json["schemaVersion"]?.integer == 2)
        #expect(answer.json["mediaType"]?.string == Self.indexType)
        return try #require(answer.json["manifests"]?.array)
    }

    func tags(_ query: String = "") async throws -> [String] {
        let answer = try await send(.get, "tags/list\(query)")
        return (answer.json["tags"]?.array ?? []).compactMap(\.string)
    }
}

extension ProxyCluster.Answer {
    /// Expects an error as the specification has it: `status`, and `code` in the body.
    func expect(_ status: Int, _ code: String) {
        #expect(self.status == status, "\(text)")
        #expect(self.code == code, "\(text)")
        #expect(json["errors"]?.array?.first?["message"]?.string?.isEmpty == false)
    }
}

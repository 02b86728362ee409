// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Testing

/// Manifests that are put together by hand and pushed with curl, into one repository.
enum Artifacts {
    /// The repository.
    static let repository = "team/app"

    /// Puts the manifest `text` under `reference`, its digest when nil, at `registry`; answers its digest.
    @discardableResult static func put(
        _ text: String,
        at registry: String,
        as reference: String? = nil
    ) async throws -> String {
        let digest = Clients.sha256(Data(text.utf8))
        let type = try #require(try JSON(parsing: Array(text.utf8))["mediaType"]?.string)
        let (status, body) = try await Clients.curl([
            "-X", "PUT", "-H", "Content-Type: \(type)", "--data-binary", text,
            "http://\(registry)/v2/\(repository)/manifests/\(reference ?? digest)",
        ])
        #expect(status == 201, "\(body)")
        return digest
    }

    static func index(
        of manifests: [(digest: String, bytes: Int)],
        for architectures: [String]? = nil
    ) -> String {
        let entries = manifests.enumerated().map { number, manifest in
            let platform = architectures.map {
                #","platform":{"architecture":"\#($0[number])","os":"linux"}"#
            }
            return
                #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(manifest.digest)","#
                + #""size":\#(manifest.bytes)\#(platform ?? "")}"#
        }
        return
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\#(entries.joined(separator: ","))]}"#
    }

    /// An index of `images`, each for the Linux of its place in `architectures` where that is given.
    static func index(of images: [OCIImage], for architectures: [String]? = nil) -> String {
        index(of: images.map { ($0.manifest, $0.blobs[$0.manifest] ?? 0) }, for: architectures)
    }

    /// Attaches something called `name` to the manifest `subject` at `registry`; answers its digest and length.
    static func attach(
        _ name: String,
        to subject: (digest: String, bytes: Int),
        at registry: String,
        isIndex: Bool = false
    ) async throws -> (digest: String, bytes: Int) {
        let empty = Clients.sha256(Data("{}".utf8))
        let (status, body) = try await Clients.curl([
            "-X", "POST", "-H", "Content-Type: application/octet-stream",
            "--data-binary", "{}",
            "http://\(registry)/v2/\(repository)/blobs/uploads/?digest=\(empty)",
        ])
        #expect(status == 201, "\(body)")
        let kind = isIndex ? "index" : "manifest"
        let config =
            #"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"\#(empty)","size":2}"#
        let text =
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#
            + #""artifactType":"example/\#(name)","config":\#(config),"layers":[\#(config)],"#
            + #""subject":{"mediaType":"application/vnd.oci.image.\#(kind).v1+json","#
            + #""digest":"\#(subject.digest)","size":\#(subject.bytes)}}"#
        return (try await put(text, at: registry), text.utf8.count)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Primitives
import RegistryAPI
import SwarmIO
import Telemetry

/// The blobs of an agent's registry: those of its swarm, with the repository as their namespace.
struct AgentRegistry: BlobSource {
    let blobs: AgentBlobs
    let limits: Limits
    /// Counts bytes handed to clients.
    let bytesServed: Counter

    func blob(_ digest: Digest, in repository: RepositoryName) async throws -> BlobContent? {
        try await found("download \(digest)") {
            let blob = try await blobs.open(digest, namespace: Namespace(repository))
            return BlobContent(
                bytes: blob.bytes,
                body: .fileParts { [bytesServed] range, writer in
                    try await blob.send(range, to: writer)
                    bytesServed.add(range.count)
                }
            )
        }
    }

    func blobSize(_ digest: Digest, in repository: RepositoryName) async throws -> Int? {
        try await found("size of \(digest)") {
            try await blobs.size(of: digest, namespace: Namespace(repository))
        }
    }

    func manifest(_ digest: Digest, in repository: RepositoryName) async throws -> [UInt8]? {
        try await found("download manifest \(digest)") {
            let bytes = try await blobs.bytes(
                of: digest,
                namespace: Namespace(repository),
                upTo: limits.manifestBytesMax
            )
            guard let bytes else {
                throw RegistryError(
                    .manifestInvalid,
                    .badRequest,
                    "\(digest) has more bytes than a manifest may have: it is some other blob"
                )
            }
            return bytes
        }
    }

    func sha512(of digest: Digest, in repository: RepositoryName) async throws -> SHA512Digest? {
        try await found("read \(digest)") {
            try await blobs.sha512(of: digest, namespace: Namespace(repository))
        }
    }

    /// What `body` finds; nil when nobody has it.
    private func found<Value>(
        _ what: String,
        _ body: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await body()
        } catch let error as ClusterError where error.code == .notFound {
            return nil
        } catch let error as ClusterError where error.code == .status(429) {
            throw RegistryError(error, what: what, whom: "tracker")
        } catch let error as ClusterError {
            throw RegistryError.unavailable(
                "cannot \(what): no tracker or origin serves it (\(error))"
            )
        } catch let error as SwarmError {
            throw RegistryError.unavailable("cannot \(what): \(error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import HTTPTypes
import NIOCore
import RegistryAPI
import Synchronization
import Telemetry

/// One client's upload of one blob.
final class UploadSession: BlobUpload {
    /// Where it goes.
    let repository: RepositoryName
    private let upload: Upload
    private let staging: UploadStaging
    private let bytesPushed: Counter
    private let state: Mutex<State>

    private struct State {
        /// Whether a request is at work on it: bytes have an order, so a second one is refused.
        var isBusy = false
        var lastUsedAt = ContinuousClock.now
        /// Sends the bytes on, once there are some.
        var follower: UploadFollower?
        /// Runs along with the bytes when the blob will be named by its SHA-512.
        var sum: SHA512Sum?
    }

    init(
        _ upload: Upload,
        repository: RepositoryName,
        staging: UploadStaging,
        bytesPushed: Counter
    ) {
        (self.upload, self.repository) = (upload, repository)
        (self.staging, self.bytesPushed) = (staging, bytesPushed)
        state = Mutex(State())
    }

    var id: String { upload.id }
    var bytesReceived: Int { upload.bytesReceived }

    /// How long no request has worked on it at `now`; zero while one does.
    func idleTime(at now: ContinuousClock.Instant) -> Duration {
        state.withLock { $0.isBusy ? .zero : now - $0.lastUsedAt }
    }

    func append<Body: AsyncSequence & Sendable>(_ body: Body, at start: Int?) async throws -> Int
    where Body.Element == ByteBuffer {
        try begin()
        defer { end() }
        if let start, start != upload.bytesReceived {
            throw RegistryError.rangeInvalid(bytesReceived: upload.bytesReceived)
        }
        do {
            var sum = state.withLock { $0.sum.take() }
            // What was not summed because it broke off is read again by the commit.
            defer { state.withLock { $0.sum = sum } }
            for try await buffer in body {
                let isInStep = sum?.bytes == upload.bytesReceived
                try await upload.append(buffer)
                if isInStep { buffer.withUnsafeReadableBytes { sum?.update($0) } }
                bytesPushed.add(buffer.readableBytes)
                follow()
            }
        } catch let error as StorageError {
            throw RegistryError(error, upload: id)
        } catch let error as FileError {
            // Clients begin anew, so what it has taken so far is the first room that there can be.
            if error.code == .noSpace { await cancel() }
            throw RegistryError(error)
        }
        return upload.bytesReceived
    }

    /// Has the bytes sent on that are in, if there are enough of them.
    private func follow() {
        let bytes = upload.bytesReceived
        guard bytes >= FollowSchedule.chunkBytes else { return }
        let follower = state.withLock { state in
            if state.follower == nil { state.follower = staging.follow(upload, to: repository) }
            return state.follower
        }
        follower?.receive(upTo: bytes)
    }

    func expectSHA512() async {
        state.withLock { state in
            if upload.bytesReceived == 0, state.sum == nil { state.sum = SHA512Sum() }
        }
    }

    func commit(as name: ContentDigest) async throws -> Digest {
        try begin()
        defer { end() }
        staging.forget(id)
        let follower = state.withLock { $0.follower }
        defer { follower?.giveUp() }
        do {
            let (digest, isChecked) =
                switch name {
                case .sha256(let digest): (digest, false)
                case .sha512(let alias): (try await sha256(requiring: alias), true)
                }
            try await staging.deliver(
                upload,
                follower,
                as: digest,
                isChecked: isChecked,
                in: repository
            )
            return digest
        } catch {
            await upload.cancel()
            switch error {
            case let error as StorageError: throw RegistryError(error, upload: id)
            case let error as FileError: throw RegistryError(error)
            default: throw error
            }
        }
    }

    /// The SHA-256 of the bytes received, whose SHA-512 must be `alias`.
    private func sha256(requiring alias: SHA512Digest) async throws -> Digest {
        let sum = state.withLock { $0.sum.take() }
        let actual = try await upload.sha512(from: sum ?? SHA512Sum())
        guard actual == alias else {
            throw RegistryError.digestInvalid(
                "the \(upload.bytesReceived) bytes received hash to \(actual), not \(alias)"
            )
        }
        return try await upload.digest()
    }

    func cancel() async {
        staging.forget(id)
        state.withLock { $0.follower }?.giveUp()
        await upload.cancel()
    }

    private func begin() throws {
        try state.withLock { state in
            guard !state.isBusy else {
                throw RegistryError(
                    .blobUploadInvalid,
                    .conflict,
                    "another request is at work on this upload; wait for its answer",
                    headers: [.retryAfter: "1"]
                )
            }
            state.isBusy = true
        }
    }

    private func end() {
        state.withLock { state in
            state.isBusy = false
            state.lastUsedAt = .now
        }
    }
}

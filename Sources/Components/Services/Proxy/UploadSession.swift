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
            for try await buffer in body {
                try await upload.append(buffer)
                bytesPushed.add(buffer.readableBytes)
            }
        } catch let error as StorageError {
            throw RegistryError(error, upload: id)
        } catch let error as FileError {
            throw RegistryError(error)
        }
        return upload.bytesReceived
    }

    func commit(as digest: Digest) async throws {
        try begin()
        defer { end() }
        staging.forget(id)
        try await staging.deliver(upload, as: digest, in: repository)
    }

    func cancel() async {
        staging.forget(id)
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

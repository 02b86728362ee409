// SPDX-License-Identifier: Apache-2.0

import Files
import Logging
import Primitives
import Telemetry

// Uploads that outlive the process. Their bytes are in the page cache, which survives a kill -9 but not the machine, so a
// label tells the boot it was written in, and after another boot its upload is wiped: the client begins anew. Only uploads that
// are passed on are kept.
extension BlobStore {
    /// Bytes of the longest label file.
    private static let labelBytesMax = 4096

    /// Notes `label` of the upload `id`.
    func writeLabel(_ label: String, of id: String) throws {
        let path = "\(layout.upload)/\(DiskLayout.labelName(of: id))"
        try AtomicFile.write(
            bootIdentity + [0] + Array(label.utf8),
            to: path,
            durable: false,
            temporaryDirectory: layout.upload
        )
    }

    /// The uploads that an earlier run of this boot has left, as they stand; at most as many as are allowed at a time.
    func reopenUploads() throws -> [Upload] {
        var uploads: [Upload] = []
        for name in try Directory.list(layout.upload) ?? [] where name.hasSuffix(".label") {
            guard uploads.count < configuration.limits.uploadSessionsMax else { break }
            let id = String(name.dropLast(".label".count))
            do {
                if let upload = try reopenUpload(id) { uploads.append(upload) }
            } catch let error as FileError {
                log.warning(
                    "could not reopen an upload; its client has to begin anew",
                    metadata: ["upload.id": "\(id)", LogKey.error: "\(error)"]
                )
            }
        }
        return uploads
    }

    private func reopenUpload(_ id: String) throws -> Upload? {
        let directory = "\(layout.upload)/\(id)"
        let path = "\(layout.upload)/\(DiskLayout.labelName(of: id))"
        guard let bytes = try AtomicFile.read(path, bytesMax: Self.labelBytesMax),
            let end = bytes.firstIndex(of: 0), bytes[..<end].elementsEqual(bootIdentity),
            try FileStatus.of(directory.file(.data)) != nil
        else { return nil }
        let file = try SharedFile.openForUpdate(directory.file(.data))
        return Upload(
            id: id,
            label: String(decoding: bytes[(end + 1)...], as: UTF8.self),
            directory: directory,
            file: file,
            bytesReceived: try file.size(),
            pieceBytes: nil,
            use: .relay,
            in: self
        )
    }
}

// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation

/// What an agent that is not running has on its disk.
struct AgentDisk {
    /// Its data directory.
    let folder: URL

    /// How much of a blob is there.
    enum Holding: Equatable, CustomStringConvertible {
        /// Nothing that counts.
        case nothing
        /// A download that was cut off: its pieces, and those of them that are recorded as verified.
        case partial(pieceCount: Int, verified: Int, verifiedBytes: Int, pieceBytes: Int)
        /// All of it, verified as a whole.
        case cached

        var description: String {
            switch self {
            case .nothing: "nothing"
            case .partial(let count, let verified, _, _): "\(verified)/\(count)"
            case .cached: "all"
            }
        }
    }

    /// What is there of the blob `digest`.
    func holding(_ digest: String) throws -> Holding {
        let hex = String(digest.dropFirst("sha256:".count))
        if FileManager.default.fileExists(atPath: entry("cache", hex, "data").path) {
            return .cached
        }
        // Neither file is there before the download has begun.
        guard let document = try? Data(contentsOf: entry("download", hex, "_torrentmeta")),
            let status = try? Data(contentsOf: entry("download", hex, "_status"))
        else { return .nothing }
        let layout = try MetaInfo(parsing: Array(document)).layout
        let verified = status.enumerated().filter { $0.element == 1 }.map(\.offset)
        return .partial(
            pieceCount: layout.pieceCount,
            verified: verified.count,
            verifiedBytes: verified.reduce(0) { $0 + layout.bytes(of: PieceIndex($1)) },
            pieceBytes: layout.pieceBytes
        )
    }

    /// The bytes of `image` that have to be fetched yet.
    func missingBytes(of image: OCIImage) throws -> Int {
        try image.blobs.reduce(0) { sum, blob in
            switch try holding(blob.key) {
            case .nothing: sum + blob.value
            case .partial(_, _, let verifiedBytes, _): sum + blob.value - verifiedBytes
            case .cached: sum
            }
        }
    }

    private func entry(_ state: String, _ hex: String, _ file: String) -> URL {
        folder.appending(
            path: "\(state)/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)/\(file)"
        )
    }
}

// SPDX-License-Identifier: Apache-2.0

import Content

/// Where everything lies on disk; each entry is a directory that holds `data` and sidecars.
///
/// ```
/// <upload>/<uuid>/{data, sidecars}                 an upload; wiped at every start, unless it has a label
/// <upload>/<uuid>.label                            what a kept upload is found by; Herd's own
/// <download>/ab/cd/<64 hex>/{data, sidecars}       a download of an agent, resumed after a restart
/// <cache>/ab/cd/<64 hex>/{data, sidecars}          a whole, verified blob
/// ```
/// Paths are made from parsed digests and our own identifiers only, never from text that a client sent. The upload
/// directory also takes temporary files and what is being deleted, so it must be on the file system of the others.
/// - Source: uber/kraken lib/store/base, file_entry.go; the layout is equal to its.
struct DiskLayout: Sendable {
    /// Uploads, temporary files and what is being deleted.
    let upload: String
    /// Unfinished downloads.
    let download: String
    /// Whole blobs.
    let cache: String

    /// The files of an entry.
    enum File: String, CaseIterable {
        /// The blob's bytes.
        case data
        /// The meta info as JSON.
        case metaInfo = "_torrentmeta"
        /// One byte a piece: 0 missing, 1 complete.
        case status = "_status"
        /// `true` while the blob is not in the backend yet.
        case persist = "_persist"
        /// When the blob was last used.
        case lastAccess = "_last_access_time"
        /// Under which namespace it came; Herd's own, unknown to Kraken.
        case namespace = "_namespace"
        /// In which boot of the machine it was committed without waiting for the disk; Herd's own.
        case unflushed = "_unflushed"
    }

    /// The directory of the cached blob `digest`.
    func cacheEntry(_ digest: Digest) -> String { Self.entry(in: cache, digest) }
    /// The directory of the unfinished download of `digest`.
    func downloadEntry(_ digest: Digest) -> String { Self.entry(in: download, digest) }

    /// The name, beside that of the upload `id`, of the file that has its label.
    static func labelName(of id: String) -> String { "\(id).label" }

    private static func entry(in root: String, _ digest: Digest) -> String {
        let hex = digest.hex
        return "\(root)/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)"
    }
}

extension String {
    /// The path of `file` in the entry at this path.
    func file(_ file: DiskLayout.File) -> String { "\(self)/\(file.rawValue)" }
}

/// The last-access sidecar: Unix seconds as a zig-zag varint in eight bytes.
/// - Source: uber/kraken lib/store/metadata/last_access_time.go (Go's binary.PutVarint).
enum AccessTime {
    /// How old a recorded time may get before a use is recorded again.
    static let resolutionSeconds: Int64 = 300

    /// The eight bytes for `seconds`.
    static func encode(_ seconds: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: (seconds << 1) ^ (seconds >> 63))
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
        return bytes + Array(repeating: 0, count: max(0, 8 - bytes.count))
    }

    /// The seconds in `bytes`; nil when they are no such number.
    static func decode(_ bytes: [UInt8]) -> Int64? {
        var value: UInt64 = 0
        for (index, byte) in bytes.prefix(9).enumerated() {
            value |= UInt64(byte & 0x7f) << UInt64(7 * index)
            if byte < 0x80 { return Int64(value >> 1) ^ -Int64(value & 1) }
        }
        return nil
    }
}

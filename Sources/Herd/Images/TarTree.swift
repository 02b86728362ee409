// SPDX-License-Identifier: Apache-2.0

import Files

/// An uncompressed tar archive, read in place: a file in it is a range of the archive.
/// - Source: POSIX.1-2017, pax: "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names.
struct TarTree: FileTree {
    let path: String
    private let file: SharedFile
    private let entries: [String: Entry]

    private enum Entry {
        case file(Range<Int>)
        case link(String)
    }

    /// Entries of the longest archive; an image has a few hundred.
    static let entriesMax = 100_000
    /// Bytes of a long name.
    static let nameBytesMax = 1 << 16

    /// Reads the directory of the archive at `path`.
    /// - Throws: ``Failure`` when it is no tar archive; `FileError`.
    init(path: String) throws {
        self.path = path
        file = try SharedFile.openForReading(path)
        let size = try file.size()
        var entries: [String: Entry] = [:]
        var longName: String?
        var longLink: String?
        var longSize: Int?
        var offset = 0
        while offset + 512 <= size {
            let bytes = try StoredBytes(file: file, range: offset..<offset + 512).read(upTo: 512)
            if bytes.allSatisfy({ $0 == 0 }) { break }
            guard let header = TarHeader(bytes) else {
                throw Failure("cannot read \(path)", why: "it is no uncompressed tar archive")
            }
            let count = longSize ?? header.bytes
            let content = offset + 512..<offset + 512 + count
            guard count >= 0, content.upperBound <= size, entries.count < Self.entriesMax else {
                throw Failure("cannot read \(path)", why: "the archive is cut off or malformed")
            }
            offset = content.lowerBound + (count + 511) / 512 * 512
            switch header.kind {
            case .longName, .longLink, .extended:
                let stored = StoredBytes(file: file, range: content)
                let text = try stored.read(upTo: Self.nameBytesMax)
                switch header.kind {
                case .longName: longName = TarHeader.text(text[...])
                case .longLink: longLink = TarHeader.text(text[...])
                default:
                    let records = TarHeader.records(text)
                    longName = records["path"] ?? longName
                    longLink = records["linkpath"] ?? longLink
                    longSize = records["size"].flatMap { Int($0) } ?? longSize
                }
                continue
            case .file:
                entries[Self.normal(longName ?? header.name)] = .file(content)
            case .link(let isSymbolic):
                let name = Self.normal(longName ?? header.name)
                let target = longLink ?? header.linkName
                let base =
                    isSymbolic
                    ? String(name.prefix(upTo: name.lastIndex(of: "/") ?? name.startIndex)) : ""
                entries[name] = .link(Self.normal("\(base)/\(target)"))
            case .other: break
            }
            (longName, longLink, longSize) = (nil, nil, nil)
        }
        self.entries = entries
    }

    func open(_ name: String) throws -> StoredBytes? {
        var name = Self.normal(name)
        // Docker saves a layer that two images share as a link; links to links end after a few steps.
        for _ in 0..<8 {
            switch entries[name] {
            case .file(let range): return StoredBytes(file: file, range: range)
            case .link(let target): name = target
            case nil: return nil
            }
        }
        return nil
    }

    /// `name` without `.`, `..` and doubled slashes.
    static func normal(_ name: String) -> String {
        var parts: [Substring] = []
        for part in name.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }
}

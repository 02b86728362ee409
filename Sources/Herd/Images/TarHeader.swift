// SPDX-License-Identifier: Apache-2.0

/// The 512 bytes before each file of a tar archive.
struct TarHeader: Hashable, Sendable {
    /// What follows.
    enum Kind: Hashable, Sendable {
        case file
        case link(isSymbolic: Bool)
        /// GNU's name that is too long for the header; of the next file.
        case longName
        /// GNU's link target that is too long for the header; of the next file.
        case longLink
        /// Pax records about the next file.
        case extended
        case other
    }

    /// The name.
    let name: String
    /// What a link points at.
    let linkName: String
    /// Bytes that follow.
    let bytes: Int
    /// What follows.
    let kind: Kind

    /// Reads a header; nil when the checksum says that these are other bytes.
    init?(_ block: [UInt8]) {
        guard block.count == 512 else { return nil }
        let sum = block.enumerated().reduce(0) { sum, item in
            sum + ((148..<156).contains(item.offset) ? 32 : Int(item.element))
        }
        guard Self.number(block[148..<156]) == sum, let bytes = Self.number(block[124..<136]) else {
            return nil
        }
        let isUstar = block[257..<262].elementsEqual("ustar".utf8)
        let prefix = isUstar ? Self.text(block[345..<500]) : ""
        let name = Self.text(block[0..<100])
        self.name = prefix.isEmpty ? name : "\(prefix)/\(name)"
        linkName = Self.text(block[157..<257])
        switch block[156] {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = .file
        case UInt8(ascii: "1"): kind = .link(isSymbolic: false)
        case UInt8(ascii: "2"): kind = .link(isSymbolic: true)
        case UInt8(ascii: "L"): kind = .longName
        case UInt8(ascii: "K"): kind = .longLink
        case UInt8(ascii: "x"): kind = .extended
        default: kind = .other
        }
        // Only a file and the records about one are followed by bytes.
        if case .link = kind { self.bytes = 0 } else { self.bytes = bytes }
    }

    /// The header of the file `name` of `bytes` bytes.
    static func block(name: String, bytes: Int) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        put(String(name.prefix(99)), at: 0)
        put("0000644\u{0}", at: 100)
        put("0000000\u{0}", at: 108)
        put("0000000\u{0}", at: 116)
        if bytes < 1 << 33 {
            put(octal(bytes, digits: 11) + "\u{0}", at: 124)
        } else {
            // Base 256, marked by the highest bit: files of 8 GiB and more.
            block[124] = 0x80
            for index in 0..<8 {
                block[128 + index] = UInt8(truncatingIfNeeded: bytes >> (56 - 8 * index))
            }
        }
        put("00000000000\u{0}", at: 136)
        put("        ", at: 148)
        block[156] = UInt8(ascii: "0")
        put("ustar\u{0}00", at: 257)
        let sum = block.reduce(0) { $0 + Int($1) }
        put(octal(sum, digits: 6) + "\u{0} ", at: 148)
        return block
    }

    private static func octal(_ number: Int, digits: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    /// The text up to the first zero byte.
    static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// A number in octal digits, or in base 256 where the highest bit says so.
    static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard let first = bytes.first else { return nil }
        if first & 0x80 != 0 {
            return bytes.dropFirst().suffix(7).reduce(0) { $0 << 8 | Int($1) }
        }
        let digits = text(bytes).filter { $0 != " " }
        return digits.isEmpty ? 0 : Int(digits, radix: 8)
    }

    /// The records of a pax header: `27 path=a/b/c\n` one after another.
    static func records(_ bytes: [UInt8]) -> [String: String] {
        var records: [String: String] = [:]
        var rest = bytes[...]
        while let space = rest.firstIndex(of: UInt8(ascii: " ")),
            let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
            length > space - rest.startIndex + 1, length <= rest.count
        {
            let record = rest[space + 1..<rest.startIndex + length - 1]
            if let equals = record.firstIndex(of: UInt8(ascii: "=")) {
                let key = String(decoding: record[..<equals], as: UTF8.self)
                records[key] = String(decoding: record[(equals + 1)...], as: UTF8.self)
            }
            rest = rest.dropFirst(length)
        }
        return records
    }
}

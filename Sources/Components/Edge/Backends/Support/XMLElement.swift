// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// An element of an XML document, for the short answers of object stores: no name spaces, no entities but the five.
struct XMLElement: Hashable, Sendable {
    /// Its name without a prefix.
    let name: String
    /// The text in it, outside its children.
    private(set) var text = ""
    /// The elements in it.
    private(set) var children: [XMLElement] = []

    /// Elements inside one another; a deeper document is refused.
    static let depthMax = 32

    /// The first child `name`.
    func first(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All children `name`.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// The text of the first child `name`.
    func text(of name: String) -> String? { first(name)?.text }

    /// The root of the document in `buffer`, which must be one of `names`; nil: any. A page of some web server must not be taken for
    /// an empty list.
    /// - Throws: ``BackendError`` for `what`.
    static func parse(
        _ buffer: ByteBuffer,
        _ what: String,
        root names: Set<String>? = nil
    ) throws(BackendError) -> XMLElement {
        var parser = XMLParser(buffer.readableBytesView)
        guard let root = parser.document(), names?.contains(root.name) ?? true else {
            throw BackendError(
                .failed,
                what: what,
                why: "the answer is not the XML that was expected",
                remedy: "check that the endpoint is such a store"
            )
        }
        return root
    }

    fileprivate init(name: String) { self.name = name }

    fileprivate mutating func add(_ child: XMLElement) { children.append(child) }
    fileprivate mutating func add(_ text: String) { self.text += text }
}

/// Takes a document apart from left to right.
private struct XMLParser {
    private var rest: ByteBufferView.SubSequence

    init(_ bytes: ByteBufferView) { rest = bytes[...] }

    /// The root; nil when the document is malformed.
    mutating func document() -> XMLElement? {
        var open: [XMLElement] = []
        while !rest.isEmpty {
            guard takes("<") else {
                let text = upTo("<")
                if !open.isEmpty {
                    guard let decoded = Self.decode(text) else { return nil }
                    open[open.count - 1].add(decoded)
                }
                continue
            }
            if takes("?") {
                guard skips(past: "?>") else { return nil }
            } else if takes("!--") {
                guard skips(past: "-->") else { return nil }
            } else if takes("![CDATA[") {
                guard let text = takesUp(to: "]]>"), !open.isEmpty else { return nil }
                open[open.count - 1].add(text)
            } else if takes("!") {
                guard skips(past: ">") else { return nil }
            } else if takes("/") {
                guard let name = takesUp(to: ">"), let element = open.popLast(),
                    Self.localName(name) == element.name
                else { return nil }
                guard !open.isEmpty else { return element }
                open[open.count - 1].add(element)
            } else {
                guard var tag = takesUp(to: ">"), open.count < XMLElement.depthMax else {
                    return nil
                }
                let isEmpty = tag.hasSuffix("/")
                if isEmpty { tag.removeLast() }
                let element = XMLElement(name: Self.localName(tag))
                guard !element.name.isEmpty else { return nil }
                if !isEmpty {
                    open.append(element)
                } else if open.isEmpty {
                    return element
                } else {
                    open[open.count - 1].add(element)
                }
            }
        }
        return nil
    }

    private static func localName(_ tag: String) -> String {
        let name = tag.prefix { !$0.isWhitespace }
        return name.lastIndex(of: ":").map { String(name[name.index(after: $0)...]) }
            ?? String(name)
    }

    private static func decode(_ text: String) -> String? {
        guard text.contains("&") else { return text }
        let entities = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]
        var result = ""
        var parts = text.split(separator: "&", omittingEmptySubsequences: false)
        result += parts.removeFirst()
        for part in parts {
            guard let end = part.firstIndex(of: ";") else { return nil }
            let name = part[..<end]
            if let plain = entities[String(name)] {
                result += plain
            } else if name.hasPrefix("#") {
                let number = name.dropFirst()
                let code =
                    number.hasPrefix("x")
                    ? UInt32(number.dropFirst(), radix: 16) : UInt32(number)
                guard let scalar = code.flatMap(Unicode.Scalar.init) else { return nil }
                result.unicodeScalars.append(scalar)
            } else {
                return nil
            }
            result += part[part.index(after: end)...]
        }
        return result
    }

    private mutating func takes(_ text: StaticString) -> Bool {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard rest.starts(with: bytes) else { return false }
        rest = rest.dropFirst(bytes.count)
        return true
    }

    private mutating func upTo(_ character: Unicode.Scalar) -> String {
        let text = rest.prefix { $0 != UInt8(ascii: character) }
        rest = rest[text.endIndex...]
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func takesUp(to end: String) -> String? {
        guard let range = rest.firstRange(of: Array(end.utf8)) else { return nil }
        let text = String(decoding: rest[..<range.lowerBound], as: UTF8.self)
        rest = rest[range.upperBound...]
        return text
    }

    private mutating func skips(past end: String) -> Bool { takesUp(to: end) != nil }
}

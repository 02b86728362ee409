// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Primitives
import TestSupport
import Testing

@Suite("JSON") struct JSONTests {
    @Test(
        "reads every kind of value",
        arguments: [
            ("null", JSON.null), (" true ", .bool(true)), ("false", .bool(false)),
            ("0", .integer(0)), ("-17", .integer(-17)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("1.5", .number(1.5)), ("1e3", .number(1000)), ("9223372036854775808", .number(0x1p63)),
            ("\"a\"", .string("a")), ("[]", .array([])), ("{}", .object([])),
            ("[1,[2],{}]", .array([.integer(1), .array([.integer(2)]), .object([])])),
            ("{\"a\":1,\"b\":null}", .object([.init("a", .integer(1)), .init("b", .null)])),
            ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", .string("\"\\/\u{8}\u{c}\n\r\t")),
            ("\"\\u00e9\\u20AC\\ud83d\\ude00\"", .string("é€😀")),
        ]
    )
    func reads(text: String, value: JSON) throws {
        #expect(try JSON(parsing: text) == value)
    }

    @Test(
        "replaces lone surrogates as Go does",
        arguments: [
            "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"", "\"\\ud83d\\u0041\"",
            "\"\\ud83d\\ud83d\\ude00\"",
        ]
    )
    func surrogates(text: String) throws {
        let read = try #require(try JSON(parsing: text).string)
        #expect(read.unicodeScalars.first == "\u{fffd}")
        if text.contains("x") { #expect(read == "\u{fffd}x") }
        if text.contains("\\n") { #expect(read == "\u{fffd}\n") }
        if text.contains("0041") { #expect(read == "\u{fffd}A") }
        if text.contains("\\ud83d\\ud83d") { #expect(read == "\u{fffd}😀") }
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", " ", "nul", "nullx", "tru", "+1", "01", "-", "-01", ".5", "1.", "1.e3", "1e", "1e+",
            "--1", "0x10", "1 2", "[", "[1", "[1,", "[1,]", "[,1]", "]", "{", "{\"a\"", "{\"a\":",
            "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "\"", "\"a", "\"\\", "\"\\x\"",
            "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "'a'", "NaN", "Infinity", "1e999", "[1}",
            "{\"a\":1]",
            "// x\n1", "\u{feff}1",
        ]
    )
    func refuses(text: String) {
        #expect(throws: ContentError.self) { try JSON(parsing: text) }
    }

    @Test("refuses bytes that are no UTF-8")
    func invalidUTF8() {
        #expect(throws: ContentError.self) { try JSON(parsing: [0x22, 0xff, 0x22]) }
        #expect(throws: ContentError.self) { try JSON(parsing: [0x22, 0xc3, 0x22]) }
    }

    @Test("refuses nesting beyond its bound, and only beyond")
    func depth() throws {
        func nested(_ levels: Int) -> String {
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        _ = try JSON(parsing: nested(64))
        #expect(throws: ContentError.self) { try JSON(parsing: nested(65)) }
        #expect(throws: ContentError.self) { try JSON(parsing: nested(1_000_000)) }
        _ = try JSON(parsing: "[[],[],[]]", depthMax: 2)
    }

    @Test("looks keys up exactly first, then without regard to case, the last one wins")
    func lookUp() throws {
        let document = try JSON(parsing: #"{"Name":1,"NAME":2,"name":3,"name":4,"Other":5}"#)
        #expect(document["name"] == .integer(4))
        #expect(document["Name"] == .integer(1))
        #expect(document["nAmE"] == .integer(4))
        #expect(document["other"] == .integer(5))
        #expect(document["absent"] == nil)
        #expect(JSON.null["a"] == nil)
    }

    @Test("writes control characters so that others can read them")
    func escapes() {
        let text = "\u{0}\u{1}\u{1f}\u{7f}\"\\/é😀\u{2028}"
        #expect(
            JSON.string(text).text
                == "\"\\u0000\\u0001\\u001f\u{7f}\\\"\\\\/é😀\u{2028}\""
        )
        #expect(JSON.number(.nan).text == "null")
    }

    @Test("reads back what it writes, and so does Foundation", arguments: Seeds.fresh(8))
    func roundTrip(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            let value = JSON.random(&generator, depth: 4)
            #expect(try JSON(parsing: value.utf8) == value)
            _ = try JSONSerialization.jsonObject(
                with: Data(value.utf8),
                options: [.fragmentsAllowed]
            )
        }
    }

    @Test("accepts exactly what Foundation accepts, up to its liberties", arguments: Seeds.fresh(8))
    func fuzz(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            var bytes = JSON.random(&generator, depth: 3).utf8
            for _ in 0..<generator.below(3) where !bytes.isEmpty {
                let position = generator.below(bytes.count)
                switch generator.below(3) {
                case 0: bytes[position] = generator.pick(Array("{}[]\",:\\0-1.eEtnu ".utf8))
                case 1: bytes.remove(at: position)
                default:
                    bytes.insert(generator.pick(Array("{}[]\",:\\0-1.eEtnu ".utf8)), at: position)
                }
            }
            // Either reader may refuse; ours must not accept what the other refuses, but for numbers that overflow.
            guard let read = try? JSON(parsing: bytes) else { continue }
            #expect(try JSON(parsing: read.utf8) == read)
            let theirs = try? JSONSerialization.jsonObject(
                with: Data(bytes),
                options: [.fragmentsAllowed]
            )
            let text = String(decoding: bytes, as: UTF8.self)
            let hasSurrogate = text.lowercased().contains("\\ud")
            #expect(theirs != nil || hasSurrogate, "only we accept \(text)")
        }
    }
}

extension JSON {
    /// A random document without two keys that differ in case only.
    static func random(_ generator: inout Generator, depth: Int) -> JSON {
        switch generator.below(depth > 0 ? 8 : 6) {
        case 0: .null
        case 1: .bool(generator.chance(Ratio(1, in: 2)))
        case 2: .integer(Int(truncatingIfNeeded: generator.next() >> UInt64(generator.below(64))))
        case 3: .number(Double(generator.below(1_000_000)) / 64 + 0.0078125)
        case 4, 5: .string(randomText(&generator))
        case 6: .array((0..<generator.below(5)).map { _ in random(&generator, depth: depth - 1) })
        default:
            .object(
                (0..<generator.below(5)).map { index in
                    .init("\(index)" + randomText(&generator), random(&generator, depth: depth - 1))
                }
            )
        }
    }

    private static func randomText(_ generator: inout Generator) -> String {
        let alphabet = Array("ab \"\\/\n\t\u{0}\u{1f}é€😀\u{fffd}\u{2028}")
        return String((0..<generator.below(8)).map { _ in generator.pick(alphabet) })
    }
}

// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

private let digestA = "sha256:" + String(repeating: "a", count: 64)
private let digestB = "sha256:" + String(repeating: "b", count: 64)

@Suite("Manifests") struct ManifestTests {
    private static func descriptor(_ digest: String, _ rest: String = "") -> String {
        #"{"mediaType":"m","digest":"\#(digest)","size":7\#(rest)}"#
    }

    struct Kind: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: String
        let wanted: ManifestMediaType?

        init(_ name: String, _ body: String, _ wanted: ManifestMediaType?) {
            (testDescription, self.body, self.wanted) = (name, body, wanted)
        }
    }

    static let image = #""config":\#(descriptor(digestA)),"layers":[\#(descriptor(digestB))]"#
    static let list = #""manifests":[\#(descriptor(digestA))]"#

    @Test(
        "are told apart by their media type, else by what they hold",
        arguments: [
            Kind("OCI without a type", #"{"schemaVersion":2,\#(image)}"#, .ociManifest),
            Kind("index without a type", #"{"schemaVersion":2,\#(list)}"#, .ociIndex),
            Kind("empty type", #"{"schemaVersion":2,"mediaType":"",\#(list)}"#, .ociIndex),
            Kind("null type", #"{"schemaVersion":2,"mediaType":null,\#(image)}"#, .ociManifest),
            Kind("empty index", #"{"schemaVersion":2,"manifests":[]}"#, .ociIndex),
            Kind("keys in other case", #"{"SchemaVersion":2,"Manifests":[]}"#, .ociIndex),
            Kind("schema 1", #"{"schemaVersion":1,\#(image)}"#, nil),
            Kind("no version", #"{\#(image)}"#, nil),
            Kind("both at once", #"{"schemaVersion":2,\#(image),\#(list)}"#, nil),
            Kind("an unknown type", #"{"schemaVersion":2,"mediaType":"x/y",\#(image)}"#, nil),
            Kind("nothing in it", #"{"schemaVersion":2}"#, nil),
            Kind("no object", "[]", nil), Kind("no JSON", "{", nil), Kind("no text", "", nil),
        ]
            + ManifestMediaType.allCases.map { type in
                let body = type.isIndex ? list : image
                return Kind(
                    type.rawValue,
                    #"{"schemaVersion":2,"mediaType":"\#(type.rawValue)",\#(body)}"#,
                    type
                )
            }
            + ManifestMediaType.allCases.map { type in
                let body = type.isIndex ? image : list
                return Kind(
                    "not " + type.rawValue,
                    #"{"schemaVersion":2,"mediaType":"\#(type.rawValue)",\#(body)}"#,
                    nil
                )
            }
    )
    func kinds(_ kind: Kind) {
        let document = try? ManifestDocument(parsing: Array(kind.body.utf8))
        #expect(document?.mediaType == kind.wanted)
    }

    @Test("name their references in order, repetitions and all")
    func references() throws {
        let body =
            #"{"schemaVersion":2,"config":\#(Self.descriptor(digestB)),"layers":["#
            + [digestA, digestB, digestA].map { Self.descriptor($0) }.joined(separator: ",")
            + #"],"subject":\#(Self.descriptor(digestB))}"#
        let document = try ManifestDocument(parsing: Array(body.utf8))
        #expect(
            document.references.map(\.digest.description) == [digestB, digestA, digestB, digestA]
        )
        #expect(document.references.allSatisfy { $0.bytes == 7 && $0.mediaType == "m" })
        #expect(document.subject?.digest.description == digestB)
    }

    @Test("tell platforms and foreign layers")
    func details() throws {
        let platform = #","platform":{"architecture":"arm","os":"linux","variant":"v7"}"#
        let index =
            #"{"schemaVersion":2,"manifests":[\#(Self.descriptor(digestA, platform))]}"#
        let entry = try #require(try ManifestDocument(parsing: Array(index.utf8)).references.first)
        #expect(entry.platform?.architecture == "arm")
        #expect(entry.platform?.system == "linux")
        #expect(entry.platform?.variant == "v7")
        for (type, urls, isForeign) in [
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", #"["u"]"#, true),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar", #"["u"]"#, true),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar", "[]", false),
            ("application/vnd.oci.image.layer.v1.tar", #"["u"]"#, false),
        ] {
            let layer = #"{"mediaType":"\#(type)","digest":"\#(digestB)","size":1,"urls":\#(urls)}"#
            let body =
                #"{"schemaVersion":2,"config":\#(Self.descriptor(digestA)),"layers":[\#(layer)]}"#
            let document = try ManifestDocument(parsing: Array(body.utf8))
            #expect(document.references.last?.isForeign == isForeign, "\(type) \(urls)")
        }
    }

    @Test(
        "are refused with the place of the defect",
        arguments: [
            (#""config":7,"layers":[]"#, "config is not an object"),
            (#""config":{"size":1},"layers":[]"#, "config has no digest"),
            (#""config":{"digest":"x","size":1},"layers":[]"#, "config.digest"),
            (#""config":{"digest":"\#(digestA)"},"layers":[]"#, "config.size"),
            (#""config":{"digest":"\#(digestA)","size":-1},"layers":[]"#, "config.size"),
            (#""config":\#(descriptor(digestA)),"layers":[{}]"#, "layers[0] has no digest"),
            (#""config":\#(descriptor(digestA)),"layers":{}"#, "no layers"),
            (#""config":\#(descriptor(digestA))"#, "no layers"), (#""layers":[]"#, "no config"),
        ]
    )
    func defects(_ body: String, _ why: String) {
        let error = #expect(throws: ContentError.self) {
            try ManifestDocument(parsing: Array("{\"schemaVersion\":2,\(body)}".utf8))
        }
        #expect(error?.code == .invalidManifest)
        #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
    }

    @Test("beyond the limit are not read at all")
    func tooLarge() {
        var limits = Limits()
        limits.manifestBytesMax = 10
        let error = #expect(throws: ContentError.self) {
            try ManifestDocument(parsing: [UInt8](repeating: 0x20, count: 11), limits: limits)
        }
        #expect(error?.code == .tooLarge)
    }

    @Test("do not exhaust the stack, however deep")
    func deep() {
        let error = #expect(throws: ContentError.self) {
            try ManifestDocument(parsing: [UInt8](repeating: UInt8(ascii: "["), count: 100_000))
        }
        #expect(error?.code == .invalidJSON)
    }

    @Test("never do anything worse than being refused", arguments: Seeds.fresh(8))
    func garbage(seed: UInt64) {
        var generator = Generator(seed: seed)
        let valid = Array(#"{"schemaVersion":2,\#(Self.image)}"#.utf8)
        for _ in 0..<2000 {
            var bytes = valid
            for _ in 0...generator.below(5) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            if let document = try? ManifestDocument(parsing: bytes) {
                #expect(document.references.count == 2)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import Primitives
import Testing

@testable import Herd

@Suite("Images on disk") struct ImageTests {
    @Test(
        "reads references as container tools do",
        arguments: [
            ("127.0.0.1:15000/demo/app:v1", "member://127.0.0.1:15000", "demo/app", "v1"),
            ("docker://localhost:5000/a:b", "member://localhost:5000", "a", "b"),
            ("registry.example/team/app", "https://registry.example", "team/app", "latest"),
            ("http://10.0.0.7:16000/x/y:z", "http://10.0.0.7:16000", "x/y", "z"),
            ("https://127.0.0.1:1/x:z", "https://127.0.0.1:1", "x", "z"),
        ]
    )
    func references(_ text: String, _ registry: String, _ repository: String, _ tag: String) throws
    {
        let reference = try ImageReference(text)
        #expect(reference.registry == registry)
        #expect(reference.repository.name == repository)
        #expect(reference.name == tag)
    }

    @Test("a digest wins over a tag, and plain HTTP can be asked for")
    func digestReference() throws {
        let digest = "sha256:" + String(repeating: "ab", count: 32)
        let reference = try ImageReference("10.0.0.7:5000/a/b:v1@\(digest)", plainHTTP: true)
        #expect(reference.name == digest)
        #expect(reference.registry == "http://10.0.0.7:5000")
    }

    @Test(
        "refuses what names no image",
        arguments: [
            "", "app:v1", "demo/app:v1", "127.0.0.1:1/UPPER:v1", "h:1/a:", "h:1/a@sha256:x",
        ]
    )
    func badReferences(_ text: String) {
        #expect(throws: Failure.self) { try ImageReference(text) }
    }

    @Test("tells layouts and archives apart")
    func paths() throws {
        #expect(try ImagePath.parse("dir").kind == .layout)
        #expect(try ImagePath.parse("oci:dir:v1").name == "v1")
        #expect(try ImagePath.parse("app.tar").kind == .dockerArchive)
        #expect(try ImagePath.parse("docker-archive:f:repo/app:v1").name == "repo/app:v1")
        #expect(try ImagePath.parse("oci-archive:f").kind == .ociArchive)
        #expect(throws: Failure.self) { try ImagePath.parse("oci:") }
    }

    /// An image layout with one image of two layers, made with the code under test.
    private func layout(in scratch: Scratch, name: String = "v1") throws -> ImageDocument {
        let writer = try OCILayoutWriter(path: scratch.path + "/layout")
        var generator = Generator(seed: 5)
        let contents = [[UInt8]("{}".utf8), bytes(3000, &generator), bytes(100_000, &generator)]
        let rows = contents.enumerated().map { index, bytes in
            let type = index == 0 ? "config.v1+json" : "layer.v1.tar"
            return JSON.object([
                .init("mediaType", .string("application/vnd.oci.image.\(type)")),
                .init("digest", .string("\(Hashing.digest(of: bytes))")),
                .init("size", .integer(bytes.count)),
            ])
        }
        let manifest = JSON.object([
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociManifest.rawValue)),
            .init("config", rows[0]), .init("layers", .array(Array(rows[1...]))),
        ])
        let document = try ImageDocument(manifest.utf8, at: "test")
        for (blob, bytes) in zip(document.content.references, contents) {
            guard let place = try writer.place(blob) else { continue }
            try bytes.withUnsafeBytes { try place.file.write($0, at: place.offset) }
            try writer.keep(place)
        }
        try writer.finish([document], name: name)
        return document
    }

    private func bytes(_ count: Int, _ generator: inout Generator) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    @Test("what is written as a layout is read back, by name and as the only image")
    func layoutRoundTrip() throws {
        let scratch = try Scratch()
        let document = try layout(in: scratch)
        let path = scratch.path + "/layout"
        for text in [path, "oci:\(path)", "oci:\(path):v1"] {
            let source = try ImageSources.open(text)
            #expect(source.root == document)
            for blob in document.content.references {
                let stored = try #require(try source.content(blob.name))
                #expect(try Hashing.digest(of: stored) == blob.digest)
            }
        }
        let failure = #expect(throws: Failure.self) { try ImageSources.open("oci:\(path):v2") }
        #expect(failure?.why == "it has: v1")
        #expect(try scratch.names == ["layout"])
    }

    @Test("blobs that are there are not fetched again, unless they are damaged")
    func existingBlobs() throws {
        let scratch = try Scratch()
        let document = try layout(in: scratch)
        let writer = try OCILayoutWriter(path: scratch.path + "/layout")
        let layer = document.content.references[1]
        #expect(try writer.place(layer) == nil)
        let file = "\(scratch.path)/layout/blobs/sha256/\(layer.digest.hex)"
        var bytes = Array(try Data(contentsOf: URL(filePath: file)))
        bytes[17] ^= 1
        try Data(bytes).write(to: URL(filePath: file))
        let place = try #require(try writer.place(layer))
        writer.drop(place)
    }

    @Test("a second image is added to a layout, and one of the same name replaced")
    func addToLayout() throws {
        let scratch = try Scratch()
        _ = try layout(in: scratch, name: "v1")
        _ = try layout(in: scratch, name: "v2")
        _ = try layout(in: scratch, name: "v2")
        let index = try Data(contentsOf: URL(filePath: scratch.path + "/layout/index.json"))
        let rows = try OCILayoutSource.manifests(Array(index), "x")
        #expect(rows.map(\.name) == ["v1", "v2"])
        let failure = #expect(throws: Failure.self) {
            try ImageSources.open(scratch.path + "/layout")
        }
        #expect(failure?.why == "it has 2: v1, v2")
    }

    @Test("a docker archive is written so that tar and we can read it")
    func dockerArchive() throws {
        let scratch = try Scratch()
        let document = try layout(in: scratch)
        guard case .image(let manifest) = document.content else { return }
        let source = try ImageSources.open(scratch.path + "/layout")
        let path = scratch.path + "/app.tar"
        let writer = try DockerArchiveWriter(path: path, manifest: manifest, name: "demo/app:v1")
        for blob in document.content.references {
            let place = try #require(try writer.place(blob))
            let bytes = try #require(try source.content(blob.name)).read(upTo: 1 << 20)
            try bytes.withUnsafeBytes { try place.file.write($0, at: place.offset) }
            try writer.keep(place)
        }
        try writer.finish([document], name: "v1")
        let names = try run(["tar", "tf", path]).split(separator: "\n").map(String.init)
        #expect(names.last == "manifest.json")
        #expect(names.count == 4)
        let archive = try ImageSources.open("docker-archive:\(path):demo/app:v1")
        #expect(
            archive.root.content.references.map(\.digest)
                == document.content.references.map(\.digest)
        )
        #expect(throws: Failure.self) { try ImageSources.open("docker-archive:\(path):other:v1") }
    }

    @Test("archives by GNU tar and by pax are read, with long names and links")
    func foreignArchives() throws {
        let scratch = try Scratch()
        let long = String(repeating: "long/", count: 40) + "layer.tar"
        try scratch.write("in/\(long)", "the layer")
        try scratch.write("in/plain", "plain")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/in/link",
            withDestinationPath: long
        )
        for format in ["gnu", "pax", "ustar"] {
            let path = "\(scratch.path)/\(format).tar"
            let names = format == "ustar" ? ["./plain"] : ["./plain", "./link", "./\(long)"]
            _ = try run(
                ["tar", "-C", scratch.path + "/in", "--format", format, "-cf", path] + names
            )
            let tree = try TarTree(path: path)
            #expect(try tree.open("plain")?.read(upTo: 100) == Array("plain".utf8), "\(format)")
            #expect(try tree.open("absent") == nil)
            guard format != "ustar" else { continue }
            #expect(try tree.open(long)?.read(upTo: 100) == Array("the layer".utf8), "\(format)")
            #expect(try tree.open("link")?.read(upTo: 100) == Array("the layer".utf8), "\(format)")
        }
        try scratch.write("garbage.tar", String(repeating: "not a tar archive ", count: 100))
        #expect(throws: Failure.self) { try TarTree(path: scratch.path + "/garbage.tar") }
        let whole = try Data(contentsOf: URL(filePath: scratch.path + "/gnu.tar"))
        try Data(whole.prefix(514)).write(to: URL(filePath: scratch.path + "/cut.tar"))
        #expect(throws: Failure.self) { try TarTree(path: scratch.path + "/cut.tar") }
    }

    private func run(_ words: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: output, as: UTF8.self)
    }
}

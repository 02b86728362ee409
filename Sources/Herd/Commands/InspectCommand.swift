// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Primitives

/// `herd inspect REF`: what an image consists of, without fetching its layers.
struct InspectCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "inspect",
            abstract: "Show what an image consists of, without fetching its layers."
        )
    }

    @Argument(help: "The image: 127.0.0.1:15000/demo/app:v1")
    var reference: String
    @Flag(help: "Print the manifest or index as it is.")
    var raw = false
    @Flag(help: "Print everything as JSON.")
    var json = false
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let resources = try await transport.start(logging)
        let registry = RegistryClient(reference, client: resources.client, pool: resources.pool)
        let root: ImageDocument
        var children: [ImageDocument] = []
        do {
            root = try await registry.document(reference.name)
            if !raw, case .index(let index) = root.content {
                for child in index.manifests {
                    children.append(try await registry.document(child.name.description))
                }
            }
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        let inspection = ImageInspection(reference: reference, root: root, children: children)
        if raw {
            print(String(decoding: root.bytes, as: UTF8.self))
        } else if json {
            print(inspection.json.text)
        } else {
            for line in inspection.lines { print(line) }
        }
    }
}

/// What an image consists of.
struct ImageInspection: Sendable {
    let reference: ImageReference
    /// Its manifest or index.
    let root: ImageDocument
    /// The manifests that an index lists, in its order.
    let children: [ImageDocument]

    var lines: [String] {
        var lines = [
            "\(reference.title)", "digest      \(root.name)",
            "media type  \(root.content.mediaType.rawValue)",
        ]
        if let subject = root.content.subject { lines.append("subject     \(subject.name)") }
        if case .index(let index) = root.content {
            for (descriptor, child) in zip(index.manifests, children) {
                lines.append("manifest    \(child.name)  \(Self.platform(of: descriptor))")
                lines += Self.lines(of: child).map { "  \($0)" }
            }
        } else {
            lines += Self.lines(of: root)
        }
        return lines.map(\.printable)
    }

    private static func lines(of document: ImageDocument) -> [String] {
        let references = document.content.references
        let total = references.reduce(0) { $0 + $1.bytes }
        let rows = references.map { reference in
            let size = "\(ByteCount(reference.bytes))".padded(to: 9)
            return "blob        \(reference.name)  \(size)  \(reference.mediaType)"
        }
        return rows + ["size        \(ByteCount(total)) in \(references.count) blobs"]
    }

    private static func platform(of descriptor: Descriptor) -> String {
        guard let platform = descriptor.platform else { return "for any platform" }
        let name = "\(platform.system)/\(platform.architecture)"
        return platform.variant.isEmpty ? name : "\(name)/\(platform.variant)"
    }

    /// `{"reference","digest","media_type","subject","manifests":[…]}` for an index, `"blobs":[…]` for others.
    var json: JSON {
        var members: [JSON.Member] = [
            .init("reference", .string("\(reference.title)"))
        ]
        members += Self.members(of: root)
        if case .index(let index) = root.content {
            let rows = zip(index.manifests, children).map { descriptor, child in
                let platform = JSON.Member("platform", .string(Self.platform(of: descriptor)))
                return JSON.object(Self.members(of: child) + [platform])
            }
            members.append(.init("manifests", .array(rows)))
        }
        return .object(members)
    }

    private static func members(of document: ImageDocument) -> [JSON.Member] {
        var members: [JSON.Member] = [
            .init("digest", .string(document.name.description)),
            .init("media_type", .string(document.content.mediaType.rawValue)),
        ]
        if let subject = document.content.subject {
            members.append(.init("subject", .string(subject.name.description)))
        }
        if case .index = document.content { return members }
        let blobs = document.content.references.map { blob in
            JSON.object([
                .init("digest", .string(blob.name.description)),
                .init("bytes", .integer(blob.bytes)), .init("media_type", .string(blob.mediaType)),
            ])
        }
        return members + [.init("blobs", .array(blobs))]
    }
}

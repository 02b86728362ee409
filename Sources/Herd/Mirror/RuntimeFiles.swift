// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content

/// Lines of ours in somebody's text file, between two marks.
struct MarkedBlock: Sendable {
    private let first: String
    private let last: String

    /// The block of `name`, which tells it from others in the same file.
    init(_ name: String) {
        first = "# herd mirror config: begin \(name)\n"
        last = "# herd mirror config: end \(name)\n"
    }

    /// `text` with `body` as the block, where the block was, or at `place`.
    func with(
        _ body: String,
        in text: String,
        at place: (String) -> String.Index
    ) throws -> String {
        let block = first + body + last
        var text = text
        if let range = try range(in: text) {
            text.replaceSubrange(range, with: block)
            return text
        }
        let index = place(text)
        // A last line without its end must not run into ours.
        let needsBreak = index == text.endIndex && !text.isEmpty && !text.hasSuffix("\n")
        text.insert(contentsOf: (needsBreak ? "\n" : "") + block, at: index)
        return text
    }

    /// `text` without the block; nil when nothing else was there.
    func without(in text: String) throws -> String? {
        var text = text
        if let range = try range(in: text) { text.removeSubrange(range) }
        return text.isEmpty ? nil : text
    }

    private func range(in text: String) throws -> Range<String.Index>? {
        guard let start = text.firstRange(of: first) else { return nil }
        guard let end = text[start.upperBound...].firstRange(of: last) else {
            throw RuntimeFileError(
                description:
                    "the line \(last.dropLast()) is missing; put it back, or remove the block by hand"
            )
        }
        return start.lowerBound..<end.upperBound
    }
}

/// containerd's `hosts.toml` of one registry, in which hosts are asked in their order.
/// - Source: containerd docs/hosts.md.
struct ContainerdHosts: RuntimeFile {
    let agent: String
    let registry: String

    var path: String { "/etc/containerd/certs.d/\(registry)/hosts.toml" }
    var ownsFolder: Bool { true }
    private var block: MarkedBlock { MarkedBlock(agent) }

    func with(_ text: String?) throws -> String? {
        let body = """
            [host."http://\(agent)"]
              capabilities = ["pull", "resolve"]

            """
        // Before the other hosts, after what concerns the file as a whole.
        return try block.with(body, in: text ?? "") { text in
            var index = text.startIndex
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.drop(while: { $0 == " " || $0 == "\t" }).hasPrefix("[") {
                    return line.startIndex
                }
                index = line.endIndex
            }
            return index
        }
    }

    func without(_ text: String?) throws -> String? { try text.flatMap(block.without(in:)) }
}

/// A file of its own for what reads `registries.conf`: podman, CRI-O, buildah, skopeo.
/// - Source: containers-registries.conf(5), containers-registries.conf.d(5).
struct ContainersRegistries: RuntimeFile {
    let mirror: RuntimeMirror

    var path: String { "/etc/containers/registries.conf.d/50-herd-mirror.conf" }
    private func block(_ registry: String) -> MarkedBlock {
        MarkedBlock("\(registry) \(mirror.agent)")
    }

    func with(_ text: String?) throws -> String? {
        var text = text ?? ""
        for registry in mirror.registries {
            let prefix = MirroredRegistry.prefix(for: registry)
            let body = """
                [[registry]]
                prefix = "\(registry)"
                location = "\(registry)"
                [[registry.mirror]]
                location = "\(mirror.agent)/\(prefix)"
                insecure = true

                """
            text = try block(registry).with(body, in: text) { $0.endIndex }
        }
        return text
    }

    func without(_ text: String?) throws -> String? {
        var text = text
        for registry in mirror.registries {
            text = try text.flatMap { try block(registry).without(in: $0) }
        }
        return text
    }
}

/// The Docker daemon's configuration.
/// - Source: dockerd(8), "Daemon configuration file".
struct DockerDaemonFile: RuntimeFile {
    let agent: String

    var path: String { "/etc/docker/daemon.json" }
    private var url: String { "http://\(agent)" }
    private static let key = "registry-mirrors"

    func with(_ text: String?) throws -> String? {
        var (members, mirrors) = try parts(of: text)
        guard !mirrors.contains(.string(url)) else { return text }
        mirrors.insert(.string(url), at: 0)
        Self.set(mirrors, in: &members)
        return Self.text(.object(members))
    }

    func without(_ text: String?) throws -> String? {
        guard text != nil else { return nil }
        var (members, mirrors) = try parts(of: text)
        guard mirrors.contains(.string(url)) else { return text }
        mirrors.removeAll { $0 == .string(url) }
        Self.set(mirrors, in: &members)
        return members.isEmpty ? nil : Self.text(.object(members))
    }

    func saysTheSame(_ left: String, _ right: String) -> Bool {
        guard let left = try? JSON(parsing: left), let right = try? JSON(parsing: right) else {
            // What can't be read is not changed.
            return false
        }
        return left == right
    }

    private func parts(of text: String?) throws -> (members: [JSON.Member], mirrors: [JSON]) {
        guard let text, text.contains(where: { !$0.isWhitespace }) else { return ([], []) }
        let members: [JSON.Member]?
        do { members = try JSON(parsing: text).members } catch {
            throw RuntimeFileError(description: "it is no JSON: \(error); correct it first")
        }
        guard let members else {
            throw RuntimeFileError(description: "it is no JSON object; correct it first")
        }
        let value = members.first { $0.key == Self.key }?.value ?? .array([])
        guard let mirrors = value.array else {
            throw RuntimeFileError(description: "\(Self.key) is no list; correct it first")
        }
        return (members, mirrors)
    }

    private static func set(_ mirrors: [JSON], in members: inout [JSON.Member]) {
        let index = members.firstIndex { $0.key == key }
        if mirrors.isEmpty {
            if let index { members.remove(at: index) }
        } else if let index {
            members[index] = JSON.Member(key, .array(mirrors))
        } else {
            members.append(JSON.Member(key, .array(mirrors)))
        }
    }

    /// As people write it: a member or element a line, two spaces deeper each.
    private static func text(_ value: JSON, depth: Int = 0) -> String {
        let (outer, inner) = (
            String(repeating: "  ", count: depth), String(repeating: "  ", count: depth + 1)
        )
        let end = depth == 0 ? "\n" : ""
        func list(_ lines: [String], _ open: String, _ close: String) -> String {
            guard !lines.isEmpty else { return open + close + end }
            return open + "\n" + lines.map { inner + $0 }.joined(separator: ",\n")
                + "\n\(outer)\(close)\(end)"
        }
        switch value {
        case .object(let members):
            let lines = members.map {
                "\(JSON.string($0.key).text): \(text($0.value, depth: depth + 1))"
            }
            return list(lines, "{", "}")
        case .array(let elements):
            return list(elements.map { text($0, depth: depth + 1) }, "[", "]")
        default: return value.text
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives

/// What a collection did, for people and for programs.
struct CollectionReport: Sendable {
    /// Whether it only looked.
    let isDryRun: Bool
    /// What came of every blob.
    let sweep: SweepReport
    /// The blobs' sizes; 0 where only a backend has them.
    let sizes: [Digest: Int]
    /// How many tags there are.
    let tagCount: Int
    /// The backends swept.
    let backendNames: [String]
    /// Uploads that proxies have under way.
    let uploadCount: Int

    /// What is or would be removed has no other reason.
    static let reason = "nothing refers to it"

    private var bytesRemoved: Int {
        isDryRun
            ? sweep.removed.reduce(0) { $0 + (sizes[$1] ?? 0) } : sweep.bytes.values.reduce(0, +)
    }

    /// A line for each blob that goes or would have to, and a summary; with `explaining` also for each that is kept.
    func lines(explaining: Bool) -> [String] {
        let verb = isDryRun ? "would remove" : "removed"
        var lines = sweep.removed.sorted().map { line(verb, $0, Self.reason) }
        lines += sweep.spared.sorted { $0.key < $1.key }.map { line("spared", $0.key, $0.value) }
        lines += sweep.leftInBackends.sorted { $0.key < $1.key }.map {
            line("left in backends", $0.key, $0.value)
        }
        if explaining {
            lines += sweep.kept.sorted { $0.key < $1.key }.map {
                line("kept", $0.key, $0.value.description)
            }
        }
        var summary = "\(sweep.removed.count) of \(sizes.count) blobs \(verb)"
        summary += isDryRun ? "" : ", \(ByteCount(bytesRemoved)) freed on disks"
        if !backendNames.isEmpty, !isDryRun {
            summary += ", \(sweep.removedFromBackends.count) removed from backends"
        }
        summary += "; \(sweep.kept.count) kept by \(tagCount) tags and more"
        summary += ", \(sweep.spared.count) spared"
        if uploadCount > 0 { summary += "; \(uploadCount) uploads under way" }
        return lines + [summary]
    }

    private func line(_ verb: String, _ digest: Digest, _ why: String) -> String {
        let size = sizes[digest].map { $0 > 0 ? "\(ByteCount($0))" : "-" } ?? "-"
        return "\(verb) \(digest) \(size.padded(to: 9)) \(why)".printable
    }

    /// The same for programs: `{"version":1,"dry_run":…,"removed":[{"digest","bytes","reason"}],"spared":[…],…}`.
    func json(explaining: Bool) -> JSON {
        var members: [JSON.Member] = [
            .init("version", .integer(1)), .init("dry_run", .bool(isDryRun)),
            .init("removed", .array(sweep.removed.sorted().map { row($0, Self.reason) })),
            .init("spared", rows(sweep.spared)),
            .init("left_in_backends", rows(sweep.leftInBackends)),
            .init("removed_from_backends", .integer(sweep.removedFromBackends.count)),
            .init("blobs", .integer(sizes.count)), .init("kept", .integer(sweep.kept.count)),
            .init("tags", .integer(tagCount)),
            .init("bytes_freed", .integer(isDryRun ? 0 : bytesRemoved)),
            .init("uploads", .integer(uploadCount)),
        ]
        if explaining {
            members.append(.init("kept_blobs", rows(sweep.kept.mapValues(\.description))))
        }
        return .object(members)
    }

    private func rows(_ reasons: [Digest: String]) -> JSON {
        .array(reasons.sorted { $0.key < $1.key }.map { row($0.key, $0.value) })
    }

    private func row(_ digest: Digest, _ reason: String) -> JSON {
        .object([
            .init("digest", .string(digest.description)),
            .init("bytes", .integer(sizes[digest] ?? 0)), .init("reason", .string(reason)),
        ])
    }
}

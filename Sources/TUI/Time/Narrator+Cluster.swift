// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Everything outside swarms: images, tags, backends, rings, faults.
extension Narrator {
    func clusterSentence(_ event: ClusterEvent) -> String? {
        let (own, blob) = (who(event), blob(event))
        let size = event.bytes.map { " (\(Words.size($0)))" } ?? ""
        let pace = event.tookMilliseconds.map { " in \(Words.milliseconds($0))" } ?? ""
        switch event.kind {
        case .push:
            if let tag = event.detail?["tag"] { return "\(own) took the push of \(tag)." }
            return "\(own) took \(blob)\(size)\(place(event))."
        case .pull: return "\(own) gave \(blob)\(size) to a client\(place(event))."
        case .blobCommitted: return "\(own) verified and stored \(blob)\(size)\(reason(event))."
        case .blobEvicted: return "\(own) removed \(blob)\(size) from its cache\(reason(event))."
        case .blobRefreshed: return "\(own) fetched \(blob)\(size) from its backend\(pace)."
        case .tagPut:
            let digest = event.blob.map { " to " + Scene.short($0) + "…" } ?? ""
            return "\(own) set the tag \(tag(event))\(digest)."
        case .writeBackQueued: return "\(own) owes the backend \(owed(event))."
        case .writeBackDone:
            return "\(own) wrote \(owed(event)) to the backend\(pace)\(reason(event))."
        case .writeBackFailed:
            let attempt = event.detail?["attempt"].map { " (attempt \($0))" } ?? ""
            return
                "\(own) could not write \(owed(event)) to the backend\(attempt): \(cause(event))."
        case .replicationQueued: return "\(own) is to copy \(owed(event))\(target(event))."
        case .replicationDone:
            return "\(own) copied \(owed(event))\(size)\(target(event))\(pace)\(reason(event))."
        case .replicationFailed:
            return "\(own) could not copy \(owed(event))\(target(event)): \(cause(event))."
        case .membership: return membership(event)
        case .health:
            return
                "\(own) is \(event.detail?["state"] ?? event.detail?["health"] ?? "in another state")"
                + "\(reason(event))."
        case .fault:
            let fault = event.reason ?? event.detail?["fault"] ?? "a fault"
            return "On purpose, at \(own): \(fault)\(duration(event))."
        case .lesson: return "The lesson: \(event.reason ?? "look")"
        default: return nil
        }
    }

    private func membership(_ event: ClusterEvent) -> String {
        let own = who(event)
        if let origin = event.detail?["origin"] {
            let name = name(ofAddress: origin)
            return event.detail?["state"] == "left out"
                ? "\(own) leaves \(name) out of its answers: \(cause(event))."
                : "\(own) hands \(name) out again."
        }
        guard let member = event.detail?["member"] else {
            return "\(own) sees a change among the members\(reason(event))."
        }
        return "\(own) finds \(name(ofAddress: member)) \(event.reason ?? "changed")."
    }

    /// The component that listens at `address`, or the address.
    private func name(ofAddress address: String) -> String {
        picture.components.first { $0.addresses.values.contains(address) }?.shortName ?? address
    }

    private func cause(_ event: ClusterEvent) -> String { event.reason ?? Words.noReason }
    private func reason(_ event: ClusterEvent) -> String { event.reason.map { ": \($0)" } ?? "" }
    private func tag(_ event: ClusterEvent) -> String { event.detail?["tag"] ?? "of an image" }

    private func owed(_ event: ClusterEvent) -> String {
        let tag = event.detail?["tag"].map { "the tag \($0)" } ?? blob(event)
        return event.detail?["change"] == "deletion" ? "the deletion of \(tag)" : tag
    }

    private func place(_ event: ClusterEvent) -> String {
        event.detail?["repository"].map { ", in \($0)" } ?? ""
    }

    private func target(_ event: ClusterEvent) -> String {
        let target = event.detail?["to"] ?? event.detail?["remote"]
        return target.map { " to \(name(ofAddress: $0))" } ?? ""
    }

    private func duration(_ event: ClusterEvent) -> String {
        event.durationMilliseconds.map { " for \(Words.milliseconds($0))" } ?? ""
    }

    func clusterReasons(_ event: ClusterEvent) -> [String]? {
        switch event.kind {
        case .push:
            [
                "Blobs go to the origins that own them, the tag to the build-index. Agents that pull the tag "
                    + "find each other through the tracker."
            ]
        case .tagPut: ["A tag can be moved; the digest it names never means other bytes."]
        case .blobCommitted:
            [
                "An origin keeps a blob only after hashing it: what it serves is what the digest says."
            ]
        case .writeBackQueued, .writeBackFailed:
            [
                "The task is on disk, survives a restart and is tried again until it is done"
                    + (event.detail?["tag"] == nil
                        ? "; until then the blob stays in the cache." : ".")
            ]
        case .replicationDone, .replicationFailed, .replicationQueued:
            event.detail?["tag"] == nil
                ? ["Each blob is kept by several origins, so that one can fail."]
                : ["Tags are copied to other clusters, so that images can be pulled there, too."]
        case .membership:
            ["Members that do not answer are passed over until they do."]
        case .fault: ["Somebody wants to see what happens. :undo ends all faults."]
        default: nil
        }
    }
}

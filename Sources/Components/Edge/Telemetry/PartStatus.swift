// SPDX-License-Identifier: Apache-2.0

package import Content

/// What a component keeps on disk.
package struct StorageStatus: Codable, Hashable, Sendable {
    /// Complete blobs.
    package var blobCount: Int
    /// Their bytes.
    package var blobBytes: Int
    /// Unfinished uploads and downloads.
    package var unfinishedCount: Int
    /// Bytes free on the volume, if known.
    package var diskFreeBytes: Int?
    /// Bytes of the volume, if known.
    package var diskTotalBytes: Int?

    /// `blobCount` blobs of `blobBytes` in all.
    package init(
        blobCount: Int,
        blobBytes: Int,
        unfinishedCount: Int = 0,
        diskFreeBytes: Int? = nil,
        diskTotalBytes: Int? = nil
    ) {
        (self.blobCount, self.blobBytes) = (blobCount, blobBytes)
        self.unfinishedCount = unfinishedCount
        (self.diskFreeBytes, self.diskTotalBytes) = (diskFreeBytes, diskTotalBytes)
    }

    private enum CodingKeys: String, CodingKey {
        case blobCount = "blob_count"
        case blobBytes = "blob_bytes"
        case unfinishedCount = "unfinished_count"
        case diskFreeBytes = "disk_free_bytes"
        case diskTotalBytes = "disk_total_bytes"
    }
}

/// A ring as one component sees it.
package struct RingStatus: Codable, Hashable, Sendable {
    /// One member of a ring.
    package struct Member: Codable, Hashable, Sendable {
        /// Its label in the hash: `host:port`.
        package var address: String
        /// Whether the viewer finds it healthy.
        package var isHealthy: Bool
        /// How many of the 65,536 shards have it first, if that was computed.
        package var shardCount: Int?

        /// The member `address`.
        package init(address: String, isHealthy: Bool, shardCount: Int? = nil) {
            (self.address, self.isHealthy, self.shardCount) = (address, isHealthy, shardCount)
        }

        private enum CodingKeys: String, CodingKey {
            case address
            case isHealthy = "is_healthy"
            case shardCount = "shard_count"
        }
    }

    /// What the members are.
    package var kind: ComponentKind
    /// How many owners a blob has at most.
    package var replicasMax: Int
    /// The members in the order of their labels.
    package var members: [Member]
    /// How far the viewer is with copying blobs to owners that lack them; nil from those that don't.
    package var healing: HealingStatus?

    /// A ring of `members`.
    package init(kind: ComponentKind, replicasMax: Int, members: [Member]) {
        (self.kind, self.replicasMax, self.members) = (kind, replicasMax, members)
    }

    private enum CodingKeys: String, CodingKey {
        case kind, members, healing
        case replicasMax = "replicas_max"
    }
}

/// How far an origin is with copying the blobs that it holds to owners that lack them, in its latest pass.
package struct HealingStatus: Codable, Hashable, Sendable {
    /// Whether a pass is under way.
    package var isRunning = false
    /// Passes ended since the start.
    package var passCount = 0
    /// Blobs to look after.
    package var blobCount = 0
    /// Those looked after so far.
    package var checkedCount = 0
    /// Copies made.
    package var copiedCount = 0
    /// Their bytes.
    package var copiedBytes = 0
    /// Blobs that some owner lacks and did not take, or that could not be asked for; tried again soon.
    package var failedCount = 0

    /// Nothing done yet.
    package init() {}

    private enum CodingKeys: String, CodingKey {
        case isRunning = "is_running"
        case passCount = "pass_count"
        case blobCount = "blob_count"
        case checkedCount = "checked_count"
        case copiedCount = "copied_count"
        case copiedBytes = "copied_bytes"
        case failedCount = "failed_count"
    }
}

/// A queue of tasks that must finish.
package struct QueueStatus: Codable, Hashable, Sendable {
    /// One task in a queue.
    package struct Task: Codable, Hashable, Sendable {
        /// What it works on: a digest or a tag.
        package var name: String
        /// How often it has failed.
        package var failureCount: Int
        /// Seconds since it was asked for.
        package var ageSeconds: Double
        /// Seconds until it is tried again; nil when it runs or waits for a worker.
        package var nextAttemptSeconds: Double?
        /// What went wrong the last time.
        package var lastError: String?
        /// Its number, for `/queue/tasks/ID`; nil from components that have no such thing.
        package var id: Int64?
        /// Where it stands; nil as ``id`` is.
        package var state: QueueTask.State?
        /// Seconds since it failed last; nil when it never did.
        package var lastAttemptSeconds: Double?
        /// The bytes of what it works on; nil when they are not known, or it is a tag.
        package var bytes: Int?
        /// Blobs that a tag needs and its destination is not known to have; nil until that has been looked for.
        package var missingCount: Int?
        /// The first few of these.
        package var missing: [Digest]?

        /// The task on `name`.
        package init(
            name: String,
            failureCount: Int = 0,
            ageSeconds: Double,
            nextAttemptSeconds: Double? = nil,
            lastError: String? = nil
        ) {
            (self.name, self.failureCount, self.ageSeconds) = (name, failureCount, ageSeconds)
            (self.nextAttemptSeconds, self.lastError) = (nextAttemptSeconds, lastError)
        }

        private enum CodingKeys: String, CodingKey {
            case name, id, state, bytes, missing
            case failureCount = "failure_count"
            case lastAttemptSeconds = "last_attempt_seconds"
            case missingCount = "missing_count"
            case ageSeconds = "age_seconds"
            case nextAttemptSeconds = "next_attempt_seconds"
            case lastError = "last_error"
        }
    }

    /// Whether its destination is worth trying.
    package enum Circuit: String, Codable, Hashable, Sendable {
        /// It is used.
        case closed
        /// It failed several times in a row, and is left alone for a while.
        case open
        /// One task is tried; its outcome decides.
        case probing
    }

    /// What it does: `write-back`, `replication`.
    package var name: String
    /// Where to: a backend or a remote.
    package var target: String?
    /// Tasks that wait or run.
    package var pendingCount: Int
    /// Tasks that failed and wait to be tried again.
    package var failedCount: Int
    /// Tasks that were given up and wait for an operator; nil from components that give up none.
    package var deadCount: Int?
    /// Whether ``target`` is worth trying; nil as ``deadCount`` is.
    package var circuit: Circuit?
    /// Tasks done since the start.
    package var doneCount: Int
    /// The most tasks it holds.
    package var capacity: Int?
    /// Seconds since the oldest task was asked for; nil when empty.
    package var oldestSeconds: Double?
    /// Seconds until the next attempt at a failed task; nil when none failed.
    package var nextAttemptSeconds: Double?
    /// The latest failure, in words.
    package var lastError: String?
    /// Some of its tasks, the oldest first.
    package var tasks: [Task]?

    /// A queue `name`.
    package init(
        name: String,
        target: String? = nil,
        pendingCount: Int,
        failedCount: Int = 0,
        doneCount: Int = 0,
        capacity: Int? = nil
    ) {
        (self.name, self.target, self.capacity) = (name, target, capacity)
        (self.pendingCount, self.failedCount) = (pendingCount, failedCount)
        self.doneCount = doneCount
    }

    private enum CodingKeys: String, CodingKey {
        case name, target, capacity, tasks, circuit
        case deadCount = "dead_count"
        case pendingCount = "pending_count"
        case failedCount = "failed_count"
        case doneCount = "done_count"
        case oldestSeconds = "oldest_seconds"
        case nextAttemptSeconds = "next_attempt_seconds"
        case lastError = "last_error"
    }
}

/// The tags of a build-index.
package struct TagStatus: Codable, Hashable, Sendable {
    /// One tag.
    package struct Entry: Codable, Hashable, Sendable {
        /// `repository:tag`.
        package var tag: String
        /// What it names.
        package var digest: Digest

        /// `tag` names `digest`.
        package init(tag: String, digest: Digest) { (self.tag, self.digest) = (tag, digest) }
    }

    /// How many tags there are.
    package var tagCount: Int
    /// Some tags, the latest first.
    package var latest: [Entry]

    /// `tagCount` tags, of which `latest` came last.
    package init(tagCount: Int, latest: [Entry] = []) {
        (self.tagCount, self.latest) = (tagCount, latest)
    }

    private enum CodingKeys: String, CodingKey {
        case latest
        case tagCount = "tag_count"
    }
}

/// What a tracker knows.
package struct TrackingStatus: Codable, Hashable, Sendable {
    /// One swarm as a tracker knows it.
    package struct Swarm: Codable, Hashable, Sendable {
        /// The swarm.
        package var infoHash: InfoHash
        /// Its blob.
        package var digest: Digest
        /// Peers that announced lately.
        package var peerCount: Int
        /// Of these, how many said they are complete.
        package var completeCount: Int

        /// `peerCount` peers of `infoHash`.
        package init(infoHash: InfoHash, digest: Digest, peerCount: Int, completeCount: Int) {
            (self.infoHash, self.digest) = (infoHash, digest)
            (self.peerCount, self.completeCount) = (peerCount, completeCount)
        }

        private enum CodingKeys: String, CodingKey {
            case digest
            case infoHash = "info_hash"
            case peerCount = "peer_count"
            case completeCount = "complete_count"
        }
    }

    /// Swarms known.
    package var swarmCount: Int
    /// Peers known, over all swarms.
    package var peerCount: Int
    /// Some swarms, the ones that announced latest first.
    package var swarms: [Swarm]

    /// `swarmCount` swarms with `peerCount` peers in all.
    package init(swarmCount: Int, peerCount: Int, swarms: [Swarm]) {
        (self.swarmCount, self.peerCount, self.swarms) = (swarmCount, peerCount, swarms)
    }

    private enum CodingKeys: String, CodingKey {
        case swarms
        case swarmCount = "swarm_count"
        case peerCount = "peer_count"
    }
}

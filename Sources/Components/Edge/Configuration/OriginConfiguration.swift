// SPDX-License-Identifier: Apache-2.0

package import Primitives
package import RetryCore
package import SwarmCore

/// An origin's settings.
/// - Source: uber/kraken origin/cmd/config.go; the defaults are its, but where a comment says otherwise.
package struct OriginConfiguration: BackedConfiguration, Hashable, Sendable {
    /// The address to listen on for HTTP.
    package var host = "127.0.0.1"
    /// The port to listen on for HTTP; 0 picks a free one. 15002 as in Kraken's devcluster.
    package var port = 15002
    /// The address to listen on for peers.
    package var peerHost = "127.0.0.1"
    /// The port to listen on for peers; 0 picks a free one.
    package var peerPort = 15001
    /// The address that peers are told to dial; nil: ``peerHost``.
    package var peerIP: String?
    /// How the origin gets its peer id. Trackers remember it, so it should survive a restart.
    package var peerIDFactory = PeerIDFactory.addressHash
    /// Where it stands; for peers, empty when unknown.
    package var zone = ""
    /// Its cluster's name; for peers, empty when unknown.
    package var clusterName = ""
    /// Its own label in the ring, `host:port`; nil: where it listens for HTTP.
    package var selfAddress: String?
    /// All origins of the cluster, `host:port`, this one included; empty: this one alone.
    package var cluster: [String] = []
    /// How many origins keep each blob (`hashring.max_replica`).
    package var replicasMax = 3
    /// How long a probe of another origin may take (`healthcheck.timeout`).
    package var healthTimeout = Duration.seconds(3)
    /// The time between probes (`hashring.refresh_interval`).
    package var healthInterval = Duration.seconds(10)
    /// Failed probes in a row that make an origin unhealthy (`healthcheck.fails`).
    package var healthFailsMax = 3
    /// Good probes in a row that make it healthy again (`healthcheck.passes`).
    package var healthPassesMin = 2
    /// How long a start waits until the cluster's name has this origin's address (`hashring.membership_wait_timeout`).
    package var membershipTimeout = Duration.minutes(1)
    /// How fast it copies blobs to owners that lack them, after a change of the ring (`healing.rate`); nil: as fast as it goes.
    package var healingRate: ByteRate? = ByteRate(bytesPerSecond: 64 << 20)
    /// The time between looks for such blobs without a change (`healing.interval`).
    package var healingInterval = Duration.hours(1)
    /// The time until another look when an owner could not be asked or did not take its copy.
    package var healingRetryInterval = Duration.seconds(30)
    /// The directory of everything it stores.
    package var dataDirectory: String
    /// When blobs leave the disk.
    package var cleanup = CleanupPolicy()
    /// Where blobs are stored for good, by namespace.
    package var backends: [BackendRule] = []
    /// How long the pieces of new blobs are (`metainfogen.piece_lengths`).
    package var pieceLengths = PieceLengthTable()
    /// The delay of the first replica's write-back after the one of the origin that took the upload; the second one's is
    /// twice that, and so on (`blobserver.duplicate_write_back_stagger`).
    package var duplicateWriteBackStagger = Duration.minutes(30)
    /// How blobs are written back, and tried again (`writeback`). Kraken: every 30 s, for ever.
    package var writeBack = RetryRules()
    /// The largest blob that is fetched from a backend (`blobrefresh.size_limit`); nil: any.
    package var refreshBytesMax: ByteCount?
    /// How long a failure to fetch a blob from a backend is remembered.
    package var refreshErrorTimeToLive = Duration.seconds(15)
    /// The rules of its swarms (`scheduler`).
    package var swarm = SwarmPolicy()
    /// What it sends to peers at most; nil: as fast as they read.
    package var egress: ByteRate?
    /// What it receives from peers at most; origins receive nothing from them.
    package var ingress: ByteRate?
    /// How long a stop waits for running requests. A push that is cut off begins again, so it gets its time.
    package var drainTimeout = Duration.seconds(10)
    /// The bounds of its store, queues and listeners.
    package var limits = Limits()

    /// An origin that stores in `dataDirectory`, alone in its cluster, with nothing behind it.
    package init(dataDirectory: String) { self.dataDirectory = dataDirectory }
}

/// Where a peer id comes from; the raw value is the name in Kraken's `peer_id_factory`.
package enum PeerIDFactory: String, Hashable, Sendable, CaseIterable {
    /// From the address that peers dial: the same at each start.
    case addressHash = "addr_hash"
    /// From chance, anew at each start.
    case random
}

/// The piece length for each size of blob: the one of the largest threshold that the blob reaches.
/// - Source: uber/kraken lib/metainfogen/config.go.
package struct PieceLengthTable: Hashable, Sendable {
    /// The thresholds with their piece lengths, in bytes, smallest threshold first; never empty, lengths positive.
    private let rows: [Row]

    private struct Row: Hashable, Sendable {
        let threshold: Int
        let pieceBytes: Int
    }

    /// 4 MiB for every blob, as Kraken ships it: all origins of a ring need the same table.
    package init() { rows = [Row(threshold: 0, pieceBytes: 4 << 20)] }

    /// For a ring without Kraken's origins: some 128 to 1000 pieces a blob, of 1 MiB at least, since the last piece of a blob
    /// goes from host to host as a whole. `docs/decisions/0023-finer-pieces.md`.
    package static let fine = PieceLengthTable(rows: [
        Row(threshold: 0, pieceBytes: 1 << 20), Row(threshold: 512 << 20, pieceBytes: 2 << 20),
        Row(threshold: 2 << 30, pieceBytes: 4 << 20), Row(threshold: 4 << 30, pieceBytes: 8 << 20),
    ])

    private init(rows: [Row]) { self.rows = rows }

    /// `pieceBytes` for every blob; nil unless positive.
    package init?(pieceBytes: Int) { self.init([.zero: ByteCount(pieceBytes)]) }

    /// The piece lengths by the size of blob from which on they apply; nil when there is none or one is not positive.
    package init?(_ lengths: [ByteCount: ByteCount]) {
        guard !lengths.isEmpty, lengths.values.allSatisfy({ $0.bytes > 0 }) else { return nil }
        rows = lengths.map { Row(threshold: $0.key.bytes, pieceBytes: $0.value.bytes) }
            .sorted { $0.threshold < $1.threshold }
    }

    /// The table as the file says it: `{0: 4MB, 2GB: 8MB}`.
    var settingText: String {
        let lengths = rows.map {
            "\(ByteCount($0.threshold).settingText): \(ByteCount($0.pieceBytes).settingText)"
        }
        return "{\(lengths.joined(separator: ", "))}"
    }

    /// The piece length of a blob of `blobBytes`; below the smallest threshold, the smallest row's.
    package func pieceBytes(for blobBytes: Int) -> Int {
        (rows.last { $0.threshold <= blobBytes } ?? rows[0]).pieceBytes
    }
}

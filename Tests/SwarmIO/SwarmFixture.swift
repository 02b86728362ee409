// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import Logging
import NIOCore
import NIOPosix
import Primitives
import SwarmCore
import SwarmIO
import Synchronization
import Telemetry
import TestSupport
import Testing
import TransportSecurity

@testable import BlobStorage

/// A driver with its store, in a folder of its own.
struct Node: Sendable {
    let driver: SwarmDriver
    let store: BlobStore
    let counters: Counters
    let events: EventLog
    let faults: FaultSwitch
    let root: String
    let peerID: PeerID
    let port: Int

    var info: PeerInfo { PeerInfo(peerID: peerID, ip: "127.0.0.1", port: port) }

    /// The blob's bytes in this host's cache; nil when it is not there.
    func cachedBytes(_ digest: Digest) async throws -> [UInt8]? {
        guard let blob = try await store.cachedBlob(digest) else { return nil }
        return try bytes(of: blob.file, 0..<blob.bytes)
    }
}

func bytes(of file: SharedFile, _ range: Range<Int>) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
        count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: range.lowerBound)
    }
}

/// A folder, a pool and an introducer for one test; ends its drivers and removes its files.
final class Fixture: Sendable {
    let root: String
    let introducer = Introducer()
    let pool = BlockingPool.singleton
    private let nodes = Mutex<[Node]>([])
    private let counter = Mutex(0)

    init() throws {
        root = FileManager.default.temporaryDirectory.path + "/swarmio-\(UUID().uuidString)"
        try Directory.create(root)
    }

    /// Runs `body` with a fixture that is gone afterwards.
    static func with<Result: Sendable>(
        _ body: (Fixture) async throws -> Result
    ) async throws -> Result {
        let fixture = try Fixture()
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await body(fixture)) } catch { outcome = .failure(error) }
        await fixture.end()
        return try outcome.get()
    }

    private func end() async {
        for node in nodes.withLock({ $0 }) { await node.driver.stop() }
        // What is left over is in the system's temporary folder.
        try? Directory.remove(root)
    }

    /// A started host; `at` names its folder, for one that comes back.
    func node(
        _ role: SwarmScheduler.Role,
        at name: String? = nil,
        policy: SwarmPolicy = testPolicy,
        limits: Limits = Limits(),
        egress: ByteRate? = nil,
        ingress: ByteRate? = nil,
        secure: (@Sendable (PeerID) async throws -> TransportSecurity)? = nil,
        on eventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next(),
        isIntroduced: Bool = true
    ) async throws -> Node {
        let number = counter.withLock { number in
            number += 1
            return number
        }
        let folder = "\(root)/\(name ?? "host-\(number)")"
        var log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        log.logLevel = .critical
        let store = BlobStore(
            configuration: BlobStoreConfiguration(root: folder),
            pool: pool,
            clock: { 1_700_000_000 },
            log: log
        )
        try await store.open()
        var generator = Generator(seed: UInt64(number))
        let peerID = PeerID(randomFrom: &generator)
        let host = TestHost(introducer: introducer, address: Settable<PeerInfo?>(nil))
        let counters = Counters(kind: .agent)
        let events = EventLog(component: "host-\(number)")
        let faults = FaultSwitch(events: events)
        let driver = SwarmDriver(
            configuration: SwarmDriverConfiguration(
                peerID: peerID,
                host: "127.0.0.1",
                port: 0,
                role: role,
                policy: policy,
                limits: limits,
                egress: egress,
                ingress: ingress,
                seed: UInt64(number)
            ),
            eventLoop: eventLoop,
            store: store,
            host: host,
            events: events,
            counters: counters,
            log: log,
            faults: faults,
            security: try await secure?(peerID)
        )
        let port = try await driver.start()
        let node = Node(
            driver: driver,
            store: store,
            counters: counters,
            events: events,
            faults: faults,
            root: folder,
            peerID: peerID,
            port: port
        )
        if isIntroduced { host.address.value = node.info }
        nodes.withLock { $0.append(node) }
        return node
    }

    /// An origin that has `bytes`, known to the introducer.
    func origin(
        _ bytes: [UInt8],
        pieceBytes: Int,
        egress: ByteRate? = nil
    ) async throws -> (Node, MetaInfo) {
        let origin = try await node(.origin, egress: egress)
        let metaInfo = try await give(bytes, pieceBytes: pieceBytes, to: origin)
        return (origin, metaInfo)
    }

    /// Puts `bytes` into `origin` and makes it known.
    func give(_ bytes: [UInt8], pieceBytes: Int, to origin: Node) async throws -> MetaInfo {
        let metaInfo = try makeMetaInfo(bytes, pieceBytes: pieceBytes)
        let options = CommitOptions(pieceBytes: pieceBytes, isDurable: false)
        _ = try await origin.store.put(bytes, as: metaInfo.digest, options: options)
        var info = origin.info
        (info.isOrigin, info.isComplete) = (true, true)
        introducer.add(info, to: metaInfo.infoHash)
        return metaInfo
    }
}

/// Kraken's rules with short waits.
let testPolicy: SwarmPolicy = {
    var policy = SwarmPolicy()
    policy.starvedAnnounceDelay = .milliseconds(20)
    policy.refusalRetry = .milliseconds(50)
    return policy
}()

let testNamespace: Namespace = .proxyUploads

/// The meta info of `bytes`, with proofs of its pieces or, as Kraken makes it, without.
func makeMetaInfo(_ bytes: [UInt8], pieceBytes: Int, hasProofs: Bool = true) throws -> MetaInfo {
    var hasher = BlobHasher(pieceBytes: pieceBytes)
    bytes.withUnsafeBytes { hasher.update($0) }
    let metaInfo = try #require(try hasher.metaInfo(of: Digest(hashing: bytes)))
    return hasProofs ? metaInfo : try metaInfo.with(states: [])
}

extension MetaInfo {
    /// The same with other states.
    func with(states: [UInt8]) throws -> MetaInfo {
        try MetaInfo(digest: digest, layout: layout, pieceSums: pieceSums, pieceStates: states)
    }
}

/// `count` bytes that depend on `seed`; eight at a time, since debug builds are slow.
func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = Generator(seed: seed)
    let words = (0..<(count + 7) / 8).map { _ in generator.next() }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
}

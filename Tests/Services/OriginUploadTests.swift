// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Origin: uploads") struct OriginUploadTests {
        /// Appendix A of the reference, the origin's part.
        @Test("answers an upload as Kraken does, byte for byte")
        func transcript() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob("hello")
                    let start = try await origin.send(.post, "\(blob.path)/uploads?size=5")
                    #expect((start.status, start.text) == (200, ""))
                    let id = try #require(start.header("Location"))
                    #expect(UUID(uuidString: id) != nil)
                    let patch = try await origin.patch("\(blob.path)/uploads/\(id)", "0-5", "hello")
                    #expect((patch.status, patch.text) == (200, ""))
                    let commit = try await origin.send(.put, "\(blob.path)/uploads/\(id)")
                    #expect((commit.status, commit.text) == (200, ""))
                    let again = try await origin.send(.post, "\(blob.path)/uploads")
                    #expect((again.status, again.text) == (409, ""))

                    let locations = try await origin.send(.get, "/blobs/\(blob.digest)/locations")
                    #expect((locations.status, locations.text) == (200, ""))
                    #expect(locations.header("Origin-Locations") == origin.address)
                    let stat = try await origin.send(.head, blob.internalPath)
                    #expect((stat.status, stat.header("Content-Length")) == (200, "5"))
                    let metaInfo = try await origin.send(.get, "\(blob.internalPath)/metainfo")
                    #expect(metaInfo.status == 200)
                    #expect(
                        metaInfo.text == #"{"Info":{"PieceLength":4194304,"PieceSums":[907060870],"#
                            + #""Name":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","#
                            + #""Length":5}}"#
                    )
                    let body = try await origin.send(.get, blob.path)
                    #expect((body.status, body.text) == (200, "hello"))
                    #expect(body.header("Content-Length") == "5")
                }
            }
        }

        @Test("takes a whole blob in one request", arguments: [5, 64 << 10, 200_000])
        func takesWhole(_ count: Int) async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob(String(repeating: "x", count: count))
                    let path = "\(blob.path)/uploads"
                    let wrong = try await origin.send(.put, path, body: blob.bytes + [1])
                    #expect(wrong.status == 400)
                    #expect(try await origin.send(.head, blob.internalPath).status == 404)
                    let put = try await origin.send(.put, path, body: blob.bytes)
                    #expect((put.status, put.text) == (200, ""))
                    let again = try await origin.send(.put, path, body: blob.bytes)
                    #expect((again.status, again.text) == (409, ""))
                    let body = try await origin.send(.get, blob.path)
                    #expect(body.bytes == blob.bytes)
                    #expect(try Directory.list("\(root)/origin-0/upload") == [])
                    let other = OriginBlob("copied")
                    let duplicate = "/internal/duplicate\(other.path)/uploads"
                    let late = "\(duplicate)?delay_ns=0"
                    let without = try await origin.send(.put, duplicate, body: other.bytes)
                    #expect(without.status == 400)
                    let copy = try await origin.send(.put, late, body: other.bytes)
                    #expect(copy.status == 200)
                    #expect(try await origin.send(.get, other.path).text == "copied")
                }
            }
        }

        @Test("takes a manifest only if all is there that it refers to, when it is asked so")
        func takesWithReferences() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let (layer, manifest) = (OriginBlob("layer"), OriginBlob("manifest"))
                    let client = OriginCluster(
                        hosts: HostList([origin.address], origin.environment),
                        http: TrackerWorld.http,
                        log: origin.environment.log
                    )
                    func put() async throws -> Bool {
                        try await client.uploadManifest(
                            manifest.digest,
                            namespace: try Namespace(OriginUnderTest.namespace),
                            ByteBuffer(bytes: manifest.bytes),
                            ifPresent: [layer.digest]
                        )
                    }
                    #expect(try await !put())
                    #expect(try await origin.send(.head, manifest.internalPath).status == 404)
                    _ = try await origin.send(.put, "\(layer.path)/uploads", body: layer.bytes)
                    #expect(try await put())
                    #expect(try await origin.send(.get, manifest.path).bytes == manifest.bytes)
                    // Once more, where nothing is stored but everything is there.
                    #expect(try await put())
                }
            }
        }

        @Test("takes the copy of another origin and writes it back later only")
        func takesDuplicates() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob("copied")
                    let start = try await origin.send(.post, "\(blob.path)/uploads")
                    let id = try #require(start.header("Location"))
                    _ = try await origin.patch("\(blob.path)/uploads/\(id)", "0-6", "copied")
                    let path = "/internal/duplicate\(blob.path)/uploads/\(id)"
                    let bad = try await origin.send(.put, path, body: Array("{}".utf8))
                    #expect(bad.status == 400)
                    let commit = try await origin.send(
                        .put,
                        path,
                        body: Array(#"{"Delay":1800000000000}"#.utf8)
                    )
                    #expect((commit.status, commit.text) == (200, ""))
                    let queue = try #require(try await origin.status().queues?.first)
                    #expect((queue.pendingCount, queue.doneCount) == (1, 0))
                    let delete = try await origin.send(.delete, "/internal/blobs/\(blob.digest)")
                    #expect(delete.status == 409, "it is owed to the backend")
                }
            }
        }

        @Test("takes a transfer and writes nothing back")
        func takesTransfers() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob.random(100_000)
                    try await origin.client.upload(
                        blob.digest,
                        namespace: .proxyUploads,
                        from: .bytes(.init(bytes: blob.bytes)),
                        purpose: .transfer
                    )
                    #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                    #expect(try await origin.status().queues?.first?.pendingCount == 0)
                    let delete = try await origin.send(.delete, "/internal/blobs/\(blob.digest)")
                    #expect((delete.status, delete.text) == (202, ""))
                    #expect(try await origin.send(.get, blob.path).status == 404)
                    #expect(
                        try await origin.send(.delete, "/internal/blobs/\(blob.digest)").status
                            == 404
                    )
                }
            }
        }

        @Test("says what is wrong with a bad request, with a status below 500")
        func refusesBadRequests() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob("hello")
                    let start = try await origin.send(.post, "\(blob.path)/uploads")
                    let uploads = "\(blob.path)/uploads"
                    let path = "\(uploads)/\(try #require(start.header("Location")))"
                    for range in [nil, "", "0", "0,5", "5-0", "-5", "a-b", "0-5-6", "bytes 0-4/5"] {
                        let answer = try await origin.patch(path, range, "hello")
                        #expect(answer.status == 400, "\(range ?? "none")")
                    }
                    #expect(try await origin.patch(path, "0-9", "hello").status == 400, "too short")
                    #expect(try await origin.patch("\(uploads)/x", "0-5", "hello").status == 404)
                    #expect(try await origin.send(.put, "\(uploads)/x").status == 404)
                    #expect(try await origin.send(.put, "\(uploads)/..%2F..%2Fx").status == 404)
                    for digest in ["sha256:12", "md5:1", "x", "sha256:..%2f..%2fetc"] {
                        let answer = try await origin.send(.get, "/namespace/n/blobs/\(digest)")
                        #expect(answer.status == 400, "\(digest)")
                    }
                    let wrong = try await origin.patch(path, "0-5", "olleh")
                    #expect(wrong.status == 200)
                    let commit = try await origin.send(.put, path)
                    #expect(commit.status == 400)
                    #expect(commit.text.contains("hash to"))
                    #expect(try await origin.send(.put, path).status == 404, "the upload is gone")
                    let stat = try await origin.send(.head, "\(blob.internalPath)?local=true")
                    #expect(stat.status == 404)
                    let odd = try await origin.send(.head, "\(blob.internalPath)?local=perhaps")
                    #expect(odd.status == 400)
                }
            }
        }

        @Test(
            "takes chunks in any order, drops what exceeds a range, and copes with a broken-off body"
        )
        func takesChunksInAnyOrder() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob("0123456789")
                    let start = try await origin.send(.post, "\(blob.path)/uploads")
                    let path = "\(blob.path)/uploads/\(try #require(start.header("Location")))"
                    #expect(try await origin.patch(path, "5-10", "56789 and more").status == 200)
                    #expect(try await origin.patch(path, "0-5", "01").status == 400)
                    #expect(try await origin.patch(path, "0-5", "01234").status == 200)
                    #expect(try await origin.patch(path, "10-10", "").status == 200)
                    #expect(try await origin.send(.put, path).status == 200)
                    #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                }
            }
        }

        @Test("streams a large blob in and out unchanged, whole or in part")
        func streamsLargeBlobs() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.pieceLengths = .init(pieceBytes: 1 << 20) ?? .init()
                } body: { origin in
                    let blob = OriginBlob.random(10_000_000)
                    try await origin.upload(blob)
                    let whole = try await origin.send(.get, blob.path)
                    #expect(whole.bytes == blob.bytes)
                    #expect(whole.header("Accept-Ranges") == "bytes")
                    let entityTag = try #require(whole.header("ETag"))
                    #expect(entityTag == "\"\(blob.digest)\"")
                    let part = try await origin.send(
                        .get,
                        blob.path,
                        headers: [.range: "bytes=999999-2000000"]
                    )
                    #expect(part.status == 206)
                    #expect(part.bytes == Array(blob.bytes[999_999...2_000_000]))
                    #expect(part.header("Content-Range") == "bytes 999999-2000000/10000000")
                    let beyond = try await origin.send(
                        .get,
                        blob.path,
                        headers: [.range: "bytes=10000000-"]
                    )
                    #expect(beyond.status == 416)
                    let known = try await origin.send(
                        .get,
                        blob.path,
                        headers: [.ifNoneMatch: entityTag]
                    )
                    #expect((known.status, known.text) == (304, ""))
                    let metaInfo = try await origin.client.metaInfo(
                        of: blob.digest,
                        namespace: try Namespace(OriginUnderTest.namespace)
                    )
                    #expect(metaInfo.layout.pieceCount == 10)
                }
            }
        }

        @Test("takes an empty blob, and the same blob from many clients at once")
        func takesOddBlobs() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let empty = OriginBlob("")
                    try await origin.upload(empty)
                    let answer = try await origin.send(.get, empty.path)
                    #expect((answer.status, answer.header("Content-Length")) == (200, "0"))
                    let blob = OriginBlob.random(300_000)
                    try await withThrowingTaskGroup { group in
                        for _ in 0..<8 { group.addTask { try await origin.upload(blob) } }
                        try await group.waitForAll()
                    }
                    #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                }
            }
        }

        @Test("recuts a blob, and refuses piece lengths that are none")
        func overwritesMetaInfo() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob("hello world")
                    try await origin.upload(blob)
                    try await origin.client.overwriteMetaInfo(of: blob.digest, pieceBytes: 4)
                    let metaInfo = try await origin.client.metaInfo(
                        of: blob.digest,
                        namespace: .proxyUploads
                    )
                    #expect(metaInfo.infoHash.hex == "7cb82993df4e14590d01ab2a374a99a1c86256a9")
                    for length in ["", "0", "-1", "x", "99999999999"] {
                        let path = "/internal/blobs/\(blob.digest)/metainfo?piece_length=\(length)"
                        #expect(try await origin.send(.post, path).status == 400)
                    }
                    let absent = OriginBlob("absent")
                    let path = "/internal/blobs/\(absent.digest)/metainfo?piece_length=4"
                    #expect(try await origin.send(.post, path).status == 404)
                }
            }
        }

        @Test("ends uploads beyond the limit with 429 and tells when to come back")
        func boundsUploads() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) {
                    $0.limits.uploadSessionsMax = 1
                } body: {
                    origin in
                    let blob = OriginBlob("hello")
                    #expect(try await origin.send(.post, "\(blob.path)/uploads").status == 200)
                    let second = try await origin.send(.post, "\(blob.path)/uploads")
                    #expect(second.status == 429)
                    #expect(second.header("Retry-After") == "1")
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Testing

/// The 32-byte digest whose first two bytes are `shard`.
func digest(shard: String) throws -> Digest {
    try #require(Digest(hex: shard + String(repeating: "0", count: 60)))
}

@Suite("Rendezvous hash") struct RendezvousHashTests {
    @Test("hashes as the public MurmurHash3 vectors have it")
    func murmur() {
        #expect(MurmurHash3.firstHalf(of: []) == 0)
        #expect(MurmurHash3.firstHalf(of: Array("hello".utf8)) == 0xcbd8_a7b3_41bd_9b02)
        #expect(
            MurmurHash3.firstHalf(of: Array("hello, world".utf8)) == 0x342f_ac62_3a5e_bc8e
        )
        #expect(
            MurmurHash3.firstHalf(of: Array("The quick brown fox jumps over the lazy dog.".utf8))
                == 0xcd99_481f_9ee9_02c9
        )
    }

    struct Vector: Sendable {
        let key: String
        let label: String
        let hash: UInt64
        let score: Double
    }

    @Test(
        "scores origins bit for bit as Kraken",
        arguments: [
            Vector(
                key: "e3b0",
                label: "origin1:15002",
                hash: 0xda9f_8b23_cfa5_7be0,
                score: 6959.971053174
            ),
            Vector(
                key: "e3b0",
                label: "origin2:15002",
                hash: 0xfd75_0121_849b_247d,
                score: 237.527930446
            ),
            Vector(
                key: "e3b0",
                label: "origin3:15002",
                hash: 0xf4e7_c194_97df_9b5c,
                score: 70.559341696
            ),
            Vector(
                key: "abcd",
                label: "origin1:15002",
                hash: 0x694f_2ad0_e3f0_c5c4,
                score: 133.940994990
            ),
            Vector(
                key: "abcd",
                label: "origin2:15002",
                hash: 0x4629_2e7e_df1d_62f4,
                score: 80.094070667
            ),
            Vector(
                key: "abcd",
                label: "origin3:15002",
                hash: 0x353e_9873_ebbb_8acd,
                score: 2228.047395991
            ),
            Vector(
                key: "0000",
                label: "origin1:15002",
                hash: 0x5d29_fa60_0c5c_5e32,
                score: 85.811098841
            ),
            Vector(
                key: "0000",
                label: "origin2:15002",
                hash: 0xd661_a013_268b_aa53,
                score: 33.556503332
            ),
            Vector(
                key: "0000",
                label: "origin3:15002",
                hash: 0x41f7_5837_25e8_b1ba,
                score: 317.087288700
            ),
            Vector(
                key: "07ff",
                label: "origin1:15002",
                hash: 0x506d_c322_9841_2f8e,
                score: 118.510538944
            ),
            Vector(
                key: "07ff",
                label: "origin2:15002",
                hash: 0x96d1_ee20_a0df_d017,
                score: 172.636948179
            ),
            Vector(
                key: "07ff",
                label: "origin3:15002",
                hash: 0x065e_f249_6397_2e1a,
                score: 2987.019984642
            ),
            Vector(
                key: "ffff",
                label: "origin1:15002",
                hash: 0x0fa6_789d_8ecc_392a,
                score: 62.563289544
            ),
            Vector(
                key: "ffff",
                label: "origin2:15002",
                hash: 0x7b0c_4c62_4ef3_88e0,
                score: 104.573112125
            ),
            Vector(
                key: "ffff",
                label: "origin3:15002",
                hash: 0x36c8_4c87_cdb0_a226,
                score: 74.095630973
            ),
        ]
    )
    func scores(_ vector: Vector) throws {
        let key = RendezvousHash.keyBytes(of: try digest(shard: vector.key))
        #expect(MurmurHash3.firstHalf(of: key + vector.label.utf8) == vector.hash)
        let score = RendezvousHash.score(of: vector.label, keyBytes: key)
        #expect(abs(score - vector.score) < 1e-9 * max(1, vector.score))
    }

    @Test(
        "orders origins as Kraken",
        arguments: [
            ("e3b0", [1, 2, 3]), ("abcd", [3, 1, 2]), ("0000", [3, 1, 2]), ("07ff", [3, 2, 1]),
            ("ffff", [2, 3, 1]),
        ]
    )
    func originOrder(key: String, order: [Int]) throws {
        let ring = Ring(members: (1...3).map { "origin\($0):15002" })
        #expect(ring.owners(of: try digest(shard: key)) == order.map { "origin\($0):15002" })
    }

    @Test(
        "orders trackers as Kraken",
        arguments: [
            ("b94d", [2, 1, 3]), ("e3b0", [2, 3, 1]), ("0000", [1, 3, 2]), ("ffff", [1, 2, 3]),
        ]
    )
    func trackerOrder(key: String, order: [Int]) throws {
        let ring = Ring(members: (1...3).map { "tracker\($0):15003" })
        #expect(ring.owners(of: try digest(shard: key)) == order.map { "tracker\($0):15003" })
    }

    @Test("scores tracker1 for ffff as Kraken")
    func trackerScore() {
        let score = RendezvousHash.score(of: "tracker1:15003", keyBytes: [0xff, 0xff])
        #expect(abs(score - 2462.03180022) < 1e-7)
    }
}

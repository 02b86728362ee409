// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Telemetry
import Testing

@testable import Backends

/// The examples that Amazon has published.
@Suite("Signature version 4") struct SigV4Tests {
    private static let keys = AWSCredentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    )
    private static let suiteKeys = AWSCredentials(
        accessKeyID: "AKIDEXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    )

    private func signature(_ request: SigV4Request) throws -> String {
        let time = try #require(Timestamp(parsing: "2013-05-24T00:00:00Z"))
        let headers = request.signed(by: Self.keys, region: "us-east-1", service: "s3", at: time)
        return try #require(headers[.authorization])
    }

    private func request(
        _ method: String,
        _ path: String = "/",
        _ query: [(name: String, value: String)] = [],
        _ headers: HTTPFields = [:],
        hash: String = SigV4Request.emptyPayloadHash
    ) -> SigV4Request {
        SigV4Request(
            method: method,
            host: "examplebucket.s3.amazonaws.com",
            path: path,
            query: query,
            headers: headers,
            payloadHash: hash
        )
    }

    private static let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

    // Amazon S3 API Reference, "Examples: Signature Calculations".
    @Test("gets an object's first bytes")
    func getObject() throws {
        let signed = try signature(request("GET", "/test.txt", [], [.range: "bytes=0-9"]))
        #expect(
            signed == "AWS4-HMAC-SHA256 Credential=\(Self.scope),"
                + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        )
    }

    @Test("puts an object whose key has to be escaped")
    func putObject() throws {
        let storageClass = try #require(HTTPField.Name("x-amz-storage-class"))
        let signed = try signature(
            request(
                "PUT",
                "/test%24file.text",
                [],
                [.date: "Fri, 24 May 2013 00:00:00 GMT", storageClass: "REDUCED_REDUNDANCY"],
                hash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
            )
        )
        #expect(
            signed == "AWS4-HMAC-SHA256 Credential=\(Self.scope),"
                + "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                + "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        )
    }

    @Test(
        "asks with a query",
        arguments: [
            (
                [(name: "lifecycle", value: "")],
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
            ),
            (
                [(name: "prefix", value: "J"), (name: "max-keys", value: "2")],
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
            ),
        ] as [([(name: String, value: String)], String)]
    )
    func query(_ query: [(name: String, value: String)], _ expected: String) throws {
        #expect(try signature(request("GET", "/", query)).hasSuffix("Signature=\(expected)"))
    }

    // AWS Signature Version 4 test suite; for the key, "Deriving the signing key".
    @Test("signs for other services, and with a token")
    func suite() throws {
        let time = try #require(Timestamp(parsing: "2015-08-30T12:36:00Z"))
        func sign(_ request: SigV4Request, _ keys: AWSCredentials) -> String? {
            request.signed(by: keys, region: "us-east-1", service: "service", at: time)[
                .authorization
            ].map { String($0.suffix(64)) }
        }
        func request(
            _ method: String,
            _ query: [(name: String, value: String)] = []
        ) -> SigV4Request {
            SigV4Request(
                method: method,
                host: "example.amazonaws.com",
                query: query,
                sendsPayloadHash: false
            )
        }
        #expect(
            sign(request("GET"), Self.suiteKeys)
                == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        )
        let query = [(name: "Param2", value: "value2"), (name: "Param1", value: "value1")]
        #expect(
            sign(request("GET", query), Self.suiteKeys)
                == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        )
        var lent = Self.suiteKeys
        lent.sessionToken = Self.token
        #expect(
            sign(request("POST"), lent)
                == "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        )
    }

    @Test("derives a day's key")
    func key() {
        let key = SigV4Request.key(
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            ["20150830", "us-east-1", "iam", "aws4_request"]
        )
        let digits = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(digits == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9")
    }

    private static let token =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfp"
        + "SPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPky"
        + "QDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz"
        + "+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

    @Test(
        "a clock that is wrong is told from keys that are",
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", nil),
            ("Sun, 06 Nov 1994 08:52:00 GMT", nil),
            ("Sun, 06 Nov 1994 06:49:37 GMT", "7200 s ahead of"),
            ("Mon, 07 Nov 1994 08:49:37 GMT", "86400 s behind"),
            ("yesterday", nil), ("Sun, 06 Foo 1994 06:49:37 GMT", nil), ("", nil),
        ]
    )
    func clockSkew(_ date: String, words: String?) throws {
        let now = try #require(Timestamp(parsing: "1994-11-06T08:49:37Z"))
        let remedy = ServerClock.remedy([.date: date], now: now)
        #expect((remedy == nil) == (words == nil))
        if let words { #expect(remedy?.contains(words) == true, "\(remedy ?? "")") }
    }

    @Test("keys' texts tell no secret")
    func description() { #expect("\(Self.keys)" == "AKIAIOSFODNN7EXAMPLE") }
}

// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore

/// What a request for a blob is answered with, but for the bytes.
struct BlobAnswer {
    let status: HTTPResponse.Status
    let headers: HTTPFields
    /// The parts of the blob to send, each after what precedes it; the last one may have no bytes.
    let parts: [Part]

    /// Some bytes of our own, then some of the blob.
    struct Part: Sendable {
        var head: [UInt8] = []
        let range: Range<Int>
    }

    /// How many bytes the body has.
    var bytesSent: Int { parts.reduce(0) { $0 + $1.head.count + $1.range.count } }

    /// - Throws: 412, 416.
    init(_ digest: ContentDigest, bytes total: Int, to request: Request) throws {
        var headers = HTTPFields(content: digest)
        headers[.contentType] = "application/octet-stream"
        headers[.cacheControl] = "max-age=31536000"
        headers[.acceptRanges] = "bytes"
        try request.requireMatch(of: digest)
        guard !request.holds(digest) else {
            (status, self.headers, parts) = (.notModified, headers, [Part(range: 0..<total)])
            return
        }
        let ranges = byteRanges(of: request, total: total, entityTag: headers[.eTag])
        if let ranges, ranges.count > 1 {
            let boundary = Self.boundary()
            headers[.contentType] = "multipart/byteranges; boundary=\(boundary)"
            (status, self.headers) = (.partialContent, headers)
            parts = Self.parts(ranges, boundary, total: total)
            return
        }
        let outcome = byteRange(of: request, total: total, entityTag: headers[.eTag])
        let (range, isPartial) =
            try ranges.map { ($0[0], true) } ?? outcome.resolved(total: total)
        if isPartial {
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total)"
        }
        (status, self.headers) = (isPartial ? .partialContent : .ok, headers)
        parts = [Part(range: range)]
    }

    /// - Source: RFC 9110 §14.6.
    private static func parts(_ ranges: [Range<Int>], _ boundary: String, total: Int) -> [Part] {
        var parts = ranges.enumerated().map { index, range in
            let head =
                (index == 0 ? "" : "\r\n")
                + "--\(boundary)\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes "
                + "\(range.lowerBound)-\(range.upperBound - 1)/\(total)\r\n\r\n"
            return Part(head: Array(head.utf8), range: range)
        }
        parts.append(Part(head: Array("\r\n--\(boundary)--\r\n".utf8), range: total..<total))
        return parts
    }

    /// A line that no blob has by chance: 128 random bits.
    private static func boundary() -> String {
        let words = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        return "herd-" + String(words.0, radix: 16) + String(words.1, radix: 16)
    }
}

extension BlobContent {
    /// The answer with the bytes that `answer` wants.
    func response(_ answer: BlobAnswer) async throws -> Response {
        let (count, parts) = (answer.bytesSent, answer.parts)
        switch body {
        case .file(let file, let pin):
            return .fileStream(bytes: count, status: answer.status, headers: answer.headers) {
                writer in
                for part in parts {
                    try await writer.write(ByteBuffer(bytes: part.head))
                    try await writer.write(file, part.range)
                }
                withExtendedLifetime(pin) {}
            }
        case .fileParts(let write):
            return .fileStream(bytes: count, status: answer.status, headers: answer.headers) {
                writer in
                for part in parts {
                    try await writer.write(ByteBuffer(bytes: part.head))
                    if !part.range.isEmpty || parts.count == 1 {
                        try await write(part.range, writer)
                    }
                }
            }
        case .buffers(let open):
            // The first one before the head is sent, so that what fails at once becomes an error answer.
            let first = try await open(parts[0].range)
            return Response(
                status: answer.status,
                headers: answer.headers,
                body: ResponseBody(contentLength: count) { writer in
                    for (index, part) in parts.enumerated() {
                        if !part.head.isEmpty {
                            try await writer.write(ByteBuffer(bytes: part.head))
                        }
                        guard index == 0 || !part.range.isEmpty else { continue }
                        let buffers = index == 0 ? first : try await open(part.range)
                        var remaining = part.range.count
                        for try await buffer in buffers {
                            remaining -= buffer.readableBytes
                            guard remaining >= 0 else { break }
                            try await writer.write(buffer)
                        }
                        // Without its end the client sees that the body is no whole one: the connection is closed.
                        guard remaining == 0 else {
                            let count = part.range.count
                            throw BlobLengthMismatch(announced: count, missing: remaining)
                        }
                    }
                    try await writer.finish(nil)
                }
            )
        }
    }
}

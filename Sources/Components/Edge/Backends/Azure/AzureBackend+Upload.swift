// SPDX-License-Identifier: Apache-2.0

import Content
import FoundationEssentials
import HTTPKit
import HTTPTypes
import NIOCore

// A short blob goes up in one request, a long one in blocks, some side by side, each read from its file as it is sent,
// and a list of them in the end. Blocks that no list names are removed by Azure after a week.
extension AzureBackend {
    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        let key = try key(of: name)
        let what = "write \(name)"
        guard source.count > settings.uploadPartBytes else {
            try await send(source, source.range, to: key, block: nil, what)
            return
        }
        let blocks = try await sendBlocks(of: source, to: key, what)
        let entries = blocks.map { "<Latest>\($0)</Latest>" }.joined()
        let list = ByteBuffer(
            string: "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(entries)</BlockList>"
        )
        _ = try await transport.collect(what) {
            var request = try request(
                .put,
                key,
                query: [(name: "comp", value: "blocklist")],
                headers: [.contentType: "application/xml"],
                body: .bytes(list),
                bodyBytes: list.readableBytes
            )
            request.acceptedStatuses = [201]
            return request
        }
    }

    /// Blocks of one blob that Azure takes at most.
    private static let blocksMax = 50_000

    private func sendBlocks(
        of source: BackendSource,
        to key: String,
        _ what: String
    ) async throws -> [String] {
        let count = source.count
        let partBytes = max(settings.uploadPartBytes, (count + Self.blocksMax - 1) / Self.blocksMax)
        // Of one length each, and of this upload only, so that two at a time do not mix.
        let upload = UUID().uuidString
        let names = (0..<(count + partBytes - 1) / partBytes).map { index in
            let digits = String(index)
            let padded = String(repeating: "0", count: 5 - digits.count) + digits
            return Data("\(upload)-\(padded)".utf8).base64EncodedString()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, name) in names.enumerated() {
                if index >= settings.uploadConcurrency { try await group.next() }
                let range = index * partBytes..<min((index + 1) * partBytes, count)
                group.addTask { try await send(source, range, to: key, block: name, what) }
            }
            try await group.waitForAll()
        }
        return names
    }

    /// Puts the bytes `range`, as a blob or as a block of one; Azure checks their MD5.
    private func send(
        _ source: BackendSource,
        _ range: Range<Int>,
        to key: String,
        block: String?,
        _ what: String
    ) async throws {
        let context = transport.context
        let sum = try await source.md5(range, context)
        _ = try await transport.collect(what) {
            var headers: HTTPFields = [
                .contentMD5: sum, .contentType: "application/octet-stream",
            ]
            if block == nil { headers[.known("x-ms-blob-type")] = "BlockBlob" }
            var request = try request(
                .put,
                key,
                query: block.map { [(name: "blockid", value: $0), (name: "comp", value: "block")] }
                    ?? [],
                headers: headers,
                body: source.body(range, context),
                bodyBytes: range.count
            )
            request.acceptedStatuses = [201]
            return request
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import SwarmCore

/// Cuts a peer's byte stream into messages and payload bytes, wherever the reads happen to end.
///
/// A message that lies whole in a read is decoded where it lies; only one that a read cuts is put together in a buffer of
/// its own, which grows with the bytes that have arrived, never from a declared length. Payload bytes are passed on as
/// they lie, without being gathered.
struct FrameDecoder {
    /// What comes next in the stream.
    enum Item {
        case message(PeerMessage)
        /// Some bytes of the announced payload; valid as long as the read's buffer.
        case payload(UnsafeRawBufferPointer)
    }

    private let frameBytesMax: Int
    /// The beginning of a frame whose end has not arrived.
    private var partial: [UInt8] = []
    /// Payload bytes that follow before the next frame.
    private(set) var payloadBytes = 0

    /// Capacity that is kept for the next cut frame; more is given back, since most connections idle.
    private static let keptBytesMax = 1024

    init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    /// The next `bytes` bytes are payload: the answer to the head of a payload.
    mutating func expectPayload(_ bytes: Int) { payloadBytes = bytes }

    /// Takes the next item off the front of `input`; nil when that is used up.
    /// - Throws: what makes the stream no stream of frames; it can't be continued then.
    mutating func next(
        _ input: inout UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> Item? {
        guard !input.isEmpty else { return nil }
        if payloadBytes > 0 {
            let bytes = Self.take(min(payloadBytes, input.count), from: &input)
            payloadBytes -= bytes.count
            return .payload(bytes)
        }
        if partial.isEmpty, let end = try frameEnd(input), input.count >= end {
            let frame = Self.take(end, from: &input)
            return .message(try Self.decode(frame))
        }
        guard try gather(&input) else { return nil }
        defer { partial.removeAll(keepingCapacity: partial.capacity <= Self.keptBytesMax) }
        return .message(try decodePartial())
    }

    /// Moves bytes from `input` to ``partial`` until a frame is whole there; answers whether it is.
    private mutating func gather(
        _ input: inout UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> Bool {
        let prefix = PeerMessageCodec.prefixBytes
        if partial.count < prefix {
            partial += Self.take(min(prefix - partial.count, input.count), from: &input)
        }
        guard let end = try partialEnd() else { return false }
        partial += Self.take(min(end - partial.count, input.count), from: &input)
        return partial.count == end
    }

    // Closures passed to withUnsafeBytes can't throw typed errors through it, hence the results.

    private func partialEnd() throws(PeerProtocolError) -> Int? {
        guard partial.count >= PeerMessageCodec.prefixBytes else { return nil }
        let length = partial.prefix(PeerMessageCodec.prefixBytes).reduce(0) { $0 << 8 | Int($1) }
        return try end(ofLength: length)
    }

    private func decodePartial() throws(PeerProtocolError) -> PeerMessage {
        let result = partial.withUnsafeBytes { frame in
            Result { () throws(PeerProtocolError) in try Self.decode(frame) }
        }
        return try result.get()
    }

    /// Where the frame at the front of `input` ends; nil when not even its length is there.
    private func frameEnd(_ input: UnsafeRawBufferPointer) throws(PeerProtocolError) -> Int? {
        guard input.count >= PeerMessageCodec.prefixBytes else { return nil }
        let length = input.loadUnaligned(as: UInt32.self).bigEndian
        return try end(ofLength: Int(length))
    }

    private func end(ofLength length: Int) throws(PeerProtocolError) -> Int {
        guard length <= frameBytesMax else {
            throw PeerProtocolError("frame of \(length) bytes, more than \(frameBytesMax)")
        }
        return PeerMessageCodec.prefixBytes + length
    }

    private static func decode(
        _ frame: UnsafeRawBufferPointer
    ) throws(PeerProtocolError) -> PeerMessage {
        try PeerMessageCodec.decode(
            UnsafeRawBufferPointer(rebasing: frame[PeerMessageCodec.prefixBytes...])
        )
    }

    private static func take(
        _ count: Int,
        from input: inout UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let taken = UnsafeRawBufferPointer(rebasing: input[..<count])
        input = UnsafeRawBufferPointer(rebasing: input[count...])
        return taken
    }
}

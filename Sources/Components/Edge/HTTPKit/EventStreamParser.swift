// SPDX-License-Identifier: Apache-2.0

/// Takes server-sent events out of the bytes in which they come, however these are cut.
/// - Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
package struct EventStreamParser: Sendable {
    /// One message.
    package struct Message: Hashable, Sendable {
        /// `message` unless the sender says otherwise.
        package var event = "message"
        /// What it says: the lines of its data, joined.
        package var data: [UInt8] = []
        /// The latest identifier the stream has named, this message's own included.
        package var lastID: String?
    }

    private var line: [UInt8] = []
    private var message = Message()
    private var hasData = false
    private var isOverlong = false
    private let bytesMax: Int

    /// A parser that skips messages of more than `bytesMax` bytes.
    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// The messages that `bytes` complete.
    package mutating func feed(_ bytes: some Sequence<UInt8>) -> [Message] {
        var messages: [Message] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                if line.count < bytesMax { line.append(byte) } else { isOverlong = true }
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.isEmpty {
                if hasData, !isOverlong { messages.append(message) }
                (message.event, message.data, hasData, isOverlong) = ("message", [], false, false)
            } else {
                take(line)
            }
            line.removeAll(keepingCapacity: true)
        }
        return messages
    }

    private mutating func take(_ line: [UInt8]) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        guard colon > 0 else { return }  // A comment.
        var value = line[min(line.count, colon + 1)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data":
            if hasData { message.data.append(UInt8(ascii: "\n")) }
            if message.data.count + value.count > bytesMax {
                isOverlong = true
            } else {
                message.data += value
            }
            hasData = true
        case "event": message.event = String(decoding: value, as: UTF8.self)
        case "id": message.lastID = String(decoding: value, as: UTF8.self)
        default: break
        }
    }
}

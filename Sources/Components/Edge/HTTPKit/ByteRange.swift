// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
package import Hummingbird

/// What a request wants of a body of known length.
package enum RangeOutcome: Hashable, Sendable {
    /// All of it: there is no `Range`, or one that is to be ignored.
    case whole
    /// These bytes of it; never empty.
    case partial(Range<Int>)
    /// None of the bytes asked for exist: 416.
    case unsatisfiable

    /// The bytes to send of a body of `total` bytes, and the status that goes with them.
    /// - Throws: 416.
    package func resolved(total: Int) throws(HTTPProblem) -> (bytes: Range<Int>, isPartial: Bool) {
        switch self {
        case .whole: return (0..<total, false)
        case .partial(let range): return (range, true)
        case .unsatisfiable: throw .rangeNotSatisfiable(total: total)
        }
    }
}

/// What `request` wants of a body of `total` bytes.
///
/// One range is honoured; several (see ``byteRanges(of:total:entityTag:)``), another unit or a malformed header are ignored,
/// as RFC 9110 §14.2 allows. `If-Range`
/// is honoured when it equals `entityTag`, otherwise the whole body is sent.
package func byteRange(of request: Request, total: Int, entityTag: String? = nil) -> RangeOutcome {
    guard request.method == .get || request.method == .head,
        let header = request.headers[.range]
    else { return .whole }
    if let condition = request.headers[.ifRange], condition != entityTag { return .whole }
    return byteRange(parsing: header, total: total)
}

/// The several ranges that `request` wants of a body of `total` bytes, in the order in which it wants them; nil when it wants
/// none, one, or what would be more work than the whole: more than ``byteRangesMax`` ranges, or ones that overlap.
///
/// Ranges outside of the body are left out. When one is left, it is that one.
/// - Source: RFC 9110 §14.2, §17.15.
package func byteRanges(
    of request: Request,
    total: Int,
    entityTag: String? = nil
) -> [Range<Int>]? {
    guard request.method == .get || request.method == .head,
        let header = request.headers[.range]?.filter({ $0 != " " && $0 != "\t" }),
        header.lowercased().hasPrefix("bytes="), header.contains(",")
    else { return nil }
    if let condition = request.headers[.ifRange], condition != entityTag { return nil }
    var ranges: [Range<Int>] = []
    for text in header.dropFirst(6).split(separator: ",") {
        switch byteRange(parsing: "bytes=" + text, total: total) {
        case .whole: return nil
        case .unsatisfiable: continue
        case .partial(let range): ranges.append(range)
        }
        guard ranges.count <= byteRangesMax else { return nil }
    }
    let sorted = ranges.sorted { $0.lowerBound < $1.lowerBound }
    let overlap = zip(sorted, sorted.dropFirst()).contains { $0.upperBound > $1.lowerBound }
    return ranges.isEmpty || overlap ? nil : ranges
}

/// The most ranges that are answered by one body.
package let byteRangesMax = 32

/// What the `Range` header `header` wants of a body of `total` bytes.
/// - Source: RFC 9110 §14.1.2.
package func byteRange(parsing header: String, total: Int) -> RangeOutcome {
    let trimmed = header.filter { $0 != " " && $0 != "\t" }
    guard trimmed.lowercased().hasPrefix("bytes="), !trimmed.contains(",") else { return .whole }
    let parts = trimmed.dropFirst(6).split(
        separator: "-",
        maxSplits: 1,
        omittingEmptySubsequences: false
    )
    guard parts.count == 2 else { return .whole }
    switch (parts[0].isEmpty, parts[1].isEmpty) {
    case (true, true): return .whole
    case (true, false):
        guard let suffix = number(parts[1]) else { return .whole }
        guard suffix > 0, total > 0 else { return .unsatisfiable }
        return .partial(max(0, total - suffix)..<total)
    case (false, true):
        guard let first = number(parts[0]) else { return .whole }
        return first < total ? .partial(first..<total) : .unsatisfiable
    case (false, false):
        guard let first = number(parts[0]), let last = number(parts[1]), first <= last else {
            return .whole
        }
        guard first < total else { return .unsatisfiable }
        return .partial(first..<min(last, total - 1) + 1)
    }
}

/// The decimal number `text`; digits beyond what 62 bits hold saturate, because they mean "to the end".
private func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return min(Int(text) ?? Int.max, 1 << 62)
}

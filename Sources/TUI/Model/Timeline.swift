// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// What is known beyond the moment a picture shows: how far back one can go, and how late it really is.
package struct Timeline: Equatable, Sendable {
    /// How fast agents downloaded at one moment.
    package struct Sample: Equatable, Sendable {
        /// When.
        package var at: Timestamp
        /// Payload bytes per second.
        package var rate: Double
        /// `rate` at a moment.
        package init(at: Timestamp, rate: Double) { (self.at, self.rate) = (at, rate) }
    }

    /// The earliest moment that can be shown.
    package var first = Timestamp(unixNanoseconds: 0)
    /// When the latest picture was taken; 0 when no history has kept this one.
    package var now = Timestamp(unixNanoseconds: 0)
    /// All events that are kept, those after the moment shown included.
    package var events = EventWindow()
    /// Rates over the span, the oldest first.
    package var samples: [Sample] = []
    /// A timeline of nothing.
    package init() {}

    /// How many samples are kept over the whole span.
    package static let samplesMax = 600

    /// Where `time` lies between the ends: 0 … 1.
    package func position(of time: Timestamp) -> Double {
        let span = now.seconds(since: first)
        guard span > 0 else { return 1 }
        return min(1, max(0, time.seconds(since: first) / span))
    }
}

extension ClusterPicture {
    /// When the latest picture was taken, also while another moment is shown.
    package var now: Timestamp { max(timeline.now, takenAt) }
}

extension Timestamp {
    /// The nanoseconds from `earlier` to here, as many as fit.
    package func nanoseconds(since earlier: Timestamp) -> Int64 {
        let (span, overflow) = unixNanoseconds.subtractingReportingOverflow(earlier.unixNanoseconds)
        return overflow ? (self < earlier ? .min : .max) : span
    }

    /// The seconds from `earlier` to here.
    package func seconds(since earlier: Timestamp) -> Double {
        Double(nanoseconds(since: earlier)) / 1e9
    }

    /// The moment so many seconds later, or the last that there is.
    package func later(bySeconds seconds: Double) -> Timestamp {
        guard seconds.isFinite else { return self }
        let step = Int64(min(max(-9e18, seconds * 1e9), 9e18))
        let (sum, overflow) = unixNanoseconds.addingReportingOverflow(step)
        return Timestamp(unixNanoseconds: overflow ? (step < 0 ? .min : .max) : sum)
    }
}

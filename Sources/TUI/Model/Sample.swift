// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// What a source has gathered of a cluster at one moment.
package struct Sample: Sendable {
    /// What the machine says of the process that runs the cluster.
    package struct Process: Equatable, Sendable {
        /// Memory in use.
        package var residentBytes: Int?
        /// Files and sockets open.
        package var openFiles: Int?
        /// How many may be.
        package var openFilesMax: Int?
        /// What is known of a process.
        package init(residentBytes: Int? = nil, openFiles: Int? = nil, openFilesMax: Int? = nil) {
            self.residentBytes = residentBytes
            (self.openFiles, self.openFilesMax) = (openFiles, openFilesMax)
        }
    }

    /// The components that answered.
    package var snapshot: ClusterSnapshot
    /// What happened since the last sample, in the order of time.
    package var events: [ClusterEvent] = []
    /// Events lost since the last sample.
    package var droppedEvents: UInt64 = 0
    /// Components that did not answer, and for how many seconds by now.
    package var silence: [String: Double] = [:]
    /// Why they did not.
    package var problems: [String: String] = [:]
    /// Components that answer health checks only.
    package var limited: Set<String> = []
    /// How long components took to answer, in milliseconds.
    package var latencies: [String: Double] = [:]
    /// Faults that are on.
    package var faults: [FaultRow] = []
    /// The process that runs the cluster, where it is this one.
    package var process: Process?
    /// Images whose manifests were read since the last sample.
    package var images: [ImageContent] = []
    /// The rules by which the swarms go; nil when they are as before.
    package var rules: SwarmRules?
    /// Lines logged since the last sample.
    package var logs: [LogLine] = []

    /// A sample with nothing but `snapshot`.
    package init(snapshot: ClusterSnapshot) { self.snapshot = snapshot }
}

/// What an image consists of, to call blobs by what they are.
package struct ImageContent: Equatable, Sendable {
    /// `demo/web:v42`.
    package var reference: String
    package var manifest: Digest
    /// Its configuration.
    package var config: Digest?
    /// Its layers, the lowest first.
    package var layers: [Digest]
    /// `reference` consists of these.
    package init(reference: String, manifest: Digest, config: Digest?, layers: [Digest]) {
        (self.reference, self.manifest) = (reference, manifest)
        (self.config, self.layers) = (config, layers)
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Content
import FoundationEssentials
import Primitives
import Telemetry
import TransportSecurity

/// `herd certs DIR`.
struct CertsCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "certs",
            abstract: "Make an authority and the certificates of a cluster's components.",
            discussion: """
                DIR gets ca.pem and ca-key.pem, and for each component NAME.pem and NAME-key.pem, which serve both as the \
                certificate of a server and as that of a client. They are good for --name, --host, localhost and the loopback's \
                addresses. What is there and good for 30 days or more is kept, so run it again at will; running components \
                take up what it replaces. Keep ca-key.pem off the hosts that serve.
                """
        )
    }

    @Argument(help: "The directory; made when absent.")
    var directory: String
    @Option(help: "The name that all certificates share; say it as tls.name.")
    var name = "herd"
    @Option(
        name: .customLong("host"),
        parsing: .upToNextOption,
        help: "Names and addresses of hosts they are good for, too: *.herd.example 10.0.0.7"
    )
    var hosts: [String] = []
    @Option(
        name: .customLong("component"),
        parsing: .upToNextOption,
        help: "What to make certificates for; a name of your own will do, such as a host's."
    )
    var components =
        [
            ComponentKind.agent, .buildIndex, .origin, .proxy, .tracker,
        ].map(\.rawValue) + ["client"]
    @Option(
        name: .customLong("peer"),
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Bind the one component to these peers: the IP:PORT that others dial, or peer ids of 40 hexadecimal digits.",
            valueName: "peer"
        )
    )
    var peers: [String] = []
    @Option(help: "How many days they are good for.")
    var days = 365
    @Flag(help: "Make new certificates also where those that are there are good.")
    var renew = false

    func validate() throws {
        guard (1...Self.daysMax).contains(days) else {
            throw ValidationError("--days is 1 to \(Self.daysMax)")
        }
        for component in components
        where component.contains("/") || component.isEmpty || component.hasPrefix(".") {
            throw ValidationError("\(component) is no name for a file")
        }
        guard !components.contains("ca") else {
            throw ValidationError("ca is the authority's own name")
        }
        for peer in peers where Self.peerID(peer) == nil {
            throw ValidationError("\(peer) is no peer: say IP:PORT, or 40 hexadecimal digits")
        }
        guard peers.isEmpty || components.count == 1 else {
            throw ValidationError("--peer binds one certificate: name it with --component")
        }
    }

    /// The peer id in `text`, or of the address there, as `peer_id_factory: addr_hash` makes it.
    private static func peerID(_ text: String) -> String? {
        if let id = PeerID(hex: text) { return id.hex }
        return Endpoint(parsing: text).map { PeerID(hashOfAddress: $0.host, port: $0.port).hex }
    }

    /// Longer than public authorities may, shorter than anybody forgets.
    private static let daysMax = 3650

    func run() throws {
        do { try make() } catch let error as TransportSecurityError {
            throw Failure("the certificates were not made", why: error.description)
        }
    }

    private func make() throws {
        let authority = try CertificateAuthority.open(directory)
        print("\(authority.certificatePath)  authority")
        let subjects = CertificateSubjects(
            hosts: [name] + hosts,
            peers: peers.compactMap(Self.peerID)
        )
        for component in components {
            let issue = try authority.issue(
                component,
                for: subjects,
                lifetime: .hours(Int64(days) * 24),
                renews: renew
            )
            let expiry = Timestamp(
                unixNanoseconds: Int64(issue.expiry.timeIntervalSince1970) * 1_000_000_000
            )
            print(
                "\(issue.path)  \(issue.isNew ? "made" : "kept"), until \(expiry.description.prefix(10))"
            )
        }
        if let first = components.first { print(Self.example(directory, name, first)) }
    }

    /// What to write into the configuration of `component`.
    private static func example(_ directory: String, _ name: String, _ component: String) -> String
    {
        """

        In the configuration of each component, as here for \(component):
        tls:
          name: \(name)
          cas: [{path: \(directory)/ca.pem}]
          server: {cert: {path: \(directory)/\(component).pem}, key: {path: \(directory)/\(component)-key.pem}}
          client: {cert: {path: \(directory)/\(component).pem}, key: {path: \(directory)/\(component)-key.pem}}
        """
    }
}

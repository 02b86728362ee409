// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Kraken's tls section") struct TransportSecurityTests {
    private func tracker(_ tls: String) throws -> TrackerConfiguration {
        let text = "origin: {hosts: {static: [\"o:1\"]}}\ntls: \(tls)\n"
        return try TrackerConfiguration(yaml: try ConfigurationFile.parse(text, file: "t.yaml"))
    }

    @Test(
        "is refused where it wants connections closed to others, with the place",
        arguments: ["server", "client"]
    )
    func refused(side: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try tracker("{name: kraken, \(side): {cert: {path: /c}, key: {path: /k}}}")
        }
        #expect(error?.description.contains("t.yaml:2") == true)
        #expect(error?.description.contains("tls.\(side)") == true)
        #expect(error?.description.contains("disabled: true") == true)
    }

    @Test(
        "goes where it is switched off, or names no certificate",
        arguments: [
            "{}", "", "{name: kraken, cas: [{path: /ca}]}", "{server: , client: }",
            "{server: {disabled: true, cert: {path: /c}}, client: {disabled: true}}",
            "{server: {cert: {path: ''}}}",
        ]
    )
    func accepted(tls: String) throws { _ = try tracker(tls) }
}

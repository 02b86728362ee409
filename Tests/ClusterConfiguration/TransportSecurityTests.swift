// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Telemetry
import Testing

@Suite("Kraken's tls section") struct TransportSecurityTests {
    private func document(_ tls: String) throws -> ConfigurationNode {
        let text = "origin: {hosts: {static: [\"o:1\"]}}\ntls: \(tls)\n"
        return try ConfigurationFile.parse(text, file: "t.yaml")
    }

    private func settings(_ tls: String) throws -> TransportSettings {
        let document = try document(tls)
        // Components check the section, whoever uses it.
        _ = try TrackerConfiguration(yaml: document)
        #expect(document.warnings.all.isEmpty)
        return try TransportSettings(yaml: document)
    }

    @Test("is read as a whole")
    func whole() throws {
        let settings = try settings(
            """
            {name: kraken, cas: [{path: /ca1}, {path: /ca2}],
             server: {cert: {path: /s}, key: {path: /k}, passphrase: {path: /p}, client_certificates: always, exempt_loopback: false},
             client: {cert: {path: /c}, key: {path: /l}}}
            """
        )
        #expect(settings.name == "kraken")
        #expect(settings.authorities == ["/ca1", "/ca2"])
        #expect(settings.server == .init(certificate: "/s", key: "/k", passphrase: "/p"))
        #expect(settings.clientCertificates == .always && !settings.exemptsLoopback)
        #expect(settings.client == .init(certificate: "/c", key: "/l"))
        #expect(settings.isClientSecure)
        #expect(settings.settings.contains { $0.key == "tls.server" && $0.value == "/s" })
    }

    @Test(
        "closes nothing where it is switched off, or names nothing",
        arguments: [
            "{}", "", "{server: , client: }", "{name: kraken, cas: [{path: ''}]}",
            "{server: {disabled: true, cert: {path: /c}}, client: {disabled: true}}",
            "{cas: [{path: /ca}], client: {disabled: true, cert: {path: /c}, key: {path: /k}}}",
            "{server: {cert: {path: ''}}}",
        ]
    )
    func nothing(tls: String) throws {
        let settings = try settings(tls)
        #expect(!settings.isUsed && settings.settings.isEmpty)
    }

    @Test(
        "asks over TLS where authorities are known, with Kraken's rules for who needs a certificate"
    )
    func defaults() throws {
        let settings = try settings("{cas: [{path: /ca}]}")
        #expect(settings.isClientSecure && settings.client == nil && settings.server == nil)
        #expect(settings.clientCertificates == .writes && settings.exemptsLoopback)
    }

    @Test(
        "is refused with the place where a certificate has no key, or a word is unknown",
        arguments: [
            ("{server: {cert: {path: /c}}}", "cert has no key"),
            ("{server: {client_certificates: sometimes}}", "writes, always, never"),
            ("{serveur: {}}", "serveur"),
        ]
    )
    func refused(tls: String, why: String) {
        let error = #expect(throws: ConfigurationError.self) { try settings(tls) }
        #expect(error?.description.contains("t.yaml:2") == true)
        #expect(error?.description.contains(why) == true)
    }
}

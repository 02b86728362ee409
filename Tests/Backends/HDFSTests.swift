// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import TestServers
import TestSupport
import Testing

/// What HDFS does beside the contract of all backends.
@Suite("HDFS", .enabled(if: ServerTools.hasFile(HDFSServer.program))) struct HDFSTests {
    @Test("finds the active name node behind one that is down and one that stands by")
    func failover() async throws {
        let server = try await HDFSServer.shared.value
        let down = "127.0.0.1:\(try ReservedPort.make())"
        try await ScriptedServer.serve { _, _ in
            .text("{\"RemoteException\":{\"exception\":\"StandbyException\"}}", status: .forbidden)
        } body: { standby, scripted async throws in
            let backend = try backend(server.settings("identity", before: [down, standby]))
            try await backend.put("a/b", "text")
            #expect(try await backend.text("a/b") == "text")
            #expect(try await backend.list(.init()).names == ["a/b"])
            // Once found, it is asked first.
            #expect(scripted.lines.count == 1)
        }
    }

    @Test("says when no name node answers")
    func noNode() async throws {
        let nodes = try (0..<2).map { _ in "'127.0.0.1:\(try ReservedPort.make())'" }
        let backend = try backend(
            "hdfs: {namenodes: [\(nodes.joined(separator: ","))], name_path: identity}"
        )
        let error = await #expect(throws: BackendError.self) { try await backend.put("a", "x") }
        #expect(error?.code == .unavailable)
        #expect(error?.remedy.contains("name node is active") == true)
    }

    @Test("lists tags of a registry's storage, whatever else lies in it")
    func registryStorage() async throws {
        let server = try await HDFSServer.shared.value
        let settings = server.settings("docker_tag")
        let tags = try backend(settings)
        try await tags.put("a/b:1", "x")
        let all = try backend(settings.replacing("docker_tag", with: "identity"))
        let repository = "docker/registry/v2/repositories/a/b"
        for path in ["_layers/sha256/x/link", "_manifests/tags/1/index/sha256/x/link"] {
            try await all.put("\(repository)/\(path)", "x")
        }
        #expect(try await tags.list(.init()).names == ["a/b:1"])
        #expect(try await all.list(.init()).names.count == 3)
    }
}

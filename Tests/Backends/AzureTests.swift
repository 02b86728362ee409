// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import TestServers
import TestSupport
import Testing

@testable import Backends

@Suite("Azure") struct AzureTests {
    private func signature(
        _ method: String,
        _ path: String,
        _ query: [(name: String, value: String)] = [],
        _ headers: HTTPFields = [:],
        bodyBytes: Int = 0
    ) -> String? {
        var headers = headers
        headers[.known("x-ms-date")] = "Fri, 26 Jun 2015 23:39:12 GMT"
        headers[.known("x-ms-version")] = "2021-12-02"
        let request = AzureRequest(
            method: method,
            account: AzureImitation.account,
            path: path,
            query: query,
            headers: headers,
            bodyBytes: bodyBytes
        )
        return request.signed(by: AzureImitation.key)[.authorization]
    }

    // Made with azure-storage-blob 12, Microsoft's own client.
    @Test("signs as Microsoft's client does")
    func signatures() {
        let query = [
            (name: "restype", value: "container"), (name: "comp", value: "list"),
            (name: "prefix", value: "some/root/"), (name: "maxresults", value: "250"),
        ]
        #expect(
            signature("GET", "/c", query)
                == "SharedKey herdaccount:8a1HaXmgE8oe+FumecA+qThAIdxYCX0VB/Ha0Rcxg5g="
        )
        let put: HTTPFields = [
            .known("x-ms-blob-type"): "BlockBlob", .contentMD5: "XUFAKrxLKna5cZ2REBfFkg==",
            .contentType: "application/octet-stream",
        ]
        #expect(
            signature("PUT", "/c/some/a%20b", [], put, bodyBytes: 5)
                == "SharedKey herdaccount:Nf4Oh6RNH5uQKhCgReP8K324Rela6t5hJQ+V/t1DBUc="
        )
        let get: HTTPFields = [.known("x-ms-range"): "bytes=10-", .ifMatch: "\"v1\""]
        #expect(
            signature("GET", "/c/x", [], get)
                == "SharedKey herdaccount:f2g80JJe87F1XYIQ4VDYuHTrMzPUCJKk+aZs21UROlg="
        )
    }

    @Test("a wrong key is refused, and what is no key at the start")
    func keys() async throws {
        let imitation = AzureImitation()
        try await ScriptedServer.serve { request, _ in
            try await imitation.answer(request)
        } body: { address, _ async throws in
            let right = AzureImitation.yaml(address, "identity")
            let wrong = right.replacing("account_key: '", with: "account_key: 'AAAA")
            let error = await #expect(throws: BackendError.self) {
                try await backend(yaml: wrong).put("a", "x")
            }
            #expect(error?.code == .failed && error?.remedy.contains("credentials") == true)
            let none = right.replacing("account_key: '", with: "account_key: '!")
            let defect = #expect(throws: ConfigurationError.self) {
                try BackendCatalog.check(rules(none))
            }
            #expect(defect?.why == "it is not in base64")
        }
    }

    @Test("a shared access signature is sent along")
    func sharedAccess() async throws {
        try await ScriptedServer.serve { _, _ in
            .text("content")
        } body: {
            address,
            server async throws in
            let yaml = AzureImitation.yaml(address, "identity").replacing(
                /account_key: '[^']*'/,
                with: "sas_token: '?sv=2021&sig=x%2By'"
            )
            #expect(try await backend(yaml: yaml).text("a b") == "content")
            #expect(server.lines == ["GET /c/some/root/a%20b?sv=2021&sig=x%2By"])
        }
    }

    @Test("a server that is down is named without the signature")
    func unreachable() async throws {
        let nobody = "127.0.0.1:\(try ReservedPort.make())"
        let yaml = AzureImitation.yaml(nobody, "identity").replacing(
            /account_key: '[^']*'/,
            with: "sas_token: 'sig=hidden'"
        )
        let error = await #expect(throws: BackendError.self) {
            try await backend(yaml: yaml).put("a", "x")
        }
        #expect(error?.code == .unavailable)
        #expect(error?.description.contains(nobody) == true)
        #expect(error?.description.contains("hidden") == false)
    }

    @Test("tokens of pages hold a name and a place")
    func tokens() {
        let token = AzurePageToken(name: "a/b:1", marker: "2!x")
        #expect(AzurePageToken(token.text) == token)
        #expect(AzurePageToken("a/b:1") == AzurePageToken(name: "a/b:1", marker: ""))
    }
}

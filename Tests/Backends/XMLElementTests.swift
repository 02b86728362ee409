// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Backends

@Suite("XML of object stores") struct XMLElementTests {
    @Test("reads elements, texts, entities and character data")
    func reads() throws {
        let text = """
            <?xml version="1.0"?><!-- c --><!DOCTYPE x>
            <s:List xmlns:s="u"><Key a="1">a&amp;b&#x2F;&#99;</Key><Empty/><Key><![CDATA[<&>]]></Key></s:List>
            """
        let root = try XMLElement.parse(ByteBuffer(string: text), "read")
        #expect(root.name == "List")
        #expect(root.all("Key").map(\.text) == ["a&b/c", "<&>"])
        #expect(root.text(of: "Empty") == "")
        #expect(root.first("None") == nil)
    }

    @Test(
        "refuses what is no document",
        arguments: [
            "", "text", "<a>", "<a></b>", "</a>", "<a>&no;</a>", "<a", "<>", "<a>&#xD800;</a>",
        ]
    )
    func refuses(_ text: String) {
        #expect(throws: BackendError.self) {
            try XMLElement.parse(ByteBuffer(string: text), "read")
        }
    }

    @Test("refuses deep nesting instead of following it")
    func deep() {
        let text = String(repeating: "<a>", count: 100_000)
        #expect(throws: BackendError.self) {
            try XMLElement.parse(ByteBuffer(string: text), "read")
        }
    }
}

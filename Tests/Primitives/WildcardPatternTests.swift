// SPDX-License-Identifier: Apache-2.0

import Primitives
import Testing

@Suite("Patterns for names") struct WildcardPatternTests {
    @Test(
        "stars stand for any letters, question marks for one",
        arguments: [
            ("a05", "a05", true), ("a05", "a06", false), ("a0*", "a05", true), ("a0*", "a0", true),
            ("a0?", "a05", true), ("a0?", "a0", false), ("*5", "a05", true), ("*", "", true),
            ("", "", true), ("", "a", false), ("a*0*5", "a1005", true), ("a*0*5", "a1006", false),
            ("*-*1", "agent-11", true), ("??", "a", false), ("**", "ab", true),
        ]
    )
    func matching(_ pattern: String, _ name: String, _ isMeant: Bool) {
        #expect(WildcardPattern(pattern).matches(name) == isMeant)
    }

    @Test("many stars take no more than the product of the lengths")
    func effort() {
        let pattern = WildcardPattern(String(repeating: "a*", count: 500) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 2000)))
    }
}

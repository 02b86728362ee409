// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

@Suite("Cells and frames")
struct CellTests {
    @Test("a cell takes eight bytes")
    func size() { #expect(MemoryLayout<Cell>.size == 8) }

    @Test("only scalars of one column get into a cell")
    func width() {
        #expect(Cell("a").scalar == "a")
        #expect(Cell("⠿").scalar == "⠿")
        #expect(Cell("漢").scalar == "?")
        #expect("a\u{1B}[31m\u{301}漢\u{202E}".oneColumnPerScalar == "a·[31m??·")
    }
}

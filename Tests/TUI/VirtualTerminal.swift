// SPDX-License-Identifier: Apache-2.0

/// As much of a terminal as the encoder uses: it places characters and remembers how they look.
struct VirtualTerminal {
    /// One place on the screen.
    struct Place: Equatable {
        var scalar: Unicode.Scalar = " "
        /// The parameters of the last SGR, without those before its reset.
        var look: [Int] = []
    }

    let width: Int
    let height: Int
    private(set) var places: [Place]
    private(set) var problems: [String] = []
    private var (x, y) = (0, 0)
    private var look: [Int] = []
    private var showsCursor = true
    /// Where the cursor shows; nil while it is hidden.
    var cursor: (x: Int, y: Int)? { showsCursor ? (x, y) : nil }

    init(width: Int, height: Int) {
        (self.width, self.height) = (width, height)
        places = Array(repeating: Place(), count: width * height)
    }

    mutating func feed(_ text: String) {
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "\u{1B}" else {
                put(scalar)
                continue
            }
            guard scalars.popFirst() == "[" else {
                problems.append("an escape that is no CSI")
                continue
            }
            var parameters = ""
            while let next = scalars.first, ("0"..."?").contains(next) {
                parameters.unicodeScalars.append(next)
                scalars = scalars.dropFirst()
            }
            let command = scalars.popFirst() ?? "?"
            if parameters == "?25", command == "h" || command == "l" {
                showsCursor = command == "h"
            } else {
                obey(command, parameters.split(separator: ";").map { Int($0) ?? 0 })
            }
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        guard scalar.value >= 0x20, x < width, y < height else {
            problems.append("\(scalar.value) at \(x),\(y)")
            return
        }
        places[y * width + x] = Place(scalar: scalar, look: look)
        x += 1
    }

    private mutating func obey(_ command: Unicode.Scalar, _ parameters: [Int]) {
        switch command {
        case "H": (y, x) = ((parameters.first ?? 1) - 1, (parameters.dropFirst().first ?? 1) - 1)
        case "J": places = Array(repeating: Place(), count: width * height)
        case "m":
            if parameters.isEmpty || parameters[0] == 0 { look = [] }
            look += parameters.filter { $0 != 0 || parameters.count > 1 }
            if look.first == 0 { look.removeFirst() }
        default: problems.append("unknown command \(command)")
        }
    }

    func text(row: Int) -> String {
        var text = ""
        for place in places[row * width..<(row + 1) * width] {
            text.unicodeScalars.append(place.scalar)
        }
        return text
    }
}

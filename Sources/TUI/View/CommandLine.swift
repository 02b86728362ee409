// SPDX-License-Identifier: Apache-2.0

import Content

/// Why a command line means nothing.
package struct CommandError: Error, Equatable, Sendable {
    /// What is wrong and what would be right.
    package var text: String
    /// An error that says `text`.
    package init(_ text: String) { self.text = text }
}

/// The commands behind `:`. Every key has one; some things only a command can say.
package enum CommandLine {
    /// What `line` asks for.
    package static func parse(_ line: String, _ scene: Scene) -> Result<[Intent], CommandError> {
        let words = line.split(separator: " ").map(String.init)
        guard let name = words.first else { return .success([]) }
        let arguments = Array(words.dropFirst())
        // The command of a key, to the letter.
        if let binding = KeyTable.bindings.first(where: { $0.command == line }) {
            return .success([binding.intent])
        }
        guard let command = CommandTable.command(name) else {
            let nearest = CommandTable.nearest(to: name).map { "; did you mean :\($0)?" } ?? ""
            return .failure(CommandError("no command :\(name)\(nearest)"))
        }
        do {
            return .success(try command.parse(arguments, scene))
        } catch {
            return .failure(CommandError("\(error.text); usage: :\(command.usage)"))
        }
    }

    /// What could stand for the last word of `line`.
    package static func completions(of line: String, _ scene: Scene) -> [String] {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard let last = words.last else { return [] }
        let candidates =
            words.count == 1
            ? CommandTable.names
            : CommandTable.command(words[0])?.arguments(scene) ?? []
        return Array(Set(candidates.filter { $0.hasPrefix(last) })).sorted()
    }
}

/// A command: its name, how it is used, what its arguments mean.
struct Command: Sendable {
    var name: String
    var usage: String
    /// What can be completed after the name.
    var arguments: @Sendable (Scene) -> [String] = { _ in [] }
    var parse: @Sendable ([String], Scene) throws(CommandError) -> [Intent]
}

/// All commands.
enum CommandTable {
    static let all: [Command] = looking + time + acting

    static func command(_ name: String) -> Command? { all.first { $0.name == name } }

    /// The first words of all commands, those of keys included.
    static let names: [String] = {
        let keys = KeyTable.bindings.compactMap { $0.command.split(separator: " ").first }
        return Array(Set(all.map(\.name) + keys.map(String.init))).sorted()
    }()

    /// The command whose name is nearest to `name`; nil when none is near.
    static func nearest(to name: String) -> String? {
        let near = names.map { ($0, editDistance($0, name)) }.filter { $0.1 <= 2 }
        return near.min { $0.1 < $1.1 }?.0
    }

    /// How many single changes make one text of the other (Levenshtein).
    static func editDistance(_ first: String, _ second: String) -> Int {
        let (first, second) = (
            Array(first.unicodeScalars.prefix(32)), Array(second.unicodeScalars.prefix(32))
        )
        var row = Array(0...second.count)
        for (i, left) in first.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in second.enumerated() {
                let replaced = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, min(row[j], row[j + 1]) + 1)
            }
        }
        return row[second.count]
    }

    // MARK: - Looking

    private static let looking: [Command] = [
        Command(name: "swarm", usage: "swarm [DIGEST|IMAGE]", arguments: blobs) {
            words,
            scene throws(CommandError) in
            try words.first.map { text throws(CommandError) in
                [.select(.blob(try Arguments.blob(text, scene))), .show(.swarm)]
            } ?? [.show(.swarm)]
        },
        Command(name: "pieces", usage: "pieces [DIGEST|IMAGE]", arguments: blobs) {
            words,
            scene throws(CommandError) in
            try words.first.map { text throws(CommandError) in
                [.select(.blob(try Arguments.blob(text, scene))), .show(.pieces)]
            } ?? [.show(.pieces)]
        },
        Command(name: "peer", usage: "peer NAME", arguments: components) {
            words,
            scene throws(CommandError) in
            guard let name = words.first else { throw CommandError("no peer named") }
            return [.select(.peer(name)), .show(.swarm)]
        },
        Command(name: "explain", usage: "explain [PEER]", arguments: components) { words, _ in
            (words.first.map { [.select(.peer($0))] } ?? []) + [.show(.explain)]
        },
        Command(name: "component", usage: "component NAME", arguments: components) {
            words,
            scene throws(CommandError) in
            guard let name = words.first, let row = scene.picture.component(name) else {
                throw CommandError("no component \(words.first ?? "named")")
            }
            return [.show(.components), .select(.component(row.id))]
        },
        Command(name: "filter", usage: "filter [WORDS]") { words, _ in
            [.filter(words.joined(separator: " "))]
        },
        Command(
            name: "theme",
            usage: "theme [dark|light|mono]",
            arguments: { _ in Theme.Name.allCases.map(\.rawValue) }
        ) {
            words,
            _ in [.theme(words.first)]
        },
        Command(
            name: "concept",
            usage: "concept [NAME]",
            arguments: { _ in Concepts.all.map(\.id) }
        ) {
            words,
            _ in [.concepts(words.first)]
        },
    ]

    @Sendable private static func blobs(_ scene: Scene) -> [String] {
        let digests = scene.picture.blobs.map(\.digest)
        let digits = Scene.digitsTelling(digests)
        return digests.map { Scene.short($0, digits) }
    }

    @Sendable private static func components(_ scene: Scene) -> [String] {
        scene.picture.components.map(\.shortName)
    }

    // MARK: - Time

    private static let time: [Command] = [
        Command(name: "speed", usage: "speed 0.1") { words, _ throws(CommandError) in
            guard let text = words.first, let speed = Double(text), speed > 0, speed.isFinite else {
                throw CommandError("no speed above 0")
            }
            return [.speed(speed)]
        },
        Command(name: "step", usage: "step [-]N") { words, _ throws(CommandError) in
            guard let count = Int(words.first ?? "1") else {
                throw CommandError("no number of events")
            }
            return [.step(min(max(-100_000, count), 100_000))]
        },
        Command(name: "seek", usage: "seek -5s") { words, _ throws(CommandError) in
            [.seek(try Arguments.seconds(words.first))]
        },
        Command(name: "mark", usage: "mark [NAME]") { words, _ in
            [.mark(words.isEmpty ? nil : words.joined(separator: " "))]
        },
    ]

    // MARK: - Acting

    private static let acting: [Command] = [
        Command(name: "push", usage: "push [SIZE]") { words, _ throws(CommandError) in
            let bytes = try words.first.map(Arguments.bytes) ?? ClusterCommand.demoImageBytes
            return [.command(.push(bytes: bytes))]
        },
        Command(
            name: "pull",
            usage: "pull [all|AGENT] [IMAGE] [stagger 200ms]",
            arguments: components
        ) {
            words,
            scene throws(CommandError) in [.command(try Arguments.pull(words, scene))]
        },
        fault("kill", .kill), fault("restart", .restart), fault("corrupt", .corrupt),
        fault("wipe", .wipe), fault("outage", .outage),
        Command(
            name: "throttle",
            usage: "throttle TARGET [RATE] [up RATE] [down RATE] [50ms] [for 30s]",
            arguments: components
        ) {
            words,
            scene throws(CommandError) in [.fault(try Arguments.throttle(words, scene))]
        },
        Command(name: "partition", usage: "partition a0*|a1* [for 30s]", arguments: components) {
            words,
            scene throws(CommandError) in
            let sides = words.first?.split(separator: "|").map(String.init) ?? []
            guard sides.count == 2 else { throw CommandError("name two sides") }
            var request = try Arguments.fault(.partition, [sides[0]] + words.dropFirst(), scene)
            request.others = try Arguments.targets(sides[1], scene)
            return [.fault(request)]
        },
        Command(name: "heal", usage: "heal [NUMBER]") { words, _ in
            [.command(.undo(words.first.flatMap(Int.init)))]
        },
        Command(name: "undo", usage: "undo [NUMBER]") { words, _ in
            [.command(.undo(words.first.flatMap(Int.init)))]
        },
        Command(name: "slow-links", usage: "slow-links RATE|off") { words, _ throws(CommandError) in
            guard let text = words.first else { throw CommandError("no rate") }
            return [.command(.slowLinks(text == "off" ? nil : try Arguments.bytes(text)))]
        },
        Command(name: "scenario", usage: "scenario NAME") { words, _ throws(CommandError) in
            guard let name = words.first else { throw CommandError("no scenario named") }
            return [.command(.scenario(name))]
        },
        Command(name: "crash", usage: "crash") { _, _ in [.command(.crash)] },
        Command(name: "quit", usage: "quit") { _, _ in [.quit] },
    ]

    private static func fault(_ name: String, _ kind: FaultRequest.Kind) -> Command {
        Command(name: name, usage: "\(name) TARGET [for 30s]", arguments: components) {
            words,
            scene throws(CommandError) in
            [.fault(try Arguments.fault(kind, words, scene))]
        }
    }
}

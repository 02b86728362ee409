// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Testing

@testable import Herd

@Suite("Scenarios") struct ScenarioTests {
    @Test("have names of their own, and each has something to prove")
    func names() throws {
        let names = Scenarios.all.map(\.name)
        #expect(Set(names).count == names.count && names.count >= 6)
        for scenario in Scenarios.all {
            #expect(scenario.expectationCount > 0, "\(scenario.name)")
            #expect(try Scenarios.named(scenario.name).title == scenario.title)
        }
        let failure = #expect(throws: Failure.self) { try Scenarios.named("first-pul") }
        #expect(failure?.why.contains("first-pull") == true)
    }

    @Test("wait for everything they begin, and only for that")
    func joins() {
        for scenario in Scenarios.all {
            var openCount = 0
            for step in scenario.steps {
                switch step {
                case .begin: openCount += 1
                case .finish:
                    #expect(openCount > 0, "\(scenario.name)")
                    openCount = 0
                case .say, .look, .act, .wait, .expect: break
                }
            }
            #expect(openCount == 0, "\(scenario.name)")
        }
    }

    @Test("say at which moments to look, in one line of a narrow screen")
    func looks() {
        var count = 0
        for scenario in Scenarios.all {
            for case .look(let text) in scenario.steps {
                count += 1
                #expect(text.count <= 80 && !text.contains("\n"), "\(scenario.name): \(text)")
            }
        }
        #expect(count >= 6)
    }

    @Test("push an image before anything depends on it")
    func order() {
        for scenario in Scenarios.all {
            var hasImage = false
            for step in scenario.steps {
                switch step {
                case .act(.push): hasImage = true
                case .act(.pull), .begin(.pull, _), .wait(.complete, _), .wait(.holding, _):
                    #expect(hasImage, "\(scenario.name)")
                default: break
                }
            }
        }
    }

    @Test("bounds say what they admit")
    func bounds() {
        #expect(ScenarioCondition.Bound.atLeast(3).admits(3))
        #expect(!ScenarioCondition.Bound.atLeast(3).admits(2))
        #expect(ScenarioCondition.Bound.atMost(3).admits(3))
        #expect(!ScenarioCondition.Bound.atMost(3).admits(4))
    }
}

@Suite("Demo image") struct DemoImageTests {
    @Test("is the same for the same seed and size, and leaves no file", arguments: [1024, 100_003])
    func sameSeed(bytes: Int) async throws {
        let scratch = try Scratch()
        let image = try DemoImage(bytes: bytes, seed: 7, in: scratch.path)
        let again = try DemoImage(bytes: bytes, seed: 7, in: scratch.path)
        let other = try DemoImage(bytes: bytes, seed: 8, in: scratch.path)
        #expect(image.root == again.root && image.root != other.root)
        #expect(try scratch.names.isEmpty)
        let contents = try await ImageContents(of: image.root) { _ in image.root }
        #expect(contents.blobs.count == 4)
        let layers = contents.blobs.dropFirst().map(\.bytes)
        #expect(layers.reduce(0, +) == bytes)
        for blob in contents.blobs {
            let stored = try #require(try image.content(blob.name))
            #expect(stored.range.count == blob.bytes)
            #expect(try Hashing.digest(of: stored) == blob.digest)
        }
    }

    @Test("has a size that can be had", arguments: [Int.min, -1, 0, 1023, (64 << 30) + 1, Int.max])
    func bounds(bytes: Int) throws {
        let scratch = try Scratch()
        #expect(throws: Failure.self) { try DemoImage(bytes: bytes, seed: 1, in: scratch.path) }
        #expect(try scratch.names.isEmpty)
    }
}

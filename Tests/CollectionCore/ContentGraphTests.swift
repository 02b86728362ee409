// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives
import TestSupport
import Testing

@Suite("Content graph") struct ContentGraphTests {
    private let catalog: CollectionWorld.Catalog

    init() throws { catalog = try .make() }

    private func filled(_ build: (inout ContentGraph) -> Void) -> ContentGraph {
        var graph = ContentGraph()
        build(&graph)
        while let digest = graph.nextToRead() { graph.note(catalog.documents[digest], as: digest) }
        return graph
    }

    @Test("a tag keeps an index, its manifests and their layers, each with its reason")
    func index() throws {
        let index = catalog.indexes[0]
        let kept = filled { $0.addRoot(index, .tag("repo:v1")) }.kept { _ in true }
        #expect(kept[index] == .tag("repo:v1"))
        #expect(Set(kept.keys) == Set([index] + catalog.everything(below: index)))
        for child in catalog.references(index) {
            #expect(kept[child] == .reference(from: index))
        }
    }

    @Test("referrers stay with what they refer to, and those of nothing yet stay, too")
    func referrers() {
        let (signature, subject) = catalog.signatures[1]
        let recorded = { (graph: inout ContentGraph) in
            graph.addReferrer(signature, of: subject, in: "repo")
        }
        let named = filled {
            recorded(&$0)
            $0.addRoot(subject, .tag("repo:v1"))
        }
        #expect(named.kept { _ in true }[signature] == .referrer(of: subject))
        #expect(filled(recorded).kept { _ in true }[signature] == nil)
        let waiting = filled(recorded).kept { $0 != subject }
        #expect(waiting[signature] == .referrer(of: subject))
        for layer in catalog.references(signature) { #expect(waiting[layer] != nil) }
        let deleted = filled {
            recorded(&$0)
            $0.addDeletion(of: subject, in: "repo")
        }
        #expect(deleted.kept { $0 != subject }.isEmpty)
        let elsewhere = filled {
            recorded(&$0)
            $0.addDeletion(of: subject, in: "other")
        }
        #expect(elsewhere.kept { $0 != subject }[signature] != nil)
    }

    @Test("the order puts what keeps others before them", arguments: Seeds.fresh(20))
    func order(seed: UInt64) {
        var generator = Generator(seed: seed)
        let all = catalog.layers + Array(catalog.documents.keys).sorted()
        let candidates = Set(all.filter { _ in generator.chance(Ratio(2, in: 3)) })
        let graph = filled { graph in
            for manifest in catalog.manifests { graph.addManifest(manifest) }
            for (signature, subject) in catalog.signatures {
                graph.addReferrer(signature, of: subject, in: "repo")
            }
        }
        let order = graph.ordered(candidates)
        #expect(Set(order) == candidates && order.count == candidates.count)
        let place = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        for digest in order {
            // What no candidate is between, is kept by something else or is not there.
            let followers =
                catalog.references(digest)
                + catalog.signatures.filter { $0.subject == digest }.map(\.digest)
            for next in followers where candidates.contains(next) {
                #expect(place[digest, default: 0] < place[next, default: 0])
            }
        }
    }
}

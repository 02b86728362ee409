// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird

/// Which methods each path has, to tell a wrong method (405) and an empty parameter (400) from a wrong path (404).
struct RouteTable: Sendable {
    private let routes: [(path: [RouterPath.Element], method: HTTPRequest.Method)]

    /// What is wrong with a request that no route answers.
    enum Miss: Equatable {
        case unknownPath
        case wrongMethod(allowed: [HTTPRequest.Method])
        case emptyParameter(String)
    }

    init(_ router: Router<ServerContext>) {
        routes = router.routes.map { (Array($0.path), $0.method) }
    }

    /// Why nothing answers `method` on `path`, which is still percent-encoded.
    func miss(_ method: HTTPRequest.Method, _ path: String) -> Miss {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        var allowed: [HTTPRequest.Method] = []
        for route in routes where matches(route.path, segments) {
            if route.method == method, let name = emptyParameter(route.path, segments) {
                return .emptyParameter(name)
            }
            allowed.append(route.method)
        }
        // Hummingbird drops empty segments, so a path may be known without those.
        segments.removeAll { $0.isEmpty }
        for route in routes where matches(route.path, segments) { allowed.append(route.method) }
        let names = Set(allowed.map(\.rawValue)).sorted()
        guard !names.isEmpty else { return .unknownPath }
        return .wrongMethod(allowed: names.compactMap { HTTPRequest.Method(rawValue: $0) })
    }

    /// Whether some route answers `method` on `path`.
    func hasRoute(_ method: HTTPRequest.Method, _ path: String) -> Bool {
        let segments = path.split(separator: "/")[...]
        return routes.contains { $0.method == method && matches($0.path, segments) }
    }

    private func matches(_ path: [RouterPath.Element], _ segments: ArraySlice<Substring>) -> Bool {
        var rest = segments
        for element in path {
            if element == .recursiveWildcard { return !rest.isEmpty }
            guard let segment = rest.popFirst(), element ~= segment else { return false }
        }
        return rest.isEmpty
    }

    private func emptyParameter(
        _ path: [RouterPath.Element],
        _ segments: ArraySlice<Substring>
    ) -> String? {
        for (element, segment) in zip(path, segments) where segment.isEmpty {
            let text = element.description
            return text.hasPrefix("{") ? String(text.dropFirst().dropLast()) : nil
        }
        return nil
    }
}

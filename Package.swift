// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

// The map of modules: ARCHITECTURE.md. Each leaf folder under Sources is a target of its own, so that the compiler
// enforces the direction of dependency; `TidyTests` enforces the rest.
//
// HERD_CORE_ONLY=1 leaves out everything above floor 1 (a fast edit-test turn on the pure cores; give it its own
// --scratch-path). HERD_TESTS=A,B builds only those test targets, so that one broken test target blocks no other.

import Foundation
import PackageDescription

let environment = ProcessInfo.processInfo.environment
let coreOnly = environment["HERD_CORE_ONLY"] == "1"
let chosenTests = environment["HERD_TESTS"].map { Set($0.split(separator: ",").map(String.init)) }

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

// MARK: - Libraries, each with its reason in docs/decisions/0001-dependencies.md

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let orderedCollections = Target.Dependency.product(
    name: "OrderedCollections",
    package: "swift-collections"
)
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let swiftASN1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(
    name: "NIOHTTPTypesHTTP1",
    package: "swift-nio-extras"
)
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(
    name: "HummingbirdTesting",
    package: "hummingbird"
)
let asyncHTTPClient = Target.Dependency.product(
    name: "AsyncHTTPClient",
    package: "async-http-client"
)
let serviceLifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let corePackages: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
]
let edgePackages: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
]

// MARK: - One helper a layer, so that a dependency pointing up shows here

func module(_ name: String, at path: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: "Sources/\(path)",
        swiftSettings: settings
    )
}
func core(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    module(name, at: "Components/Core/\(name)", dependencies)
}
func edge(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    module(name, at: "Components/Edge/\(name)", dependencies)
}
func service(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    module(
        "\(name)Service",
        at: "Components/Services/\(name)",
        dependencies + [
            "Primitives", "Content", "Files", "Telemetry", "ClusterConfiguration", "HTTPKit",
            "ClusterClients", hummingbird, httpTypes,
            nioCore, nioPosix, logging, serviceLifecycle,
        ]
    )
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: dependencies + ["TestSupport"],
        path: "Tests/\(name)",
        swiftSettings: settings
    )
}

let coreTargets: [Target] = [
    core("Primitives"),
    core("Content", ["Primitives", crypto]),
    core("SwarmCore", ["Primitives", "Content", deque, heap, orderedCollections]),
    core("TrackerCore", ["Primitives", "Content", deque, orderedCollections]),
    core("Placement", ["Primitives", "Content"]),
    core("RetryCore", ["Primitives", orderedCollections]),
    core("CollectionCore", ["Primitives", "Content"]),
    core("Simulator", ["Primitives", "Content", "SwarmCore", "TrackerCore", deque]),
    .target(
        name: "TestSupport",
        dependencies: ["Primitives", "Content"],
        path: "Tests/Support",
        swiftSettings: settings
    ),
    tests("Primitives", ["Primitives"]),
    tests("Content", ["Content", "Primitives"]),
    tests("SwarmCore", ["SwarmCore", "Content", "Primitives"]),
    tests("TrackerCore", ["TrackerCore", "Content", "Primitives"]),
    tests("Placement", ["Placement", "Content", "Primitives"]),
    tests("RetryCore", ["RetryCore", "Primitives"]),
    tests("CollectionCore", ["CollectionCore", "Content", "Primitives"]),
    tests("Simulator", ["Simulator", "SwarmCore", "TrackerCore", "Content", "Primitives"]),
]

let edgeTargets: [Target] = [
    .target(name: "CChecksum", path: "Sources/Components/Edge/CChecksum"),
    .target(name: "CFiles", path: "Sources/Components/Edge/CFiles"),
    .target(
        name: "CPassword",
        path: "Sources/Components/Edge/CPassword",
        linkerSettings: [.linkedLibrary(":libcrypt.a")]
    ),
    edge("Files", ["Primitives", "CFiles", "CChecksum", deque, nioCore, nioPosix]),
    edge("Telemetry", ["Primitives", "Content", deque, logging, metrics, coreMetrics, tracing]),
    // Not "ClusterConfiguration": a package that Hummingbird brings has a target of that name.
    module(
        "ClusterConfiguration",
        at: "Components/Edge/Configuration",
        ["Primitives", "Content", "RetryCore", "SwarmCore", "Telemetry", yams]
    ),
    edge(
        "TransportSecurity",
        [
            "Primitives", "Files", "Telemetry", "ClusterConfiguration", coreMetrics, crypto,
            logging,
            nioCore, nioSSL, swiftASN1, x509,
        ]
    ),
    edge(
        "HTTPKit",
        [
            "Primitives", "Content", "Files", "Telemetry", "TransportSecurity",
            "ClusterConfiguration", nioSSL, nioTLS, tracing, hummingbird, asyncHTTPClient,
            httpTypes,
            nioCore, nioPosix, nioHTTP1,
            nioHTTPTypes, nioHTTPTypesHTTP1, logging, serviceLifecycle,
        ]
    ),
    edge(
        "BlobStorage",
        [
            "Primitives", "Content", "Files", "CChecksum", "Telemetry", "ClusterConfiguration",
            nioCore, nioPosix, logging,
        ]
    ),
    edge(
        "SwarmIO",
        [
            "Primitives", "Content", "SwarmCore", "Files", "BlobStorage", "Telemetry",
            "TransportSecurity", "ClusterConfiguration", deque, nioCore, nioPosix, nioSSL, logging,
        ]
    ),
    edge(
        "ClusterClients",
        [
            "Primitives", "Content", "ClusterConfiguration", "Files", "Placement", "Telemetry",
            "HTTPKit", httpTypes,
            nioCore, logging,
        ]
    ),
    edge(
        "Backends",
        [
            "Primitives", "Content", "Files", "HTTPKit", "Telemetry", "ClusterConfiguration",
            "TransportSecurity", httpTypes, nioCore, nioPosix, nioSSL, logging, crypto,
            cryptoExtras, deque, grdb, tracing,
        ]
    ),
    edge(
        "RetryStorage",
        [
            "Primitives", "Content", "RetryCore", "Files", "HTTPKit", "Telemetry", grdb,
            hummingbird, tracing,
            httpTypes, nioCore, logging,
        ]
    ),
    edge(
        "RegistryAPI",
        [
            "ClusterClients", "ClusterConfiguration",
            "Primitives", "Content", "Files", "HTTPKit", "Telemetry", hummingbird, httpTypes,
            nioCore, logging,
        ]
    ),
    edge(
        "AccessControl",
        [
            "CPassword", "ClusterConfiguration", "Content", "Files", "HTTPKit", "Primitives",
            "RegistryAPI", "Telemetry", crypto, httpTypes, jwtKit, logging, nioCore,
        ]
    ),
    tests("Files", ["Files", "Primitives", crypto, nioCore, nioPosix]),
    tests("CChecksum", ["CChecksum", "Primitives", crypto]),
    tests("Telemetry", ["Telemetry", "Content", "Primitives", coreMetrics]),
    tests(
        "ClusterConfiguration",
        ["ClusterConfiguration", "RetryCore", "SwarmCore", "Telemetry", "Content", "Primitives"]
    ),
    tests(
        "HTTPKit",
        [
            "HTTPKit", "Files", "Telemetry", "Primitives", "Content", "ClusterConfiguration",
            "TransportSecurity", hummingbird, asyncHTTPClient, httpTypes, nioCore, nioPosix,
            nioHTTP1,
            nioSSL, logging,
        ]
    ),
    tests(
        "BlobStorage",
        [
            "BlobStorage", "Files", "CChecksum", "Telemetry", "ClusterConfiguration", "Content",
            "Primitives", logging, crypto, nioCore, nioPosix,
        ]
    ),
    tests(
        "SwarmIO",
        [
            "SwarmIO", "SwarmCore", "CChecksum", "Files", "BlobStorage", "Content", "Primitives",
            "Telemetry", "TransportSecurity", "ClusterConfiguration", nioCore, nioPosix,
            nioEmbedded, logging,
        ]
    ),
    tests(
        "ClusterClients",
        [
            "ClusterClients", "HTTPKit", "Files", "Telemetry", "Placement", "Content", "Primitives",
            hummingbird, httpTypes, nioCore, nioPosix, logging, crypto,
        ]
    ),
    // Real servers that tests run beside themselves.
    .target(
        name: "TestServers",
        dependencies: [
            "Backends", "Files", "HTTPKit", "Telemetry", "TestSupport", hummingbird, httpTypes,
            nioCore, nioPosix, logging, crypto, cryptoExtras,
        ],
        path: "Tests/Servers",
        swiftSettings: settings
    ),
    tests(
        "Backends",
        [
            "Backends", "TestServers", "TestfsService", "Files", "HTTPKit", "Telemetry",
            "ClusterConfiguration", "Content", "Primitives", hummingbird, httpTypes, nioCore,
            nioPosix, logging, crypto,
            cryptoExtras,
        ]
    ),
    tests(
        "RetryStorage",
        [
            "RetryStorage", "RetryCore", "Files", "HTTPKit", "Telemetry", "Primitives", grdb,
            httpTypes,
            nioCore, nioPosix,
        ]
    ),
    tests(
        "AccessControl",
        [
            "AccessControl", "ClusterConfiguration", "Content", "Files", "HTTPKit", "Primitives",
            "RegistryAPI", "Telemetry", crypto, cryptoExtras, hummingbird, httpTypes, logging,
            nioCore, nioPosix,
        ]
    ),
    tests(
        "RegistryAPI",
        [
            "RegistryAPI", "ClusterClients", "ClusterConfiguration", "HTTPKit", "Files",
            "Telemetry", "Content", "Primitives", hummingbird,
            hummingbirdTesting, httpTypes, nioCore, nioPosix, logging,
        ]
    ),
]

let serviceTargets: [Target] = [
    service("Tracker", ["TrackerCore", "Placement"]),
    service(
        "Origin",
        [
            "SwarmCore", "SwarmIO", "BlobStorage", "Backends", "Placement", "RetryStorage",
            "CollectionCore",
        ]
    ),
    service("BuildIndex", ["Backends", "RetryCore", "RetryStorage", crypto]),
    service("Proxy", ["AccessControl", "RegistryAPI", "BlobStorage", crypto, tracing]),
    service(
        "Agent",
        [
            orderedCollections, tracing, "RegistryAPI", "SwarmCore", "SwarmIO", "BlobStorage",
            "Placement",
        ]
    ),
    service("Testfs", []),
    tests(
        "Services",
        [
            "TrackerService", "OriginService", "BuildIndexService", "ProxyService", "AgentService",
            "TestfsService",
            "SwarmCore", "SwarmIO", "BlobStorage", "Backends", "RegistryAPI", "Placement",
            "TrackerCore", "RetryCore", "RetryStorage",
            "ClusterClients", "HTTPKit", "Files", "Telemetry", "ClusterConfiguration", "Content",
            "Primitives", hummingbird, httpTypes,
            nioCore, nioPosix, logging, serviceLifecycle, crypto,
        ]
    ),
]

let herdTargets: [Target] = [
    .target(
        name: "CNcurses",
        path: "Sources/TUI/CNcurses",
        linkerSettings: [.linkedLibrary("ncursesw"), .linkedLibrary("tinfo")]
    ),
    // Pure: snapshots in, frames out.
    .target(
        name: "TUI",
        dependencies: ["Telemetry", "Content", "Primitives"],
        path: "Sources/TUI",
        exclude: ["CNcurses", "Terminal"],
        swiftSettings: settings
    ),
    module("Terminal", at: "TUI/Terminal", ["TUI", "CNcurses"]),
    .executableTarget(
        name: "Herd",
        dependencies: [
            "TrackerService", "OriginService", "BuildIndexService", "ProxyService", "AgentService",
            "TestfsService",
            "TUI", "Terminal", "TransportSecurity", "Backends", "ClusterClients", "Files",
            "HTTPKit", "Telemetry",
            "ClusterConfiguration",
            "Content", "Primitives", "Placement", "SwarmCore", "SwarmIO", "Simulator",
            "CollectionCore", "BlobStorage", argumentParser, logging, metrics, coreMetrics, nioCore,
            nioPosix,
            httpTypes, serviceLifecycle, unixSignals, crypto, tracing,
        ],
        path: "Sources/Herd",
        swiftSettings: settings
    ),
    tests(
        "Herd",
        [
            "Herd", "TUI", "ClusterConfiguration", "Files", "HTTPKit", "Telemetry", "Content",
            "Primitives", "SwarmCore", "Simulator", argumentParser, logging, nioCore, nioPosix,
            serviceLifecycle,
        ]
    ),
    tests("Terminal", ["Terminal", "TUI", "Telemetry"]),
    tests("TUI", ["TUI", "Telemetry", "SwarmCore", "Content", "Primitives"]),
    // Depends on nothing, so that it can be run while all else is broken.
    .testTarget(name: "TidyTests", path: "Tests/Tidy", swiftSettings: settings),
    tests(
        "Integration",
        [
            "Content", "Primitives", "Telemetry", "ClusterClients", "Files", "HTTPKit",
            "TestServers", crypto, nioCore, nioPosix,
        ]
    ),
]

let allTargets = coreTargets + (coreOnly ? [] : edgeTargets + serviceTargets + herdTargets)

let package = Package(
    name: "herd",
    platforms: [.macOS(.v15)],
    products: coreOnly ? [] : [.executable(name: "herd", targets: ["Herd"])],
    dependencies: corePackages + (coreOnly ? [] : edgePackages),
    targets: allTargets.filter { target in
        guard target.type == .test, let chosenTests else { return true }
        return chosenTests.contains(target.name)
    }
)

// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// A name node and a data node of HDFS, out of the jars in PyPI's pyspark and what Debian has beside them.
package struct HDFSServer: Sendable {
    /// The name node's `host:port` for WebHDFS.
    package let address: String
    private let processes: [ServerProcess]

    /// The one of this process.
    package static let shared = Task { try await start() }
    /// A jar of the set that `make deps` makes.
    package static let program = "../hdfs/hadoop-hdfs-*.jar"

    /// What the nodes need of the set, and of Debian's Java libraries.
    private static let debianJars = [
        "asm", "asm-all", "commons-daemon", "jersey1-core", "jersey1-json", "jersey1-server",
        "jersey1-servlet", "jsr311-api",
    ]
    /// Packages of the platform into which Hadoop 2 reaches.
    private static let openPackages = [
        "java.lang", "java.net", "java.nio", "java.util", "java.util.concurrent", "sun.nio.ch",
    ]

    private static func start() async throws -> HDFSServer {
        let folder = NSTemporaryDirectory() + "herd-hdfs-" + UUID().uuidString
        let ports = try (0..<5).map { _ in try ReservedPort.make() }
        try configure(folder, ports)
        let jar = URL(filePath: try ServerTools.file(program))
        let jars = try FileManager.default.contentsOfDirectory(
            atPath: jar.deletingLastPathComponent().path
        ).filter { $0.hasSuffix(".jar") }.map { jar.deletingLastPathComponent().path + "/" + $0 }
        let classPath =
            [folder + "/conf"] + jars + debianJars.map { "/usr/share/java/\($0).jar" }
        let java =
            [try ServerTools.path("java"), "-Xmx256m"]
            + openPackages.flatMap { ["--add-opens", "java.base/\($0)=ALL-UNNAMED"] }
            + ["-cp", classPath.joined(separator: ":")]
        let server = "org.apache.hadoop.hdfs.server"
        let nameNode = java + ["\(server).namenode.NameNode"]
        let (formatting, _) = try await ServerProcess.start(
            nameNode + ["-format", "-nonInteractive"]
        ) { $0.contains("Shutting down NameNode") }
        formatting.stop()
        let (name, _) = try await ServerProcess.start(nameNode) { $0.contains("NameNode RPC up") }
        let (data, _) = try await ServerProcess.start(java + ["\(server).datanode.DataNode"]) {
            $0.contains("Successfully sent block report")
        }
        return HDFSServer(address: "127.0.0.1:\(ports[1])", processes: [name, data])
    }

    private static func configure(_ folder: String, _ ports: [Int]) throws {
        // The consoles' pages are not in the jars; the nodes insist on their folders.
        for name in ["conf/webapps/hdfs", "conf/webapps/datanode", "name", "data"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(name)",
                withIntermediateDirectories: true
            )
        }
        try write(
            ["fs.defaultFS": "hdfs://127.0.0.1:\(ports[0])", "hadoop.tmp.dir": folder + "/tmp"],
            folder + "/conf/core-site.xml"
        )
        try write(
            [
                "dfs.namenode.name.dir": folder + "/name",
                "dfs.datanode.data.dir": folder + "/data",
                "dfs.namenode.http-address": "127.0.0.1:\(ports[1])",
                "dfs.datanode.address": "127.0.0.1:\(ports[2])",
                "dfs.datanode.http.address": "127.0.0.1:\(ports[3])",
                "dfs.datanode.ipc.address": "127.0.0.1:\(ports[4])", "dfs.replication": "1",
                "dfs.permissions.enabled": "false", "dfs.namenode.safemode.extension": "0",
            ],
            folder + "/conf/hdfs-site.xml"
        )
        let log = """
            log4j.rootLogger=INFO, console
            log4j.appender.console=org.apache.log4j.ConsoleAppender
            log4j.appender.console.layout=org.apache.log4j.PatternLayout
            log4j.appender.console.layout.ConversionPattern=%p %c{1}: %m%n
            """
        try log.write(
            toFile: folder + "/conf/log4j.properties",
            atomically: true,
            encoding: .utf8
        )
    }

    private static func write(_ properties: [String: String], _ path: String) throws {
        let lines = properties.map { name, value in
            "<property><name>\(name)</name><value>\(value)</value></property>"
        }
        let text = "<configuration>\(lines.joined())</configuration>"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// The backend's settings, below a root that no other test uses; `before` are name nodes that are tried first.
    package func settings(_ namePath: String, before: [String] = []) -> String {
        let nodes = (before + [address]).map { "'\($0)'" }.joined(separator: ", ")
        return """
            hdfs: {namenodes: [\(nodes)], username: herd, root_directory: /\(UUID().uuidString)/root,
                   name_path: \(namePath), attempts_max: 2}
            """
    }
}

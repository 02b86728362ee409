// SPDX-License-Identifier: Apache-2.0

extension TestfsConfiguration {
    /// Reads `listener`, `directory` and `file_bytes_max`. Kraken's testfs has no file, only the flag `--port`.
    /// - Throws: ``ConfigurationError``.
    package init(yaml: ConfigurationNode) throws(ConfigurationError) {
        var table = try yaml.table()
        self.init()
        if let listener = try table.listener("listener") {
            (host, port) = (listener.host, listener.port)
        }
        directory = try table.text("directory") ?? directory
        fileBytesMax = try table.size("file_bytes_max") ?? fileBytesMax
        try table.finishComponent()
    }
}

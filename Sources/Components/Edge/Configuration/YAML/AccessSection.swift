// SPDX-License-Identifier: Apache-2.0

extension ConfigurationTable {
    /// Who may do what, under `key`.
    mutating func access(_ key: String) throws(ConfigurationError) -> AccessConfiguration? {
        guard let node = take(key) else { return nil }
        var table = try node.table()
        var access = AccessConfiguration()
        access.anonymous = try table.take("anonymous")?.choice() ?? access.anonymous
        access.passwordFile = try table.absolutePathIfAny("htpasswd")
        access.realm = try table.take("realm")?.quotable() ?? access.realm
        access.tokens = try table.table("tokens").map(TokenConfiguration.init(table:))
        for row in try table.take("rules")?.list() ?? [] {
            access.rules.append(try AccessRule(row))
        }
        try table.finish()
        let isReachable =
            access.passwordFile != nil || access.tokens != nil || access.anonymous != .none
            || access.rules.contains { $0.users == nil }
        guard isReachable else {
            throw node.defect(
                "lets nobody in",
                remedy: "set htpasswd, tokens, or anonymous to pull or push"
            )
        }
        return access
    }

    /// The absolute path under `key`.
    fileprivate mutating func absolutePathIfAny(
        _ key: String
    ) throws(ConfigurationError) -> String? {
        guard let node = take(key) else { return nil }
        return try node.absolutePath()
    }
}

extension ConfigurationNode {
    fileprivate func absolutePath() throws(ConfigurationError) -> String {
        let path = try text()
        guard path.hasPrefix("/") else { throw defect("\(path) is not absolute") }
        return path
    }

    /// Text that can stand between quotes in a header.
    fileprivate func quotable() throws(ConfigurationError) -> String {
        let text = try text()
        let isClean = text.utf8.allSatisfy {
            (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        guard isClean, !text.isEmpty else {
            throw defect("must be ASCII without quotes and backslashes")
        }
        return text
    }

    fileprivate func httpURL() throws(ConfigurationError) -> String {
        let text = try quotable()
        guard text.hasPrefix("https://") || text.hasPrefix("http://"), !text.contains(" ") else {
            throw defect(
                "\(text) is no URL",
                remedy: "write it like https://auth.example.com/token"
            )
        }
        return text
    }
}

extension AccessRule {
    fileprivate init(_ node: ConfigurationNode) throws(ConfigurationError) {
        var table = try node.table()
        let repository = try table.require("repository").text()
        let usersNode = table.take("users")
        var users: [String]?
        if let usersNode {
            var names: [String] = []
            for name in try usersNode.list() { names.append(try name.text()) }
            guard !names.isEmpty else {
                throw usersNode.defect("names nobody", remedy: "leave it out to mean anybody")
            }
            users = names
        }
        let allow = try table.require("allow")
        var actions: Set<AccessAction> = []
        for word in try allow.list() { actions.insert(try word.choice(AccessAction.self)) }
        guard !actions.isEmpty else {
            throw allow.defect("allows nothing", remedy: "list some of pull, push and delete")
        }
        try table.finish()
        self.init(repository: repository, users: users, actions: actions)
    }
}

extension TokenConfiguration {
    fileprivate init(table: ConfigurationTable) throws(ConfigurationError) {
        self.init()
        var table = table
        for file in try table.take("keys")?.list() ?? [] {
            keyFiles.append(try file.absolutePath())
        }
        keySetURL = try table.take("jwks")?.httpURL()
        refreshInterval = try table.duration("refresh_interval") ?? refreshInterval
        issuer = try table.text("issuer")
        service = try table.take("service")?.quotable()
        realm = try table.take("realm")?.httpURL()
        guard !keyFiles.isEmpty || keySetURL != nil else {
            throw table.defect("has no keys", remedy: "list files under keys, or set jwks to a URL")
        }
        try table.finish()
    }
}

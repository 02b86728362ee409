// SPDX-License-Identifier: Apache-2.0

import CPassword

/// A hash of a password as bcrypt makes it: `$2y$10$`, and 53 letters of salt and hash.
/// - Source: crypt(5); the `htpasswd -B` of Apache's httpd.
struct PasswordHash: Hashable, Sendable {
    /// The whole line after the user's name.
    let text: String
    /// The binary logarithm of its rounds.
    let cost: Int

    /// Costs that are taken: the least that there is, and some two seconds.
    static let costs = 4...15
    /// Bytes of a password that count.
    static let passwordBytesMax = 72

    /// Reads a hash; nil when it is something else.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        func isLetter(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "/"):
                true
            default: false
            }
        }
        guard parts.count == 4, parts[0].isEmpty, ["2a", "2b", "2y"].contains(parts[1]),
            parts[2].utf8.count == 2, let cost = Int(parts[2]), Self.costs.contains(cost),
            parts[3].utf8.count == 53, parts[3].utf8.allSatisfy(isLetter)
        else { return nil }
        (self.text, self.cost) = (String(text), cost)
    }

    /// A hash of that cost which no password is known for.
    static func decoy(cost: Int) -> PasswordHash? {
        let digits = cost < 10 ? "0\(cost)" : "\(cost)"
        return PasswordHash("$2y$\(digits)$" + String(repeating: ".", count: 53))
    }

    /// Whether it is that of `password`; blocks for as long as its cost says.
    func matches(_ password: [UInt8]) -> Bool {
        // A zero would end it early, and what precedes it could be the whole of another one.
        let isClean = !password.contains(0)
        var terminated = Array(password.prefix(Self.passwordBytesMax).filter { $0 != 0 })
        terminated.append(0)
        let result = terminated.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { letters in
                letters.baseAddress.map { herd_password_matches($0, text) } ?? -1
            }
        }
        return result == 1 && isClean
    }
}

/// Users and the hashes of their passwords, a line each: `name:hash`.
struct PasswordFile: Hashable, Sendable {
    /// The hashes by the users' names.
    let hashes: [String: PasswordHash]
    /// The highest cost; every check takes as long as this says.
    let costMax: Int

    /// Users of one file; a longer one is refused.
    static let usersMax = 100_000
    /// Bytes of one file; a longer one is refused.
    static let bytesMax = 16 << 20

    /// Reads the text of a file.
    /// - Throws: ``Defect``.
    init(_ text: String) throws(Defect) {
        var hashes: [String: PasswordHash] = [:]
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
                throw Defect(line: index + 1, why: "is not name:hash")
            }
            guard let hash = PasswordHash(line[line.index(after: colon)...]) else {
                let costs = PasswordHash.costs
                throw Defect(
                    line: index + 1,
                    why: "has no hash of bcrypt, cost \(costs.lowerBound) to \(costs.upperBound)"
                )
            }
            let name = String(line[..<colon])
            guard hashes.updateValue(hash, forKey: name) == nil else {
                throw Defect(line: index + 1, why: "has a name that an earlier line has")
            }
            guard hashes.count <= Self.usersMax else {
                throw Defect(line: index + 1, why: "is beyond \(Self.usersMax) users")
            }
        }
        self.hashes = hashes
        costMax = hashes.values.map(\.cost).max() ?? Self.costIfEmpty
    }

    /// What a check costs where nobody has a password: what `htpasswd -B` takes.
    private static let costIfEmpty = 5

    /// What is wrong with a file; never shows what stands in it.
    struct Defect: Error, CustomStringConvertible {
        let line: Int
        let why: String
        var description: String {
            "line \(line) \(why); write it with htpasswd -B"
        }
    }

    /// Whether `password` is that of `user`; blocks for as long as ``costMax`` says, whoever the user is.
    ///
    /// A hash of cost c takes 2^c rounds. After it decoys of the costs c, c + 1, … below the highest take what is missing.
    func matches(user: String, _ password: [UInt8]) -> Bool {
        let hash = hashes[user]
        var matches = false
        if let hash {
            matches = hash.matches(password)
        } else if let decoy = PasswordHash.decoy(cost: costMax) {
            _ = decoy.matches(password)
        }
        for cost in (hash?.cost ?? costMax)..<costMax {
            _ = PasswordHash.decoy(cost: cost)?.matches(password)
        }
        return matches && hash != nil
    }
}

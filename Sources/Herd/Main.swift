// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// The entry point: finds the command that the words ask for, runs it, and turns what comes of it into an exit status.
///
/// Exit statuses: 0 done; 1 a failure that the message explains; 2 usage; 130 interrupted. Standard output carries
/// results only; everything else goes to standard error.
@main enum Main {
    static func main() async {
        // A closed pipe or socket is an error of the write, never a death.
        signal(SIGPIPE, SIG_IGN)
        exit(await run(CommandLine.arguments))
    }

    /// Runs the command in `words`, of which the first is the program's name.
    static func run(_ words: [String]) async -> Int32 {
        do {
            var command = try HerdCommand.parseAsRoot(Invocation.arguments(of: words))
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return 0
        } catch let failure as Failure {
            StandardError.tell("herd: \(failure)")
            return 1
        } catch is CancellationError {
            return 130
        } catch {
            return explain(error)
        }
    }

    /// Prints what the argument parser has to say: help and versions are results, the rest is wrong usage.
    private static func explain(_ error: any Error) -> Int32 {
        let code = HerdCommand.exitCode(for: error)
        let message = HerdCommand.fullMessage(for: error)
        switch code {
        case .success:
            print(message)
            return 0
        case .validationFailure:
            StandardError.write(message + "\n")
            return 2
        case .failure:
            StandardError.tell("herd: \(error)")
            return 1
        default:
            return code.rawValue
        }
    }
}

/// Why a command could not do its work, for people: what failed, why, and what to do.
struct Failure: Error, Hashable, CustomStringConvertible {
    /// What could not be done.
    let what: String
    /// The cause.
    let why: String
    /// What to do about it; nil when the cause says it.
    let remedy: String?

    /// `what` could not be done because of `why`.
    init(_ what: String, why: String, remedy: String? = nil) {
        (self.what, self.why, self.remedy) = (what, why, remedy)
    }

    var description: String { "\(what): \(why)" + (remedy.map { "\n  \($0)" } ?? "") }
}

/// Standard error, written at once; for the last words of a command.
enum StandardError {
    /// Writes `text` as it is.
    static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
            }
            guard written > 0 else {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(written)
        }
    }
}

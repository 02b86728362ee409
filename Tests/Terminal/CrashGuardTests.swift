// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Terminal

@Suite("Last words")
struct CrashGuardTests {
    @Test(
        "what was printed right before a crash is told, also when the screen has taken it already"
    )
    func lastWords() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGTRAP),
            observing: [\.standardErrorContent]
        ) {
            let capture = try StdioCapture()
            CrashGuard.arm(for: capture)
            FileHandle.standardError.write(Data("Fatal error: taken\n".utf8))
            #expect(capture.lines() == ["Fatal error: taken"])
            FileHandle.standardError.write(Data("Fatal error: left\n".utf8))
            raise(SIGTRAP)
        }
        let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        #expect(text.contains("Fatal error: taken\nFatal error: left\n"), "\(text)")
    }

    @Test("threads that crash together get the last words out all the same")
    func together() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGSEGV),
            observing: [\.standardErrorContent]
        ) {
            let capture = try StdioCapture()
            CrashGuard.arm(for: capture)
            let line = String(repeating: "last words ", count: 500)
            FileHandle.standardError.write(Data((line + "end\n").utf8))
            for _ in 0..<8 { Thread.detachNewThread { raise(SIGSEGV) } }
            raise(SIGSEGV)
        }
        let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        #expect(text.contains("last words end\n"), "\(text.suffix(100))")
    }

    @Test("after the end of a session signals are handled as before")
    func removal() async {
        await #expect(processExitsWith: .success) {
            func handler(_ signal: Int32) -> UInt {
                var action = sigaction()
                sigaction(signal, nil, &action)
                return unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self)
            }
            func handlers() -> [UInt] {
                [SIGSEGV, SIGTRAP, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP].map(handler)
            }
            // Whoever runs the tests may have them ignored or blocked.
            signal(SIGTSTP, SIG_DFL)
            var none = sigset_t()
            sigemptyset(&none)
            pthread_sigmask(SIG_SETMASK, &none, nil)
            let before = handlers()
            let capture = try StdioCapture()
            let pipe = try WakePipe()
            CrashGuard.watch(with: pipe)
            CrashGuard.arm(for: capture)
            #expect(zip(handlers(), before).allSatisfy { $0 != $1 })
            raise(SIGWINCH)
            #expect(pipe.drain() == .resized)
            CrashGuard.disarm()
            _ = capture.end()
            #expect(handlers() == before)
            signal(SIGTSTP, SIG_IGN)
            let ignored = handler(SIGTSTP)
            CrashGuard.watch(with: pipe)
            #expect(handler(SIGTSTP) == ignored)
            CrashGuard.disarm()
            #expect(handlers().dropLast() == before.dropLast())
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Primitives

/// `herd copy SOURCE DESTINATION`: an image from one registry to another.
struct CopyCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "copy",
            abstract: "Copy an image from one registry or repository to another.",
            discussion: """
                Both are HOST:PORT/REPOSITORY:TAG; the source may be …@DIGEST. All platforms are copied, digests stay, and what \
                the destination has is not sent. Bytes go through this process and not through its disk.
                """
        )
    }

    @Argument(help: "The image: 127.0.0.1:15000/demo/app:v1")
    var source: String
    @Argument(help: "What it is to be called: 127.0.0.1:15000/demo/copy:v1")
    var destination: String
    @Flag(help: "Print what was copied as JSON.")
    var json = false
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let source = try ImageReference(source, plainHTTP: plainHttp)
        let destination = try ImageReference(destination, plainHTTP: plainHttp)
        let resources = try await transport.start(logging)
        let copy = ImageCopy(
            source: RegistryClient(source, client: resources.client, pool: resources.pool),
            destination: RegistryClient(
                destination,
                client: resources.client,
                pool: resources.pool
            )
        )
        let (start, progress) = (ContinuousClock.now, TransferProgress("copy"))
        let root: ImageDocument
        do {
            root = try await copy.run(progress)
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        let receipt = TransferReceipt(
            reference: destination,
            digest: .sha256(root.digest),
            rows: progress.rows,
            took: start.duration(to: .now)
        )
        print(json ? receipt.json.text : "\(destination.title) \(root.digest)")
    }
}

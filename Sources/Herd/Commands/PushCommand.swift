// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging

/// `herd push SOURCE REF`.
struct PushCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "push",
            abstract: "Push an image from an OCI layout or a docker archive to a registry.",
            discussion: """
                SOURCE is a directory with an OCI image layout, oci:DIR[:TAG], oci-archive:FILE[:TAG] or \
                docker-archive:FILE[:REF]. REF is HOST:PORT/REPOSITORY:TAG.
                """
        )
    }

    @Argument(help: "The image on disk.")
    var source: String
    @Argument(help: "Where to push it: 127.0.0.1:15000/demo/app:v1")
    var reference: String
    @Flag(help: "Print what was pushed as JSON.")
    var json = false
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let reference = try ImageReference(reference, plainHTTP: plainHttp)
        let image = try ImageSources.open(source)
        let resources = try await transport.start(logging)
        let push = ImagePush(
            image: image,
            name: source,
            registry: RegistryClient(reference, client: resources.client, pool: resources.pool),
            pool: resources.pool
        )
        let (start, progress) = (ContinuousClock.now, TransferProgress("push"))
        do {
            try await push.send(try await push.contents(), progress)
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
        let receipt = TransferReceipt(
            reference: reference,
            digest: .sha256(image.root.digest),
            rows: progress.rows,
            took: start.duration(to: .now)
        )
        print(
            json ? receipt.json.text : "\(reference.title) \(image.root.digest)"
        )
    }
}

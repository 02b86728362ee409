// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Primitives

/// `herd ls REGISTRY[/REPOSITORY]`: repositories, or tags.
struct ListCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "ls",
            abstract: "List a registry's repositories, or a repository's tags."
        )
    }

    @Argument(help: "A registry, or a repository in it: 127.0.0.1:15000/demo/app")
    var place: String
    @Flag(name: [.short, .long], help: "Tell each tag's digest and media type, too.")
    var long = false
    @Flag(help: "Print the list as JSON.")
    var json = false
    @Flag(help: "Speak plain HTTP to hosts other than this one.")
    var plainHttp = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var logging: LogOptions

    func run() async throws {
        logging.apply()
        let place = try RegistryPlace(place, plainHTTP: plainHttp)
        let resources = try await transport.start(logging)
        let catalog = RegistryCatalog(registry: place.registry, client: resources.client)
        do {
            guard let repository = place.repository else {
                show(try await catalog.repositories(), as: "repositories")
                return await resources.shutdown()
            }
            let tags = try await catalog.tags(of: repository)
            if long {
                try await describe(tags, place, repository, resources)
            } else {
                show(tags, as: "tags")
            }
        } catch {
            await resources.shutdown()
            throw (error as? RegistryFailure)?.failure ?? error
        }
        await resources.shutdown()
    }

    private func show(_ names: [String], as key: String) {
        if json {
            print(JSON.object([.init(key, .array(names.map(JSON.string)))]).text)
        } else {
            for name in names { print(name.printable) }
        }
    }

    private func describe(
        _ tags: [String],
        _ place: RegistryPlace,
        _ repository: RepositoryName,
        _ resources: ProcessResources
    ) async throws {
        var rows: [JSON] = []
        let width = tags.map(\.count).max() ?? 0
        for tag in tags {
            let reference = try ImageReference("\(place.registry)/\(repository):\(tag)")
            let client = RegistryClient(
                reference,
                client: resources.client,
                pool: resources.pool
            )
            let document = try await client.document(tag)
            let mediaType = document.content.mediaType.rawValue
            if json {
                rows.append(
                    .object([
                        .init("tag", .string(tag)),
                        .init("digest", .string(document.digest.description)),
                        .init("media_type", .string(mediaType)),
                    ])
                )
            } else {
                print("\(tag.padded(to: width))  \(document.digest)  \(mediaType)".printable)
            }
        }
        if json { print(JSON.object([.init("tags", .array(rows))]).text) }
    }
}

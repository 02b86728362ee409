// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Testing

@Suite("Golden frames of Overview")
struct OverviewGoldenTests {
    /// A state of the cluster, and what it is called.
    struct State: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout ClusterPicture) -> Void
        var testDescription: String { name }
    }

    private static func check(
        _ name: String,
        _ picture: ClusterPicture,
        _ size: Size,
        _ glyphs: GlyphSet = .braille
    ) throws {
        var view = SamplePicture.view(.overview, size.width, size.height)
        view.glyphs = glyphs
        let ending = glyphs == .ascii ? "-ascii" : ""
        let frame = render(picture, view)
        try Golden.check(frame, "overview-\(name)\(size.width)x\(size.height)\(ending)")
    }

    /// The sample with a minute of traffic, an image that is known, and rates that have just changed.
    private static func busy() -> ClusterPicture {
        var picture = SamplePicture.make()
        for second in 0..<600 {
            let wave = Double(second % 97) / 97
            picture.series.append(
                download: 1_048_576 * (second < 595 ? 400 + 100 * wave : 612),
                originUpload: 1_048_576 * (second < 595 ? 90 + 10 * wave : 55),
                agentUpload: 0,
                queued: Double(second / 150)
            )
        }
        let content = ImageContent(
            reference: "demo/web:v42",
            manifest: SamplePicture.digest("5d0c"),
            config: nil,
            layers: [SamplePicture.third, SamplePicture.second, SamplePicture.layer]
        )
        var image = ImageRow(content)
        (image.pushedAt, image.pushedBy) = (SamplePicture.second(-22), "proxy")
        picture.images = [image]
        return picture
    }

    @Test(
        "busy",
        arguments: [(40, 10), (60, 15), (80, 24), (120, 36), (200, 60)]
    )
    func busy(_ size: (Int, Int)) throws {
        try Self.check("", Self.busy(), Size(width: size.0, height: size.1))
    }

    @Test("without Unicode", arguments: [(80, 24), (120, 36)])
    func ascii(_ size: (Int, Int)) throws {
        try Self.check("", Self.busy(), Size(width: size.0, height: size.1), .ascii)
    }

    @Test(
        "states of a cluster",
        arguments: [
            State(name: "waiting") { $0 = ClusterPicture() },
            State(name: "empty") { picture in
                (picture.blobs, picture.tags, picture.faults) = ([], [], [])
                picture.events = EventWindow()
                picture.totals = Totals()
            },
            State(name: "starting") { picture in
                picture.blobs = []
                for index in picture.components.indices where index % 2 == 0 {
                    picture.components[index].health = .starting
                }
            },
            State(name: "stale") { picture in
                picture.source = .remote
                for index in picture.components.indices where index % 3 == 0 {
                    picture.components[index].freshness = .stale(seconds: 6)
                    picture.components[index].healthReason = "connection refused (retry 3 s)"
                }
            },
            State(name: "replay") { $0.source = .replay },
        ],
        [(80, 24), (120, 36)]
    )
    func states(_ state: State, _ size: (Int, Int)) throws {
        var picture = Self.busy()
        state.change(&picture)
        try Self.check("\(state.name)-", picture, Size(width: size.0, height: size.1))
    }

    @Test("a rate that changed by more than a fifth within a second says so")
    func trends() {
        #expect(RateSeries.trend([Double](repeating: 5, count: 30)) == nil)
        let flat = [Double](repeating: 100, count: 11)
        #expect(RateSeries.trend(flat + [121]) == .up)
        #expect(RateSeries.trend(flat + [119]) == nil)
        #expect(RateSeries.trend(flat + [79]) == .down)
        // A second later it is an old story.
        #expect(RateSeries.trend(flat + [Double](repeating: 121, count: 11)) == nil)
        #expect(RateSeries.trend([1, 2]) == nil && RateSeries.trend(flat + [.nan]) == nil)
    }

    @Test("a configuration is told as a file would say it")
    func configuration() {
        let lines = SettingText.lines([
            SettingStatus(key: "data_dir", value: "/a", isChanged: true),
            SettingStatus(key: "scheduler.conn_ttl", value: "1h", isChanged: false),
            SettingStatus(key: "scheduler.dispatch.pipeline_limit", value: "5", isChanged: true),
            SettingStatus(key: "scheduler.conn.bandwidth.enable", value: "false", isChanged: false),
            SettingStatus(key: "remotes.10.0.0.1:5", value: "[a]", isChanged: true),
        ])
        #expect(
            lines == [
                "✎ data_dir: /a", "  scheduler:", "    conn_ttl: 1h", "    dispatch:",
                "✎     pipeline_limit: 5", "    conn:", "      bandwidth:",
                "        enable: false", "  remotes:", "✎   10.0.0.1:5: [a]",
            ]
        )
    }
}

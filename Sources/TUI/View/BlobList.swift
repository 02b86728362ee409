// SPDX-License-Identifier: Apache-2.0

import Content

/// The blobs as the Overview lists them.
package enum BlobList {
    /// The blobs that pass the filter, in the chosen order; idle ones only where they are asked for.
    package static func rows(_ scene: Scene) -> [BlobRow] {
        let state = scene.view.overview
        let filter = Filter(scene.view.filters[.overview] ?? "")
        let shown = scene.picture.blobs.filter { blob in
            (state.showsIdle || blob.isActive || blob.digest == scene.view.blob)
                && (filter.isEmpty || filter.matches(text: [blob.digest.hex, blob.label]))
        }
        // Nothing moves: better all of them than an empty list.
        let rows = shown.isEmpty && filter.isEmpty ? scene.picture.blobs : shown
        return sorted(rows, state.sorting)
    }

    /// How many blobs are not in `rows` because nothing moves.
    package static func idle(_ scene: Scene, besides rows: [BlobRow]) -> [BlobRow] {
        let listed = Set(rows.map(\.digest))
        return scene.picture.blobs.filter { !listed.contains($0.digest) && !$0.isActive }
    }

    private static func sorted(
        _ rows: [BlobRow],
        _ sorting: Sorting<OverviewState.Column>
    ) -> [BlobRow] {
        let ordered = rows.sorted { left, right in
            let (first, second) = sorting.isDescending ? (right, left) : (left, right)
            switch sorting.column {
            case .rate where first.rate != second.rate: return first.rate < second.rate
            case .done where first.done != second.done: return first.done < second.done
            case .size where first.blobBytes != second.blobBytes:
                return first.blobBytes < second.blobBytes
            case .copies where first.copies != second.copies: return first.copies < second.copies
            case .name where first.label != second.label: return first.label < second.label
            default: return left.digest < right.digest
            }
        }
        return ordered
    }

    /// The blob that is selected, or would be: the first of the list.
    package static func selected(_ scene: Scene) -> BlobRow? {
        let rows = rows(scene)
        return rows.first { $0.digest == scene.view.blob }
            ?? scene.picture.blobs.first { $0.digest == scene.view.blob } ?? rows.first
    }
}

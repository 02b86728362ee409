// SPDX-License-Identifier: Apache-2.0

/// One screen: draws itself from a scene and nothing else.
package protocol ScreenContent {
    /// Draws into `area`, the rows between the two lines at the top and the one at the bottom. Any size is right, also none.
    static func draw(_ scene: Scene, into frame: inout Frame, area: Rect)
    /// Where one is: `› demo/web:v42 › layer`, from after the cluster's name.
    static func crumbs(_ scene: Scene) -> [String]
    /// What the right end of the second line says, the most important first; those that do not fit are left out whole.
    static func summary(_ scene: Scene) -> [String]
}

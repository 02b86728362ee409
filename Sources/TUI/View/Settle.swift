// SPDX-License-Identifier: Apache-2.0

/// Brings what the view remembers of places and selections in line with `picture`, before it is drawn: peers get their
/// slots, a view that follows the busiest peer finds it.
package func settle(_ view: inout ViewState, _ picture: ClusterPicture) {
    guard view.screen == .swarm || view.screen == .pieces || view.screen == .explain else { return }
    SwarmScreen.settle(&view, picture)
    if view.swarm.follows, let swarm = picture.swarm,
        let busiest = swarm.peers.filter({ !$0.isOrigin }).max(by: {
            $0.downloadRate < $1.downloadRate
        }), busiest.downloadRate > 0
    {
        view.peer = busiest.name
    }
}

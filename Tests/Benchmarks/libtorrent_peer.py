#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One libtorrent peer: libtorrent_peer.py TORRENT FOLDER PORT seed|leech

Says `ready`, begins when a line comes in, says `done` once it has everything, and seeds until it is terminated."""
import signal, sys
import libtorrent

SETTINGS = {
    # What the others do without, too, or what hinders peers of one host.
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    # The quickest way on a fast network: TCP, in the clear, a slot for everybody.
    "enable_outgoing_utp": False, "enable_incoming_utp": False, "out_enc_policy": 2, "in_enc_policy": 2,
    "unchoke_slots_limit": -1, "max_out_request_queue": 1500, "send_buffer_watermark": 4 << 20,
}


def main():
    torrent, folder, port, role = sys.argv[1:]
    session = libtorrent.session({
        **SETTINGS, "listen_interfaces": f"127.0.0.1:{port}",
        "alert_mask": int(libtorrent.alert.category_t.status_notification)})
    parameters = libtorrent.add_torrent_params()
    parameters.ti, parameters.save_path = libtorrent.torrent_info(torrent), folder
    parameters.flags &= ~(libtorrent.torrent_flags.paused | libtorrent.torrent_flags.auto_managed)
    if role == "seed":
        parameters.flags |= libtorrent.torrent_flags.seed_mode  # what is there is taken as right
    print("ready", flush=True)
    sys.stdin.readline()
    handle = session.add_torrent(parameters)
    while role == "leech" and not handle.status().is_seeding:
        session.wait_for_alert(1000)
        session.pop_alerts()
    print("done", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()

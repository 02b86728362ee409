# SPDX-License-Identifier: Apache-2.0
"""One blob to all agents at once over TLS, peers among themselves and clients, beside the same in the open."""
import os, tempfile
from herd_process import Herd, make_image
from report import human, medians, print_heading, print_row, ratios


def rounds_of(options, blob_bytes):
    """The rounds of a herd over TLS and of one in the open, taken in turns: with agents alone, and with reading clients."""
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        [(digest, _)] = make_image(os.path.join(work, "image"), blob_bytes)
        herds, rounds = [], ([], [], [], [])
        try:
            for name, extra in (("tls", ["--tls"]), ("plain", [])):
                os.makedirs(os.path.join(work, name))
                herds.append(Herd(options.herd, os.path.join(work, name), options.agents, extra))
                herds[-1].push(os.path.join(work, "image"))
            for _ in range(options.rounds):
                for index, (herd, streamed) in enumerate((herd, streamed) for streamed in (False, True) for herd in herds):
                    rounds[index].append(herd.download(digest, blob_bytes, streamed))
        finally:
            for herd in herds:
                herd.stop()
    return rounds


def tls(options):
    results = []
    print_heading()
    for blob_bytes in options.sizes or [1 << 30]:
        rounds = rounds_of(options, blob_bytes)
        secure, plain, secure_streamed, plain_streamed = map(medians, rounds)
        label = f"{human(blob_bytes)} x {options.agents}"
        for streamed, over, beside in (("", secure, plain), (", streamed", secure_streamed, plain_streamed)):
            print_row(f"TLS, {label}{streamed}", over)
            print_row("  ratio to plain", ratios(over, beside))
            print_row(f"plain{streamed}", beside)
        results.append({
            "blob_bytes": blob_bytes, "agents": options.agents, "rounds": options.rounds, "tls": secure, "plain": plain,
            "tls_streamed": secure_streamed, "plain_streamed": plain_streamed, "all_rounds": rounds})
    return results, []

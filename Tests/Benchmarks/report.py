# SPDX-License-Identifier: Apache-2.0
"""Figures as people and programs read them: sizes, medians of rounds, tables, and goals beside what was reached."""
import argparse, re, statistics

UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
COLUMNS = [  # of a table of downloads: heading, key, width, digits, scale, unit
    ("makespan s", "makespan_seconds", 11, 2, 1, ""),
    ("p50 s", "p50_seconds", 8, 2, 1, ""),
    ("p99 s", "p99_seconds", 8, 2, 1, ""),
    ("CPU s/GiB", "cpu_seconds_per_gib", 11, 2, 1, ""),
    ("RSS MiB", "resident_bytes_peak", 9, 0, 1 / (1 << 20), ""),
    ("agents", "share_from_agents", 8, 0, 100, "%"),
]


def size(text):
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    if not match or match.group(2).upper() not in UNITS:
        raise argparse.ArgumentTypeError(f"{text} is no size; write 256MiB, 1GiB or 25MB")
    return int(match.group(1)) * UNITS[match.group(2).upper()]


def human(count):
    return f"{count / (1 << 30):g}GiB" if count >= 1 << 30 else f"{count / (1 << 20):g}MiB"


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def summary(blob_bytes, seconds, cpu, resident, share=None):
    """One round of `len(seconds)` downloads at once."""
    gibibytes = blob_bytes * len(seconds) / (1 << 30)
    return {"makespan_seconds": max(seconds), "p50_seconds": statistics.median(seconds),
            "p99_seconds": percentile(seconds, 99), "cpu_seconds_per_gib": cpu / gibibytes,
            "resident_bytes_peak": resident, "share_from_agents": share}


def medians(rounds):
    """Of each figure in `rounds`, which all have the same ones."""
    return {key: statistics.median(each[key] for each in rounds)
            for key, value in rounds[0].items() if isinstance(value, (int, float))}


def ratios(result, other):
    return {key: result[key] / other[key] for key in ("makespan_seconds", "cpu_seconds_per_gib")}


def print_heading():
    print(" " * 24 + "".join(f"{heading:>{width}}" for heading, _, width, *_ in COLUMNS))


def print_row(label, result):
    def cell(key, width, digits, scale, unit):
        value = result.get(key)
        return " " * width if value is None else f"{f'{value * scale:.{digits}f}{unit}':>{width}}"
    print((f"{label:<24}" + "".join(cell(*column) for _, *column in COLUMNS)).rstrip(), flush=True)


def goal(what, reached, bound, unit=""):
    """A figure and the most it may be."""
    return {"what": what, "reached": reached, "goal": bound, "unit": unit, "met": reached <= bound}


def print_goals(goals):
    if not goals:
        return
    print(f"\n{'':<56}{'reached':>10}{'goal':>10}")
    for each in goals:
        reached, bound = (f"{value:.{2 if bound_is_small(each) else 0}f}" for value in (each["reached"], each["goal"]))
        unit = f", {each['unit']}" if each["unit"] else ""
        print(f"{each['what'] + unit:<56}{reached:>10}{'≤ ' + bound:>10}  {'' if each['met'] else 'missed'}".rstrip())
    print(flush=True)


def bound_is_small(each):
    return each["goal"] < 15

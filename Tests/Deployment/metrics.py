# SPDX-License-Identifier: Apache-2.0
"""Compares docs/metrics.md with what a running herd tells, and what Grafana and Prometheus are to show with docs/metrics.md:
metrics.py REPOSITORY READY_FILE. Each kind of component must be among those in the ready file, and have worked."""
import json, os, re, shutil, ssl, subprocess, sys, urllib.request
import yaml

SUFFIXES = ("_bucket", "_sum", "_count")


def catalogued(repository):
    """{(kind of component, name): what it is} of every row of the page."""
    rows = {}
    for line in open(os.path.join(repository, "docs", "metrics.md")):
        row = re.match(r"\| `(herd_\w+)` \| ([a-z, -]+) \| (count|level|histogram) \|", line)
        for kind in row[2].split(", ") if row else []:
            rows[kind, row[1]] = row[3]
    return rows


def emitted(herd):
    """{(kind, name): Prometheus's type} of every series of the components of `herd`, which speaks TLS."""
    rows, trust = {}, ssl.create_default_context(cafile=herd["tls"]["ca"])
    for component in herd["components"]:
        url = component["addresses"]["http"] + "/metrics"
        url = ("http://" if component["kind"] == "testfs" else "https://") + url
        text = urllib.request.urlopen(url, timeout=10, context=trust).read().decode()
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M):
            rows[component["kind"], name] = kind
    return rows


def expressions(repository):
    """Where each expression of the dashboard and of the rules stands, and the expression."""
    board = json.load(open(os.path.join(repository, "deploy", "grafana", "herd.json")))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard, {panel['title']}", target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"dashboard, variable {variable['name']}", variable["query"]["query"]
    for group in yaml.safe_load(open(os.path.join(repository, "deploy", "prometheus", "rules.yaml")))["groups"]:
        for rule in group["rules"]:
            yield f"rules, {rule['alert']}", rule["expr"]


def headings(repository):
    text = open(os.path.join(repository, "docs", "operations.md")).read()
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def main(repository, ready_file):
    problems, told, known = [], emitted(json.load(open(ready_file))), catalogued(repository)
    for kind, name in sorted(told.keys() - known.keys()):
        problems.append(f"{kind} tells {name}, which docs/metrics.md does not have")
    for kind, name in sorted(known.keys() - told.keys()):
        problems.append(f"docs/metrics.md has {name} of {kind}, which tells no such thing")
    # Counters are untyped on the wire: Kraken's names have no _total, and some are levels.
    types = {"count": {"untyped", "counter"}, "level": {"untyped", "gauge"}, "histogram": {"histogram"}}
    for row in known.keys() & told.keys():
        if told[row] not in types[known[row]]:
            problems.append(f"docs/metrics.md calls {row[1]} of {row[0]} a {known[row]}, it is {told[row]}")
    names, histograms = {name for _, name in known}, {name for (_, name), what in known.items() if what == "histogram"}
    for place, text in expressions(repository):
        for used in re.findall(r"\bherd_\w+", text):
            base = next((used.removesuffix(end) for end in SUFFIXES if used.endswith(end)), used)
            if used not in names and base not in histograms:
                problems.append(f"{place}: {used} is in no catalogue")
    rules = os.path.join(repository, "deploy", "prometheus", "rules.yaml")
    for anchor in re.findall(r"operations\.md#(\S+)", open(rules).read()):
        if anchor not in headings(repository):
            problems.append(f"rules: docs/operations.md has no heading for #{anchor}")
    if shutil.which("promtool"):
        check = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
        if check.returncode:
            problems.append(check.stdout + check.stderr)
    for each in problems:
        print(each)
    print(f"{len(told)} series of {len({kind for kind, _ in told})} kinds, {len(names)} names, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

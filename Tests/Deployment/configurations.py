# SPDX-License-Identifier: Apache-2.0
"""Checks every example configuration by `herd config check`, and compose.yaml by what it refers to: configurations.py REPOSITORY HERD."""
import ipaddress, os, subprocess, sys
import yaml

FOLDERS = ["fixtures/config", "deploy/config", "deploy/compose"]
COMPONENTS = ["agent", "origin", "tracker", "build-index", "proxy", "testfs"]
problems = []


def check(herd, component, path, secrets):
    extra = ["--secrets", secrets] if component in ("origin", "build-index") and os.path.exists(secrets) else []
    run = subprocess.run([herd, "config", "check", "--component", component, path, *extra], capture_output=True, text=True)
    if run.returncode or run.stderr:
        problems.append(f"{path}: {run.stderr or run.stdout}")


def check_compose(path):
    """Each service has an address of its own in the network, files that are there, and a configuration that names services."""
    compose = yaml.safe_load(open(path))
    folder, addresses, ports = os.path.dirname(path), {}, set()
    subnet = ipaddress.ip_network(compose["networks"]["herd"]["ipam"]["config"][0]["subnet"])
    for name, service in compose["services"].items():
        address = service["networks"]["herd"]["ipv4_address"]
        if address in addresses.values() or ipaddress.ip_address(address) not in subnet:
            problems.append(f"compose: {name} has no address of its own")
        addresses[name] = address
        for flag in service["command"]:
            if flag.startswith(("--peer-ip=", "--blobserver-hostname=")) and not flag.endswith("=" + address):
                problems.append(f"compose: {name} calls itself {flag}")
        if service["command"][0] not in COMPONENTS:
            problems.append(f"compose: {name} runs {service['command'][0]}")
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            there = os.path.exists(os.path.join(folder, source)) if source.startswith("./") else source in compose["volumes"]
            if not there:
                problems.append(f"compose: {name} has no {source}")
        for port in service.get("ports", []):
            if port.rsplit(":", 1)[0] in ports:
                problems.append(f"compose: {port} is published twice")
            ports.add(port.rsplit(":", 1)[0])
    for component in COMPONENTS:
        for word in open(os.path.join(folder, component + ".yaml")).read().replace('"', " ").replace(",", " ").split():
            host = word.split(":")[0].strip("[]{}")
            if host.startswith(str(subnet).rsplit(".", 1)[0]) and host not in addresses.values():
                problems.append(f"compose: {component}.yaml names {word}, where nothing runs")


def main(repository, herd):
    count = 0
    for folder in FOLDERS:
        folder = os.path.join(repository, folder)
        for name in sorted(os.listdir(folder)):
            component = name.removesuffix(".yaml")
            if component in COMPONENTS:
                check(herd, component, os.path.join(folder, name), os.path.join(folder, "secrets.yaml"))
                count += 1
            elif name not in ("secrets.yaml", "compose.yaml"):
                problems.append(f"{folder}/{name} is for no component")
    check_compose(os.path.join(repository, "deploy", "compose", "compose.yaml"))
    for each in problems:
        print(each)
    print(f"{count} configurations, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

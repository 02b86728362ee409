# SPDX-License-Identifier: Apache-2.0
"""Checks the Helm chart with Helm's own code and Kubernetes' own schemas: chart.py CHART HERD.

Each file of CHART/ci, and the values that make no sense below, are rendered. What comes out must be valid for the oldest and the
newest Kubernetes known here, name only things that are there, and hold configurations that HERD accepts."""
import os, re, subprocess, sys, tempfile
import helm_python, kubernetes_validate, yaml

KUBERNETES = ["1.25", "1.37"]
# Not Kubernetes' own: its schema is the Prometheus operator's.
FOREIGN = {"PodMonitor"}
OPEN = {"proxy": {"access": {"anonymous": "push"}}}
BACKEND = [{"namespace": ".*", "backend": {"s3": {}}}]
BACKED = OPEN | {"blobBackends": BACKEND, "tagBackends": BACKEND}
REFUSED = [
    ({}, "proxy.access"),
    (OPEN, "blobBackends"),
    (OPEN | {"blobBackends": BACKEND}, "tagBackends"),
    ({"orign": {"replicas": 2}}, "orign"),
    ({"origin": {"replicas": 0}}, "replicas"),
    ({"tracker": {"httpPort": 70000}}, "httpPort"),
    ({"agent": {"storage": {"type": "tape"}}}, "type"),
    ({"proxy": {"disruption": {"maxUnavailable": 1, "minAvailable": 1}}}, "disruption"),
    ({"tls": {"clientCertificates": "always"}}, "clientCertificates"),
    ({"tls": {"serverName": ""}}, "serverName"),
    (BACKED | {"tls": {"enabled": True}}, "tls.secretName"),
    (BACKED | {"tls": {"enabled": True, "secretNames": {"agent": "a", "origin": "o", "tracker": "t", "proxy": "p"}}}, "buildIndex"),
]
problems = []


def expect(holds, what):
    if not holds:
        problems.append(what)


def render(chart, values):
    documents = []
    for name, text in chart.render(values, name="herd", namespace="images").items():
        if not name.endswith("NOTES.txt"):
            documents += [each for each in yaml.safe_load_all(text) if each]
    return documents


def pods(documents):
    for each in documents:
        if "template" in each.get("spec", {}):
            yield each, each["spec"]["template"]


def check_kubernetes(documents, label):
    for each in documents:
        if each["kind"] in FOREIGN:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{label}: {each['kind']} {each['metadata']['name']} for {version}: {error}")


def check_names(documents, label):
    """Every volume that is mounted exists, selectors find their pods, probes and services name ports that are open."""
    maps = {each["metadata"]["name"] for each in documents if each["kind"] == "ConfigMap"}
    templates = [template for _, template in pods(documents)]
    for owner, template in pods(documents):
        where, spec = f"{label}: {owner['kind']} {owner['metadata']['name']}", template["spec"]
        expect(owner["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items(), f"{where}: selects others")
        volumes = {each["name"] for each in spec.get("volumes", [])}
        volumes |= {each["metadata"]["name"] for each in owner["spec"].get("volumeClaimTemplates", [])}
        for each in spec.get("volumes", []):
            expect("configMap" not in each or each["configMap"]["name"] in maps, f"{where}: no ConfigMap for {each}")
        for container in spec["containers"]:
            ports = {each["name"] for each in container["ports"]}
            for each in container["volumeMounts"]:
                expect(each["name"] in volumes, f"{where}: no volume {each['name']}")
            for probe, path in [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/readiness")]:
                expect(container[probe]["httpGet"]["path"] == path, f"{where}: {probe} asks something else")
                expect(container[probe]["httpGet"]["port"] in ports, f"{where}: {probe} asks a closed port")
            expect(container["securityContext"]["readOnlyRootFilesystem"], f"{where}: writes to its root")
            expect("memory" in container["resources"]["limits"], f"{where}: no limit of memory")
    for each in documents:
        if each["kind"] not in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            continue
        spec = each["spec"]
        selector = spec.get("podSelector", spec.get("selector"))
        selector = selector.get("matchLabels", selector)
        found = [one for one in templates if selector.items() <= one["metadata"]["labels"].items()]
        expect(len(found) == 1, f"{label}: {each['kind']} {each['metadata']['name']} selects {len(found)} kinds of pods")
        for port in spec.get("ports", []) if each["kind"] == "Service" and found else []:
            names = {one["name"] for one in found[0]["spec"]["containers"][0]["ports"]}
            expect(port["targetPort"] in names, f"{label}: Service {each['metadata']['name']} leads to a closed port")


def check_configurations(documents, herd, label):
    for each in documents:
        for name, text in each.get("data", {}).items() if each["kind"] == "ConfigMap" else []:
            with tempfile.TemporaryDirectory() as folder:
                path, secrets = os.path.join(folder, name), os.path.join(folder, "secrets.yaml")
                open(path, "w").write(text)
                open(secrets, "w").write("auth: {s3: {herd: {s3: {aws_access_key_id: a, aws_secret_access_key: b}}}}\n")
                extra = ["--secrets", secrets] if "backends:" in text else []
                kind = name.removesuffix(".yaml")
                run = subprocess.run([herd, "config", "check", "--component", kind, path, *extra], capture_output=True, text=True)
                expect(run.returncode == 0, f"{label}: {name}: {run.stderr}\n{text}")


def check_members(documents, label):
    """Each origin calls itself by a name that stands in the ring of all of them."""
    origin = next(each for each in documents if each["kind"] == "StatefulSet")
    config = next(each for each in documents if each["kind"] == "ConfigMap" and "origin.yaml" in each["data"])
    ring = yaml.safe_load(config["data"]["origin.yaml"])["cluster"]["static"]
    arguments = origin["spec"]["template"]["spec"]["containers"][0]["args"]
    host = next(each.split("=", 1)[1] for each in arguments if each.startswith("--blobserver-hostname="))
    port = next(each.split("=", 1)[1] for each in arguments if each.startswith("--blobserver-port="))
    own = [host.replace("$(POD_NAME)", f"{origin['metadata']['name']}-{i}") + ":" + port for i in range(origin["spec"]["replicas"])]
    expect(ring == own, f"{label}: the ring is {ring}, its origins are {own}")


def check_tls(documents, values, label):
    """Either all speak TLS, with certificates that are mounted, and are probed and scraped so, or none does."""
    tls = values.get("tls", {})
    scheme = "HTTPS" if tls.get("enabled") else "HTTP"
    keys = {"build-index": "buildIndex"}
    for owner, template in pods(documents):
        where, spec = f"{label}: {owner['kind']} {owner['metadata']['name']}", template["spec"]
        container = spec["containers"][0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            expect(container[probe]["httpGet"]["scheme"] == scheme, f"{where}: {probe} does not ask over {scheme}")
        kind = template["metadata"]["labels"]["app.kubernetes.io/component"]
        secret = tls.get("secretNames", {}).get(keys.get(kind, kind)) or tls.get("secretName")
        found = [each["secret"]["secretName"] for each in spec["volumes"] if each["name"] == "tls"]
        expect(found == ([secret] if scheme == "HTTPS" else []), f"{where}: has the certificates of {found}")
        paths = {each["mountPath"] for each in container["volumeMounts"] if each["name"] == "tls"}
        config = next(each["data"][f"{kind}.yaml"] for each in documents if each["kind"] == "ConfigMap" and f"{kind}.yaml" in each["data"])
        named = {os.path.dirname(path) for path in re.findall(r"path: (/etc/herd-tls\S*)", config)}
        expect(named == paths, f"{where}: mounts {paths}, and its configuration names {named}")
        peers = yaml.safe_load(config).get("peer_tls", "off")
        expect(peers == (tls.get("peerTLS", "off") if kind in ("agent", "origin") else "off"), f"{where}: peer_tls is {peers}")
    for each in documents:
        if each["kind"] == "PodMonitor":
            endpoint = each["spec"]["podMetricsEndpoints"][0]
            expect(endpoint.get("scheme", "http") == scheme.lower(), f"{label}: PodMonitor does not ask over {scheme}")


def check_values(chart_folder):
    """Every value that a template uses is in values.yaml, so that it is documented and its absence no error."""
    values = yaml.safe_load(open(os.path.join(chart_folder, "values.yaml")))
    templates = os.path.join(chart_folder, "templates")
    optional = {"podSecurityContext"}
    for name in sorted(os.listdir(templates)):
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", open(os.path.join(templates, name)).read()):
            place = values
            for key in path.split("."):
                if not isinstance(place, dict) or key not in place and key not in optional:
                    problems.append(f"{name} uses .Values.{path}, which values.yaml does not have")
                    break
                place = place.get(key)


def main(chart_folder, herd):
    report = helm_python.lint(chart_folder, yaml.safe_load(open(os.path.join(chart_folder, "ci", "values-small.yaml"))), strict=True)
    # 1 is information, such as that an icon is recommended.
    problems.extend(str(each) for each in report["messages"] if each["severity"] > 1)
    problems.extend(report["errors"])
    check_values(chart_folder)
    with helm_python.Chart.load(chart_folder) as chart:
        kinds = {}
        for name in sorted(os.listdir(os.path.join(chart_folder, "ci"))):
            values = yaml.safe_load(open(os.path.join(chart_folder, "ci", name)))
            chart.validate_schema(values)
            documents = render(chart, values)
            check_kubernetes(documents, name)
            check_names(documents, name)
            check_configurations(documents, herd, name)
            check_members(documents, name)
            check_tls(documents, values, name)
            kinds[name] = len(documents)
        for values, word in REFUSED:
            try:
                chart.validate_schema(values)
                render(chart, values)
                problems.append(f"accepted {values}")
            except helm_python.HelmError as error:
                expect(word in str(error), f"{values} are refused with {error}")
    for each in problems:
        print(each)
    print(f"{kinds} objects, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: network namespaces with an address of their own, on a bridge that no other network is part of."""
import ctypes, os, subprocess

CLONE_NEWNET = 0x40000000
# The driver's own address; no partition cuts it off.
DRIVER = "10.77.255.254"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Network:
    def __init__(self):
        self.prefix, self.names = f"herd{os.getpid()}", {}
        self.switch = f"{self.prefix}-switch"
        run("ip", "netns", "add", self.switch)
        self.inside(self.switch, "ip", "link", "add", "bridge", "type", "bridge")
        self.inside(self.switch, "ip", "addr", "add", f"{DRIVER}/16", "dev", "bridge")
        for device in "lo", "bridge":
            self.inside(self.switch, "ip", "link", "set", device, "up")

    def inside(self, name, *command):
        run("ip", "netns", "exec", name, *command)

    def add(self, address):
        """Adds a host; its namespace is what it is called by `ip netns`."""
        name, port = f"{self.prefix}-{len(self.names)}", f"port{len(self.names)}"
        run("ip", "netns", "add", name)
        self.names[address] = name
        run("ip", "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", self.switch)
        self.inside(self.switch, "ip", "link", "set", port, "master", "bridge", "up")
        self.inside(name, "ip", "addr", "add", f"{address}/16", "dev", "eth0")
        for device in "lo", "eth0":
            self.inside(name, "ip", "link", "set", device, "up")
        return name

    def partition(self, some):
        """Cuts the addresses `some` off from all other hosts, both ways: packets are lost, nobody is told."""
        others = [each for each in self.names if each not in some]
        for address in some:
            rules = [f"-A {chain} {way} {other} -j DROP" for other in others for chain, way in [("INPUT", "-s"), ("OUTPUT", "-d")]]
            text = "\n".join(["*filter", *rules, "COMMIT", ""])
            subprocess.run(["ip", "netns", "exec", self.names[address], "iptables-restore", "--noflush"],
                           input=text, text=True, check=True)

    def heal(self, some):
        for address in some:
            self.inside(self.names[address], "iptables", "-F")

    def enter(self):
        """Moves this thread, and those that it starts from now on, beside the bridge."""
        with open(f"/run/netns/{self.switch}") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def remove(self):
        for name in [*self.names.values(), self.switch]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

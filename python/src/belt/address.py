# SPDX-License-Identifier: Apache-2.0
"""How brokers are addressed, and under which name they know Python's functions."""

import sys
from ipaddress import ip_address

CLIENTS_PORT, WORKERS_PORT = 7878, 7879


def function_name(queue=None):
    """The name under which brokers know the Python functions of this version; `queue` keeps some workers apart."""
    name = f"python-{sys.version_info.major}.{sys.version_info.minor}"
    return name if queue is None else f"{name}.{queue}"


def endpoint(address, port):
    """A broker's address, of which the beginning and the port may be left out."""
    if "://" in address:
        return address
    if address.count(":") > 1 and not address.startswith("["):
        return f"tcp://[{address}]:{port}"
    host, colon, given = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, given = address, port
    return f"tcp://{host}:{given}"


def check_address(address, insecure):
    """Payloads are pickles, which run code: an address on a network is for those who say that they trust it."""
    if insecure or address.startswith("ipc://"):
        return
    if not address.startswith("tcp://"):
        raise ValueError(f"{address} is no address of a broker: it looks like tcp://HOST:PORT or ipc://PATH")
    host = address[len("tcp://") :].rsplit(":", 1)[0].strip("[]")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ValueError(
            f"{address} is on a network, where whoever reaches the broker may run code here: use ipc or the loopback "
            "interface (a tunnel, for one), or say insecure=True if all who reach it are trusted"
        )

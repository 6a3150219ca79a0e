# SPDX-License-Identifier: Apache-2.0
"""How brokers are addressed, and under which name they know Python's functions."""

import os
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


def find_access(access=None):
    """The access file with the keys for a broker at tcp:// (`belt keys`): this one, or that of BELT_ACCESS, of the user
    or of the machine, the first that there is. None: there are no keys."""
    given = os.fspath(access) if access is not None else os.environ.get("BELT_ACCESS")
    if given:
        return None if given == "none" else given
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for path in (os.path.join(own, "belt", "access"), "/etc/belt/access"):
        if os.path.exists(path):
            return path
    return None


def check_address(address, insecure, access=None):
    """Payloads are pickles, which run code: an address on a network is for those who have keys of its broker
    (`access`), or say that they trust it."""
    if address.startswith("ipc://"):
        return
    if not address.startswith("tcp://") and not insecure:
        raise ValueError(f"{address} is no address of a broker: it looks like tcp://HOST:PORT or ipc://PATH")
    if insecure or access:
        return
    host = address[len("tcp://") :].rsplit(":", 1)[0].strip("[]")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ValueError(
            f"{address} is on a network, where whoever reaches a broker without keys may run code here: name an access "
            "file of its keys (access=, or ~/.config/belt/access; 'belt keys' makes it), use ipc or the loopback "
            "interface (a tunnel, for one), or say insecure=True if all who reach it are trusted"
        )

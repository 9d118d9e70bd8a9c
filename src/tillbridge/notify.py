"""Telling systemd how the service is: READY, STATUS, STOPPING (sd_notify's protocol)."""

import os
import socket

from tillbridge.log import redact


def notify(**fields: str) -> None:
    """Send fields such as READY="1"; nothing happens outside systemd, and nothing can fail here.

    Args:
        fields: names and values of the protocol; see sd_notify(3).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ stands for a socket in the abstract namespace.
    address = "\0" + address[1:] if address.startswith("@") else address
    text = "\n".join(f"{name}={redact(value)}" for name, value in fields.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(text.encode(), address)
    except OSError:
        return  # a service must not die because nobody listens

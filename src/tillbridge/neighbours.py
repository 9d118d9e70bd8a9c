"""Noticing another installation on this machine that uses the same Connecteam account.

Its quota is one for all of them, and two that post to one location would double its sales. The
posting lock cannot show it, because each has a ledger of its own. So the process that posts holds
a name in the kernel, made from the account: the second to ask for it knows of the first. It is
only ever noticed here, never prevented: two installations for two sets of locations are allowed.
"""

import hashlib
import socket


def account_name(address: str, credential: str) -> str:
    """A name for a Connecteam account that gives nothing of its key away.

    Args:
        address: of Connecteam's interface.
        credential: the API key, or the client's id.
    """
    text = f"{address.rstrip('/')}\n{credential}".encode()
    return hashlib.blake2b(text, digest_size=16, person=b"tillbridge").hexdigest()


class AccountName:
    """The name of an account, held for as long as this process lives.

    It is a socket of the abstract namespace: no file is left behind, and the kernel takes it back
    when the process dies. Nothing is ever received there.

    Args:
        name: from `account_name`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._address = f"\0tillbridge-account-{name}"
        self._held: socket.socket | None = None

    def is_shared(self) -> bool:
        """Whether another process on this machine holds the name; takes it if nobody does."""
        if self._held is not None:
            return False
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            channel.bind(self._address)
        except OSError:
            channel.close()
            return True
        self._held = channel
        return False

    def release(self) -> None:
        """Give the name back."""
        if self._held is not None:
            self._held.close()
            self._held = None

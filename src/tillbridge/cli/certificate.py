"""A throw-away certificate for `authorize --listen`: for this machine's own name, for one day.

Nobody vouches for it, so a browser asks the person once. Its key is never kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

_LIVES = timedelta(days=1)
_EARLIER = timedelta(hours=1)  # the browser's clock may be behind this machine's
_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Both in PEM; `fingerprint` is what a browser shows as SHA-256."""

    certificate: bytes
    key: bytes
    fingerprint: str


def make_certificate(now: datetime) -> Certificate:
    """A new key and a certificate for it that names localhost.

    Args:
        now: aware; the certificate ends a day later.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tillbridge sign-in")])
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in _NAMES]
    names += [x509.IPAddress(ip_address(each)) for each in _ADDRESSES]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _LIVES)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        signed.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        signed.fingerprint(hashes.SHA256()).hex(":").upper(),
    )

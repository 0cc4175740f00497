"""The webhook's certificate: a CA of our own and a leaf signed by it, made once and kept in two Secrets.

The CA's key is in a Secret that only the operator reads; the webhook mounts the other one.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tierguard.guard import objects
from tierguard.guard.objects import KubeObject

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=3650)
"""As long as the CA: nothing rotates them yet, and an expired certificate would stop every guarded change."""
CLOCK_SKEW = timedelta(hours=1)
"""How far back certificates begin, for API servers whose clocks are behind."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    def names(self) -> frozenset[str]:
        """The DNS names and addresses that the certificate is for."""
        try:
            found = self.loaded().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            return frozenset()
        dns = found.get_values_for_type(x509.DNSName)
        return frozenset([*dns, *(str(address) for address in found.get_values_for_type(x509.IPAddress))])

    def loaded(self) -> x509.Certificate:
        """The certificate. Raises ValueError when it is none."""
        return x509.load_pem_x509_certificate(self.certificate)

    def signed_by(self, authority: "Pair") -> bool:
        """Whether `authority` signed it."""
        try:
            self.loaded().verify_directly_issued_by(authority.loaded())
        except Exception:  # noqa: BLE001 - whatever is wrong with it: it does not count
            return False
        return True


def make_authority(now: datetime) -> Pair:
    """A new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("tierguard webhook CA")
    builder = (
        _builder(subject, subject, key, now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def make_leaf(authority: Pair, names: frozenset[str], now: datetime) -> Pair:
    """A new serving certificate for `names` (DNS names or addresses), signed by `authority`."""
    issuer = authority.loaded()
    issuer_key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name("tierguard webhook"), issuer.subject, key, now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    return Pair(_pem(builder.sign(issuer_key, hashes.SHA256())), _key_pem(key))


def secret(namespace: str, name: str, pair: Pair, authority: bytes | None = None) -> KubeObject:
    """The Secret that keeps `pair`; with `authority` (PEM) also the CA's certificate."""
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, **({"ca.crt": authority} if authority else {})}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "tierguard"},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def pair_in(stored: KubeObject | None) -> Pair | None:
    """The pair in a Secret; None when there is none that can be read."""
    data = objects.mapping(stored, "data")
    try:
        pair = Pair(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))
        pair.loaded()
    except (KeyError, ValueError):
        return None
    return pair


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

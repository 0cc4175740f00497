"""The webhook's certificate: a CA of our own and a leaf signed by it, kept in two Secrets, both renewed in good time.

The CA's key is in a Secret that only the operator reads; the webhook mounts the other one. A new CA is trusted before it
signs anything, and the one before it for as long as it is valid, so that at no moment a certificate is served that the API
server does not trust: whatever a webhook still serves, and whatever bundle an API server still has.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tierguard.controller.options import CA_LIFETIME, LEAF_LIFETIME, Lifetimes
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

RENEW_AT = 2 / 3
"""The part of its lifetime after which a certificate is renewed: a third is left to notice that it was not."""
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

    def expires(self) -> datetime:
        """When it stops being valid. Raises ValueError when it is no certificate."""
        return self.loaded().not_valid_after_utc

    def made(self) -> datetime:
        """When it was made: certificates begin earlier than that, by CLOCK_SKEW."""
        return self.loaded().not_valid_before_utc + CLOCK_SKEW

    def signed_by(self, authority: "Pair") -> bool:
        """Whether `authority` signed it."""
        try:
            self.loaded().verify_directly_issued_by(authority.loaded())
        except Exception:  # noqa: BLE001 - whatever is wrong with it: it does not count
            return False
        return True


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA that signs; the `following` one, which is only trusted yet; and the certificate of the `previous` one (PEM)."""

    current: Pair
    following: Pair | None = None
    previous: bytes = b""

    def bundle(self, now: datetime) -> bytes:
        """The certificates that are trusted at `now` (PEM): the one that signs first."""
        found = [self.current.certificate]
        if self.following is not None:
            found.append(self.following.certificate)
        if self.previous and Pair(self.previous, b"").expires() > now:
            found.append(self.previous)
        return b"".join(found)


def renewed(stored: Authority | None, lifetimes: Lifetimes, now: datetime) -> Authority:
    """The authority as it should be at `now`: `stored` itself, unless a step is due."""
    if stored is None:
        return Authority(make_authority(now, lifetimes.authority))
    current, following = stored.current, stored.following
    if current.expires() <= now:
        fresh = following or make_authority(now, lifetimes.authority)
        return Authority(fresh, None, current.certificate)
    if following is not None:
        if following.made() + lifetimes.overlap <= now:
            return Authority(following, None, current.certificate)
    elif _due(current, now):
        return Authority(current, make_authority(now, lifetimes.authority), stored.previous)
    return stored


def leaf_due(leaf: Pair | None, authority: Authority, names: frozenset[str], now: datetime) -> bool:
    """Whether a new leaf has to be made."""
    return leaf is None or not leaf.signed_by(authority.current) or not names <= leaf.names() or _due(leaf, now)


def next_step(authority: Authority, leaf: Pair | None, lifetimes: Lifetimes) -> datetime:
    """When there is something to do next."""
    instants = [_due_at(authority.current), authority.current.expires()]
    if authority.following is not None:
        instants = [authority.following.made() + lifetimes.overlap]
    if leaf is not None:
        instants.append(_due_at(leaf))
    return min(instants)


def _due(pair: Pair, now: datetime) -> bool:
    return now >= _due_at(pair)


def _due_at(pair: Pair) -> datetime:
    return pair.made() + (pair.expires() - pair.made()) * RENEW_AT


def make_authority(now: datetime, lifetime: timedelta = CA_LIFETIME) -> Pair:
    """A new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("tierguard webhook CA")
    builder = (
        _builder(subject, subject, key, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def make_leaf(authority: Pair, names: frozenset[str], now: datetime, lifetime: timedelta = LEAF_LIFETIME) -> Pair:
    """A new serving certificate for `names` (DNS names or addresses), signed by `authority`."""
    issuer = authority.loaded()
    issuer_key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name("tierguard webhook"), issuer.subject, key, now, lifetime)
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


def serving_data(pair: Pair, authority: bytes) -> dict[str, bytes]:
    """What a Secret keeps of a serving certificate: `pair`, and the CA's certificate (PEM)."""
    return {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority}


def authority_secret(namespace: str, name: str, authority: Authority) -> KubeObject:
    """The Secret that keeps `authority`. What is not there is kept as nothing, so that a merge removes it."""
    following = authority.following or Pair(b"", b"")
    return secret(
        namespace,
        name,
        {
            "tls.crt": authority.current.certificate,
            "tls.key": authority.current.key,
            "next.crt": following.certificate,
            "next.key": following.key,
            "previous.crt": authority.previous,
        },
    )


def authority_in(stored: KubeObject | None) -> Authority | None:
    """The authority in a Secret; None when there is none that can be read."""
    current = pair_in(stored)
    if current is None:
        return None
    data = objects.mapping(stored, "data")
    following = pair_in({"data": {"tls.crt": data.get("next.crt"), "tls.key": data.get("next.key")}})
    previous = Pair(_decoded(data.get("previous.crt")), b"")
    try:
        previous.loaded()
    except ValueError:
        previous = Pair(b"", b"")
    return Authority(current, following, previous.certificate)


def bundle_in(stored: KubeObject | None) -> bytes:
    """The certificates to trust (PEM) that a Secret has beside its own; empty when it has none that can be read."""
    found = data_in(stored, "ca.crt")
    try:
        x509.load_pem_x509_certificates(found)
    except ValueError:
        return b""
    return found


def data_in(stored: KubeObject | None, key: str) -> bytes:
    """What a Secret has under `key`; nothing where it cannot be read."""
    return _decoded(objects.mapping(stored, "data").get(key))


def _decoded(written: object) -> bytes:
    try:
        return base64.b64decode(written) if isinstance(written, str) else b""
    except ValueError:
        return b""


def secret(namespace: str, name: str, data: Mapping[str, bytes], kind: str = "kubernetes.io/tls") -> KubeObject:
    """A Secret of ours, with `data`; `kind` is what Kubernetes calls its type."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
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
    pair = Pair(_decoded(data.get("tls.crt")), _decoded(data.get("tls.key")))
    try:
        pair.loaded()
        serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError):
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

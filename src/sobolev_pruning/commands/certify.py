"""Certificates of networks in files: made, and proved again."""

from pathlib import Path

from .._foundation.errors import InputError
from .._foundation.files import expect_place
from ..certificates import certify, check_certificate, load_certificate, read_claims
from ..interchange import read_network
from ..reference import AbstractReference
from ..running import read_config
from ..running.sources import reference_of
from ..surrogate import Surrogate
from .domain import find_domain
from .models import describe
from .records import CertificateRecord


def certify_model(
    model: Path,
    *,
    claims: str,
    against: Path | None = None,
    box: str | None = None,
    columns: str | None = None,
    pieces: int = 20_000,
    out: Path | None = None,
    progress: bool = False,
) -> CertificateRecord:
    """Decides `claims`, as `read_claims` reads them, and writes the certificate to `out` where it is given.

    `against` is the file of a second network, or of a configuration, whose reference is then compared with.
    """
    if out is not None:
        expect_place(out)
    surrogate = read_network(model)
    other = None if against is None else read_other(against)
    wanted = read_claims(claims, surrogate, other)
    domain = find_domain(surrogate, box, None, columns)
    certificate = certify(surrogate, domain.box, wanted, other, pieces=pieces, progress=progress)
    if out is not None:
        certificate.save(out)
    path = None if out is None else str(out)
    return CertificateRecord(describe(surrogate, model), path, certificate, domain.warnings)


def check_model(
    certificate: Path, model: Path, *, against: Path | None = None, pieces: int | None = None, progress: bool = False
) -> CertificateRecord:
    """Proves a certificate again as `check_certificate` does; the record holds the new one."""
    surrogate = read_network(model)
    other = None if against is None else read_other(against)
    if load_certificate(certificate).against is not None and other is None:
        raise InputError(f"{certificate} compares with a second model; name its file with --against.")
    again = check_certificate(certificate, surrogate, other, pieces=pieces, progress=progress)
    return CertificateRecord(describe(surrogate, model), str(certificate), again, ())


def read_other(path: Path) -> Surrogate | AbstractReference:
    """The model to compare with: the reference of a configuration (.toml), or a network."""
    if path.suffix != ".toml":
        return read_network(path)
    config = read_config(path)
    return reference_of(config.source, config.seed)

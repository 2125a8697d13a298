"""Compiled programs kept for the next command: private, whole or absent, and never those of other flags."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from jax._src import compilation_cache

from sobolev_pruning._foundation.compilation import quick_compilation
from sobolev_pruning.storage import compiled_programs
from sobolev_pruning.storage.compiled_programs import CompiledPrograms, keep_compiled_programs

VALUE = np.random.default_rng(0).bytes(100_000)


def only_entry(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


def test_what_is_put_is_got_and_nobody_else_may_look(tmp_path):
    programs = CompiledPrograms(tmp_path / "deep" / "programs")
    assert programs.get("a") is None
    programs.put("a", VALUE)
    assert programs.get("a") == VALUE and programs.get("b") is None
    assert CompiledPrograms(tmp_path / "deep" / "programs").get("a") == VALUE
    assert (
        (tmp_path / "deep").stat().st_mode & 0o777 == (tmp_path / "deep" / "programs").stat().st_mode & 0o777 == 0o700
    )
    assert only_entry(tmp_path / "deep" / "programs").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "of another key", "a link"])
def test_a_damaged_entry_counts_as_none_and_is_made_anew(tmp_path, damage):
    folder = tmp_path / "programs"
    programs = CompiledPrograms(folder)
    programs.put("a", VALUE)
    entry = only_entry(folder)
    content = bytearray(entry.read_bytes())
    if damage == "cut short":
        entry.write_bytes(content[:-1])
    elif damage == "one bit":
        content[5000] ^= 1
        entry.write_bytes(content)
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "of another key":
        entry.unlink()
        programs.put("b", VALUE)
        only_entry(folder).rename(entry)
    else:
        entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(tmp_path / "elsewhere")
    assert programs.get("a") is None
    assert list(folder.iterdir()) == []
    programs.put("a", VALUE)
    assert programs.get("a") == VALUE


def test_a_folder_that_is_not_the_users_alone_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "programs"
    CompiledPrograms(folder)
    for mode in (0o770, 0o707, 0o750):
        folder.chmod(mode)
        with pytest.raises(PermissionError, match="not this user's alone"):
            CompiledPrograms(folder)
    folder.chmod(0o700)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError):
        CompiledPrograms(tmp_path / "link")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(PermissionError, match="not this user's alone"):
        CompiledPrograms(folder)


def test_another_folder_in_its_place_is_not_looked_into(tmp_path):
    folder = tmp_path / "programs"
    programs = CompiledPrograms(folder)
    programs.put("a", VALUE)
    folder.rename(tmp_path / "moved")
    CompiledPrograms(folder).put("b", VALUE)
    assert programs.get("a") == VALUE and programs.get("b") is None


def test_a_full_disk_does_no_harm(monkeypatch, tmp_path):
    programs = CompiledPrograms(tmp_path / "programs")

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        programs.put("a", VALUE)
    assert programs.get("a") is None and list((tmp_path / "programs").iterdir()) == []


def test_what_was_not_used_for_longest_makes_room(monkeypatch, tmp_path):
    folder = tmp_path / "programs"
    programs = CompiledPrograms(folder)
    for number in range(6):
        programs.put(str(number), VALUE)
    for age, entry in enumerate(sorted(folder.iterdir())):
        os.utime(entry, (1e9 - age, 1e9 - age))
    used = [key for key in "012345" if compiled_programs._name(key) == sorted(folder.iterdir())[-1].name]
    assert programs.get(*used) == VALUE
    monkeypatch.setattr(compiled_programs, "MOST_BYTES", 5 * len(VALUE))
    remaining = CompiledPrograms(folder)
    assert remaining.get(*used) == VALUE and len(list(folder.iterdir())) == 2
    assert CompiledPrograms(folder).get(*used) == VALUE and len(list(folder.iterdir())) == 2


def test_two_writers_at_once_leave_whole_entries(tmp_path):
    folder, seen = tmp_path / "programs", []
    values = [bytes([i]) * 200_000 for i in range(2)]
    CompiledPrograms(folder).put("a", values[0])

    def write(value):
        programs = CompiledPrograms(folder)
        for _ in range(30):
            programs.put("a", value)
            seen.append(programs.get("a"))

    threads = [threading.Thread(target=write, args=[value]) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 60 and all(found in values for found in seen)
    assert len(list(folder.iterdir())) == 1


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The keys that JAX asks a fresh folder for, with what was found."""
    keys = []

    class Watched(CompiledPrograms):
        def get(self, key):
            found = super().get(key)
            keys.append((key, found is not None))
            return found

    monkeypatch.setattr(compilation_cache, "_cache", Watched(tmp_path / "programs"))
    return keys


def compiled_anew(**options):
    def program(x):
        return x * 3.0 + x.sum()

    return jax.jit(program, **options).lower(np.arange(3.0)).compile()


def test_programs_of_other_flags_are_never_taken(monkeypatch, asked, tmp_path):
    first = compiled_anew()(np.arange(3.0))
    again = compiled_anew()(np.arange(3.0))
    assert [found for _, found in asked] == [False, True]
    np.testing.assert_array_equal(first, again, strict=True)
    compiled_anew(compiler_options={"xla_cpu_enable_fast_math": True})
    compiled_anew(compiler_options={"xla_allow_excess_precision": False})
    if quick_compilation():
        # By the other code generator than that of the tests.
        compiled_anew(compiler_options={"xla_cpu_use_fusion_emitters": True})
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") + " --xla_cpu_enable_fast_math=true")
    compiled_anew()
    monkeypatch.setattr(compiled_programs, "_processor", lambda: "another processor")
    compiled_anew()
    assert not any(found for _, found in asked[2:])
    assert len(list((tmp_path / "programs").iterdir())) == len(asked) - 1


@pytest.fixture
def settings_restored():
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    before, make = {name: getattr(jax.config, name) for name in names}, compilation_cache.get_file_cache
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.get_file_cache = make


def test_jaxs_own_settings_come_first(monkeypatch, settings_restored, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "/of/the/user")
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == "/of/the/user"
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_enable_compilation_cache", False)
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir is None and list(tmp_path.iterdir()) == []
    jax.config.update("jax_enable_compilation_cache", True)
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "sobolev-pruning" / "programs")


def test_a_folder_of_the_environment_must_be_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for setting in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", setting)
        assert compiled_programs.cache_folder() == tmp_path / ".cache" / "sobolev-pruning" / "programs"


def test_commands_share_what_they_compiled(tmp_path, surrogate):
    surrogate.save(tmp_path / "net.safetensors")
    command = [sys.executable, "-m", "sobolev_pruning.cli", "significance", tmp_path / "net.safetensors"]
    command += ["--method", "interval", "--box", "0.5:1.5", "--json"]

    def called(cache: str):
        done = subprocess.run(command, env=os.environ | {"XDG_CACHE_HOME": cache}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    cold, folder = called(str(tmp_path)), tmp_path / "sobolev-pruning" / "programs"
    written = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    assert len(written) > 3
    for name in list(written)[::2]:
        (folder / name).write_bytes(written[name][:100])
    kept = {name: (folder / name).stat().st_ino for name in list(written)[1::2]}
    assert called(str(tmp_path)) == cold
    assert {entry.name for entry in folder.iterdir()} == set(written)
    assert all(entry.stat().st_size > 100 for entry in folder.iterdir())  # damaged ones are made anew
    assert {name: (folder / name).stat().st_ino for name in kept} == kept  # the others are used
    assert called(os.devnull) == cold  # where no folder can be made

"""What the shell completes: commands, options, and the words they take."""
import re
import shutil
import subprocess

import pytest
from conftest import BIN


def complete(*words):
    """What bash offers for the last word."""
    script = subprocess.run([BIN, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    line = " ".join(f"'{w}'" for w in words)
    ask = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _hf_init; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


def test_commands_are_completed():
    assert complete("hf-init", "ver") == ["verify", "version"]
    assert complete("hf-init", "dow") == ["download"]


def test_options_are_completed():
    assert complete("hf-init", "run", "--disk-") == ["--disk-reserve", "--disk-limit", "--disk-check"]
    assert complete("hf-init", "run", "--allowed") == ["--allowed-hosts"]
    assert "--revision" in complete("hf-init", "run", "--re")


def test_options_of_download_are_completed():
    for start, wanted in (("--inc", "--include"), ("--exc", "--exclude"), ("--force", "--force-download"), ("--local", "--local-dir"),
                          ("--cache", "--cache-dir"), ("--max-w", "--max-workers"), ("--repo-", "--repo-type"), ("--vers", "--version")):
        assert wanted in complete("hf-init", "download", start)


def test_every_option_that_help_names_is_completed():
    options = set(complete("hf-init", "run", "--"))
    for command in complete("hf-init", ""):
        text = subprocess.run([BIN, command, "--help"], capture_output=True, text=True, check=True).stdout
        named = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.M)) - {"--name"}
        assert named <= options, command


def test_words_are_completed():
    assert complete("hf-init", "plan", "--format", "") == ["table", "json", "k8s"]
    assert complete("hf-init", "ls", "--repo-type", "d") == ["dataset"]
    assert sorted(complete("hf-init", "run", "--layout", "")) == ["cache", "dir"]
    assert complete("hf-init", "run", "--log-level", "d") == ["debug"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_shell_gets_a_script_it_can_read(shell, tmp_path):
    script = subprocess.run([BIN, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "download" in script and "disk-reserve" in script
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(script)
        assert subprocess.run([shell, "-n", path], capture_output=True).returncode == 0


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_is_a_mistake(words):
    done = subprocess.run([BIN, "completion", *words], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and "bash, zsh or fish" in done.stderr

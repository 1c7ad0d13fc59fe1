"""What the shell completes: commands, options, and the words they take."""
import os
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


EVERYWHERE = {"--quiet", "--verbose", "--version", "--help"}


def test_every_option_that_help_names_is_completed_where_it_is_named_and_none_that_the_command_refuses():
    commands = complete("hf-init", "")
    offered = {command: set(complete("hf-init", command, "--")) for command in commands}
    everything = set().union(*offered.values())
    assert "--disk-reserve" in everything and "--repair" in everything
    for command in commands:
        text = subprocess.run([BIN, command, "--help"], capture_output=True, text=True, check=True).stdout
        named = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.M)) - {"--name"}
        assert named | EVERYWHERE <= offered[command], command
        for option in everything - offered[command]:
            done = subprocess.run([BIN, command, option, "x"], capture_output=True, text=True)
            assert done.returncode == 2, (command, option, done.stderr)


def test_only_options_of_the_command_are_offered():
    assert complete("hf-init", "verify", "--rep") == ["--repos", "--repair", "--repo-type"]
    assert complete("hf-init", "run", "--repa") == complete("hf-init", "--repa") == complete("hf-init", "wait", "--loc", "--repa") == []
    assert complete("hf-init", "wait", "--time") == ["--timeout", "--timeouts-connect", "--timeouts-stall", "--timeouts-total"]
    assert "--timeout" not in complete("hf-init", "plan", "--time")
    assert set(complete("hf-init", "version", "--")) == {"--json"} | EVERYWHERE
    assert set(complete("hf-init", "completion", "--")) == EVERYWHERE
    assert "--include" in complete("hf-init", "download", "acme/tiny", "--in") and complete("hf-init", "ls", "--in") == []
    assert "--exit-compat" in complete("hf-init", "load", "--exit")


@pytest.mark.parametrize("before", [["verify"], ["--target", "wait", "verify"], ["--target", "=", "wait", "verify"], ["--target=wait", "verify"],
                                    ["--quiet", "verify"], ["--stay", "verify"], ["-q", "verify"], ["verify", "--name", "wait"]])
def test_the_command_is_found_among_options_and_their_values(before):
    assert complete("hf-init", *before, "--repai") == ["--repair"]
    assert complete("hf-init", *before, "--timeout") == ["--timeouts-connect", "--timeouts-stall", "--timeouts-total"]


# As bashcompinit calls a function of bash; its compgen leaves it to zsh to drop what does not match.
ZSH = """
autoload -Uz compinit && compinit -u -D
source script
emulate sh
setopt kshglob noshglob braceexpand ksharrays
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_hf_init && print -rl -- "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_offers_options_of_the_command_only(tmp_path):
    script = subprocess.run([BIN, "completion", "zsh"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script)

    def offered(*words):
        done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0 and done.stderr == "", done
        return set(done.stdout.split())
    assert {"--repair", "--repos"} <= offered("hf-init", "--target", "wait", "verify", "--rep")
    assert "--repair" not in offered("hf-init", "wait", "--rep") | offered("hf-init", "--rep")
    assert offered("hf-init", "version", "--") == {"--json"} | EVERYWHERE


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_offers_options_of_the_command_only(tmp_path):
    script = subprocess.run([BIN, "completion", "fish"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script)

    def offered(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {tmp_path}/script; complete -C '{line}'"], capture_output=True, text=True,
                              env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, check=True)
        return {found.split("\t")[0] for found in done.stdout.splitlines()}
    assert "--repair" in offered("hf-init verify --rep") and "--repair" not in offered("hf-init wait --rep") | offered("hf-init --rep")
    assert "--repos" in offered("hf-init wait --rep") & offered("hf-init --rep")
    assert "--json" in offered("hf-init version --") and "--target" not in offered("hf-init version --")


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

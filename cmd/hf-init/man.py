#!/usr/bin/env python3
"""man.py BINARY DATE: prints hf-init(1), made of what BINARY says of itself.

The texts are those of help.c, by way of --help; the settings are the table's, by way of `validate -v` and completion.
Nothing is written here but the headings, so that manual and --help cannot differ."""
import re
import subprocess
import sys
import textwrap


def roff(text):
    """Text as roff takes it: an option's dashes stay dashes, nothing is a request by accident."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\[u2026]")
    return "\\&" + text if text[:1] in (".", "'") else text


def prose(lines):
    """A paragraph, in lines short enough for everybody."""
    short = textwrap.wrap(" ".join(lines), 70, break_long_words=False, break_on_hyphens=False)
    return "\n".join(roff(line) for line in short)


def listed(lines, lead=2):
    """[(word, what it means)] of an indented list whose second column may go on below."""
    items = []
    for line in lines:
        found = re.match(rf" {{{lead}}}(\S.*?)(?:  +(\S.*))?$", line)
        if found and not line.startswith(" " * (lead + 8)):
            items.append((found[1], [found[2] or ""]))
        else:
            items[-1][1].append(line.strip())
    return items


def tagged(items):
    return "\n".join(f".TP\n.B {roff(word)}\n{prose(text)}" for word, text in items)


def part(text):
    """One part of a help text: a paragraph, or a list with a heading."""
    head, *lines = text.splitlines()
    if head == "Examples:":
        return ".PP\nExamples:\n.PP\n.EX\n" + "\n".join(roff("  " + line.strip()) for line in lines) + "\n.EE"
    if lines and head.endswith(":") and all(line.startswith("  ") for line in lines):
        return f".PP\n{roff(head)}\n" + tagged(listed(lines))
    return ".PP\n" + prose([head, *lines])


def main():
    binary, date = sys.argv[1:]

    def said(*words):
        return subprocess.run([binary, *words], check=True, capture_output=True, text=True, env={}).stdout

    overview = said("--help").split("\n\n")
    version = said("--version").split()[1]
    summary = next(p for p in overview if p.startswith("Commands:")).splitlines()[1:]
    commands = dict(line.split(None, 1) for line in summary)
    helps = {command: said(command, "--help").strip().split("\n\n") for command in commands}
    ends, = [p for p in helps["run"] if p.startswith("Exit codes:")]
    described = r"(?m)^complete -c hf-init -l (\S+) .*?-d '((?:[^']|'\\'')*)'"
    meaning = dict(re.findall(described, said("completion", "fish")))

    title = overview[0].split(" ", 2)
    print(f'.TH HF\\-INIT 1 {date} "hf\\-init {version}"')
    print(f".SH NAME\nhf\\-init \\- {roff(title[2].rstrip('.'))}")
    print(".SH SYNOPSIS\n.B hf\\-init\n[COMMAND] [OPTIONS]\n.SH DESCRIPTION")
    print(prose(overview[-1].splitlines()))
    print(tagged((command, [text]) for command, text in commands.items()))
    print(".SH COMMANDS")
    for command in commands:
        usage, *rest = [p for p in helps[command] if p is not ends]
        print(f".SS {command}")
        for line in usage.removeprefix("Usage: ").splitlines():
            print(f".B {roff(line.strip())}")
        for text in rest:
            print(part(text))
    print(".SH SETTINGS")
    print(prose(["Each is a key of the spec file, a variable and an option: disk.reserve in the file is "
                 "HF_INIT_DISK_RESERVE and --disk-reserve. Those of a repo, given as variable or option, speak for every repo."]))
    for row in said("validate", "-v", "--repos", "ORG/NAME", "--target", "DIR").splitlines()[1:]:
        setting, *_, value = re.split("  +", row.strip())
        flag = re.sub("([A-Z])", r"-\1", setting.removeprefix("repos[0].")).replace(".", "-").lower()
        if flag not in meaning:
            continue
        default = f" Default: {value}." if value not in ("-", "ORG/NAME", "DIR") and " default " in row else ""
        text = meaning[flag].replace("'\\''", "'").rstrip(".") + "." + default
        print(tagged([(setting.replace("[0]", "[]"), [text])]))
    print(".SH EXIT STATUS\n" + prose([ends.removeprefix("Exit codes: ")]))


main()

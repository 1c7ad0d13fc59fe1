"""What `make install` promises: a program links with the one archive and its libc, and sees of it what hfinit.h declares."""
import os
import re
import shutil
import subprocess

import pytest
from library import HEADER, STRICT, installed, make  # noqa: F401


def declared():
    text = re.sub(r"/\*.*?\*/", " ", HEADER.read_text(), flags=re.S)
    text = re.sub(r"typedef[^;{]*\([^;]*;", " ", text)
    return set(re.findall(r"\b(hfinit_\w+)\s*\(", text))


def exported(archive):
    names = subprocess.run(["nm", "--extern-only", "--defined-only", "--format=posix", str(archive)],
                           capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in names.splitlines() if len(line.split()) > 1}


def test_nothing_is_exported_but_what_the_header_declares(installed):
    assert len(declared()) > 40 and exported(installed.archive) == declared()


def test_a_foreign_symbol_would_show(installed, tmp_path):
    archive, source = tmp_path / "copy.a", tmp_path / "foreign.c"
    shutil.copy(installed.archive, archive)
    source.write_text("int foreign; int hfinit_secretly(void); int hfinit_secretly(void) { return foreign; }\n")
    subprocess.run([installed.cc, "-c", str(source), "-o", str(tmp_path / "foreign.o")], check=True)
    subprocess.run(["ar", "rs", str(archive), str(tmp_path / "foreign.o")], check=True, capture_output=True)
    assert exported(archive) - declared() == {"foreign", "hfinit_secretly"}


def test_names_of_ours_and_of_what_we_bring_are_free(installed, tmp_path):
    """The program may have a curl, a json_parse and a buf_add of its own."""
    names = "err_set http_new json_parse buf_add spec_load curl_easy_init curl_global_init mbedtls_ssl_init gcry_check_version " \
            "cJSON_Parse yaml_parser_load inflate nghttp2_session_mem_recv hfinit_begin".split()
    source = tmp_path / "own.c"
    source.write_text('#include <hfinit.h>\n#include <string.h>\n' + "".join(f"int {n}(void);\nint {n}(void) {{ return 7; }}\n" for n in names) +
                      "int main(void)\n{\n    hfinit *h = hfinit_new();\n    const char *json = hfinit_version_json(h);\n"
                      '    int bad = !strstr(json, "libgcrypt") || ' + " + ".join(f"{n}()" for n in names) + f" != {7 * len(names)};\n"
                      "    hfinit_free(h);\n    return bad;\n}\n")
    done = installed.compile(source, tmp_path / "own", "-fno-builtin")
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "own"], timeout=60).returncode == 0


def test_it_is_machine_code_for_any_linker(installed):
    sections = subprocess.run(["readelf", "-SW", str(installed.archive)], capture_output=True, text=True, check=True).stdout
    assert ".text" in sections and ".gnu.lto" not in sections and ".debug_info" not in sections


def test_every_file_is_where_it_belongs(installed):
    found = {str(p.relative_to(installed.prefix)): p.stat().st_mode & 0o777 for p in installed.prefix.rglob("*") if p.is_file()}
    library = {"include/hfinit.h", "lib/libhfinit.a", "lib/pkgconfig/hf-init.pc", "share/doc/hf-init/LICENSE",
               "share/doc/hf-init/licences.txt"}
    program = {"bin/hf-init", "share/bash-completion/completions/hf-init", "share/zsh/site-functions/_hf-init",
               "share/fish/vendor_completions.d/hf-init.fish", "share/man/man1/hf-init.1"}
    assert set(found) == library | (program if installed.libc == "musl" else set())
    assert all(mode == (0o755 if name.startswith("bin/") else 0o644) for name, mode in found.items())
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (installed.prefix / "share/doc/hf-init/licences.txt").read_text()


def test_destdir_is_not_in_what_is_installed(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/hf")
    assert os.access(tmp_path / "opt/hf/bin/hf-init", os.X_OK)
    assert "prefix=/opt/hf\n" in (tmp_path / "opt/hf/lib/pkgconfig/hf-init.pc").read_text()


def test_one_version_everywhere(installed, tmp_path):
    source = tmp_path / "version.c"
    source.write_text('#include <hfinit.h>\n#include <stdio.h>\n'
                      'int main(void)\n{\n    printf("%s %s\\n", HFINIT_VERSION, hfinit_version());\n    return 0;\n}\n')
    done = installed.compile(source, tmp_path / "version")
    assert done.returncode == 0, done.stderr
    header, library = subprocess.run([tmp_path / "version"], capture_output=True, text=True, check=True).stdout.split()
    assert header == library == installed.pkg_config("--modversion")[0]


@pytest.mark.parametrize("language", [("gcc", "-x", "c", "-std=c99"), ("g++", "-x", "c++", "-std=c++17")])
def test_the_header_stands_alone(language, tmp_path):
    if not shutil.which(language[0]):
        pytest.skip(f"no {language[0]} here")
    strict = [flag for flag in STRICT if not flag.startswith("-std")]
    done = subprocess.run([*language, *strict, "-fsyntax-only", "-include", str(HEADER), os.devnull], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_wrong_libc_is_told_which_is_right(installed, tmp_path):
    if installed.libc != "musl":
        pytest.skip("there is no mistaking this one")
    source = tmp_path / "wrong.c"
    source.write_text("#include <hfinit.h>\nint main(void)\n{\n    return 0;\n}\n")
    done = installed.compile(source, tmp_path / "wrong", cc="gcc")
    assert done.returncode != 0 and "make install VARIANT=glibc" in done.stderr

"""The rules themselves: each must catch what it is for, and leave good code alone."""
import os
from pathlib import Path

import pytest
import rules

GOOD = [
    ("lib/buf.c", '#include "buf.h"\n#include "err.h"\n#include <string.h>\n'),
    ("lib/store_dir.c", '#include "store.h"\n#include "fs.h"\n'),
    ("lib/http_proxy.c", "#include <curl/curl.h>\n"),
    ("lib/tls.c", '#include <mbedtls/ssl.h>\n#include <roots.h>\n#include "tls_ca.h"\n'),
    ("lib/fs.c", 'const char *s = "sprintf(x)"; /* atoi(y) */ // exit(1)\n'),
    ("lib/log.c", "p->exit(1); my_atoi(2); int left = '(';\n"),
    ("cmd/hf-init/main.c", '#include "hfinit.h"\nint f(void) { exit(2); }\n'),
]
BAD = [
    ("lib/fs.c", '#include "plan.h"\n', "points up"),
    ("lib/plan.c", '#include "store.h"\n', "points sideways"),
    ("lib/plan_split.h", '#include "store_dir.h"\n', "points sideways"),
    ("lib/spec.c", "#include <curl/curl.h>\n", "lives in"),
    ("lib/http.c", "#include <mbedtls/ssl.h>\n", "lives in"),
    ("lib/spec.c", "#include <yaml.h>\n", "lives in"),
    ("lib/http.c", '#include "tls_ca.h"\n', "private to tls"),
    ("lib/fs.c", '#include "helper.h"\n', "has no row"),
    ("lib/fs.c", "\nint n = atoi (s);\n", "atoi()"),
    ("lib/fs.c", "#define F(x) sprintf(x)\n", "sprintf()"),
    ("lib/fs.c", "exit(1);\n", "exit()"),
    ("cmd/hf-init/main.c", '#include "buf.h"\n', "only hfinit.h"),
    ("lib/fs.c", "\n" * (rules.LONGEST_FILE + 1), "second reason"),
]


def check(tmp_path, name, text):
    os.chdir(tmp_path)
    Path("lib").mkdir()
    Path("lib/tls_ca.h").write_text("#include <mbedtls/ssl.h>\n")
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return list(rules.problems(path))


@pytest.mark.parametrize("name, text", GOOD)
def test_good_code_passes(tmp_path, name, text):
    assert check(tmp_path, name, text) == []


@pytest.mark.parametrize("name, text, what", BAD)
def test_bad_code_is_named(tmp_path, name, text, what):
    [(_, message)] = check(tmp_path, name, text)
    assert what in message

#!/usr/bin/env python3
"""Turns Mozilla's list of root certificates into C: a table of DER blobs, ready for
mbedtls_x509_crt_parse_der_nocopy().

    roots.py CERTDATA.TXT DATE OUTDIR      writes OUTDIR/roots.h and OUTDIR/roots.c

DATE (YYYY-MM-DD) is the day on which Debian's ca-certificates took this list from Mozilla: the
changelog date of the package, which is also its version. certdata.txt itself carries no date.

A root is taken if Mozilla trusts it to issue server certificates (CKA_TRUST_SERVER_AUTH is
CKT_NSS_TRUSTED_DELEGATOR). Some are trusted only for certificates issued before a day
(CKA_NSS_SERVER_DISTRUST_AFTER); mbedTLS cannot express that, so such a root stays as long as a
certificate from before that day can still be valid (398 days, the longest allowed) and goes then.
"""
import datetime
import re
import sys

LONGEST_LEAF = datetime.timedelta(days=398)


def objects(lines):
    """The objects of certdata.txt, each a dict from attribute to str or bytes."""
    obj, data, octal, text = {}, False, None, None
    for line in lines:
        line = line.rstrip("\n")
        if octal is not None:
            if line == "END":
                obj[octal] = bytes(int(o, 8) for o in re.findall(r"\\([0-3][0-7]{2})", "".join(text)))
                octal = None
            else:
                text.append(line)
        elif not data:
            data = line.startswith("BEGINDATA")
        elif not line or line.startswith("#"):
            continue
        else:
            name, _, rest = line.partition(" ")
            kind, _, value = rest.partition(" ")
            if name == "CKA_CLASS" and obj:
                yield obj
                obj = {}
            if kind == "MULTILINE_OCTAL":
                octal, text = name, []
            else:
                obj[name] = value
    if obj:
        yield obj


def distrusted(cert, today):
    day = cert.get("CKA_NSS_SERVER_DISTRUST_AFTER")
    if not isinstance(day, bytes):
        return False
    day = datetime.datetime.strptime(day.decode(), "%y%m%d%H%M%SZ").date()
    return day + LONGEST_LEAF < today


def server_roots(lines, today):
    """[(label, DER)] of the roots trusted for servers, in the order of their labels."""
    certs, trusted = {}, set()
    for obj in objects(lines):
        key = (obj.get("CKA_ISSUER"), obj.get("CKA_SERIAL_NUMBER"))
        if obj["CKA_CLASS"] == "CKO_CERTIFICATE":
            certs[key] = obj
        elif obj.get("CKA_TRUST_SERVER_AUTH") == "CKT_NSS_TRUSTED_DELEGATOR":
            trusted.add(key)
    lost = trusted - set(certs)
    if lost:
        sys.exit(f"roots.py: {len(lost)} trusted entries without a certificate")
    good = [certs[k] for k in trusted if not distrusted(certs[k], today)]
    return sorted((c["CKA_LABEL"].strip('"'), c["CKA_VALUE"]) for c in good)


HEADER = """\
/* Made by deps/roots.py from Mozilla's certdata.txt (MPL-2.0); do not edit. */
#ifndef HF_ROOTS_H
#define HF_ROOTS_H
#include <stddef.h>

struct hf_root { const unsigned char *der; size_t len; };

extern const struct hf_root hf_roots[];      /* hf_roots_count long */
extern const size_t hf_roots_count;
extern const char hf_roots_date[];           /* YYYY-MM-DD: when the list was taken from Mozilla */
#endif
"""


def main():
    certdata, date, outdir = sys.argv[1:]
    with open(certdata, encoding="utf-8") as f:
        roots = server_roots(f, datetime.date.fromisoformat(date))
    if not 100 < len(roots) < 300:
        sys.exit(f"roots.py: {len(roots)} roots: that cannot be Mozilla's list")
    with open(f"{outdir}/roots.h", "w", encoding="utf-8") as out:
        out.write(HEADER)
    with open(f"{outdir}/roots.c", "w", encoding="utf-8") as out:
        out.write('#include "roots.h"\n')
        for i, (label, der) in enumerate(roots):
            safe = label.replace("*/", "* /").replace("\\", "?")
            hexed = ",".join(map(str, der))
            out.write(f"/* {safe} */\nstatic const unsigned char r{i}[] = {{{hexed}}};\n")
        out.write("const struct hf_root hf_roots[] = {\n")
        out.writelines(f"    {{ r{i}, sizeof r{i} }},\n" for i in range(len(roots)))
        out.write(f"}};\nconst size_t hf_roots_count = {len(roots)};\n")
        out.write(f'const char hf_roots_date[] = "{date}";\n')


if __name__ == "__main__":
    main()

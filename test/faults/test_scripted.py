"""Every row of the catalogue that is a script of the server ends as it says."""
import time

import catalogue
import pytest
from conftest import content_of
from standin import lfs

SCRIPTED = [row for row in catalogue.rows() if row.server or row.files]
FILES = {"config.json": b'{"a": 1}', "sub/notes.txt": b"hello\n", "model.bin": lfs(3 << 20)}


def right_or_absent(volume, repo):
    there, wanted = volume.files(repo.id), content_of(repo)
    return {path for path, digest in there.items() if wanted.get(path) != digest}


@pytest.mark.parametrize("row", SCRIPTED, ids=lambda row: row.id)
def test_scripted(row, hub, run, volume, complete, failed):
    repo = hub.model("acme/tiny", row.files or FILES)
    for fault in row.server:
        hub.fault(**fault)
    began = time.monotonic()
    result = run({"repos": [{"id": "acme/tiny"}], **row.spec}, **row.env)
    took = time.monotonic() - began
    if row.exit == 0:
        complete(result, repo)
    else:
        failed(result, row.exit, row.reason, *row.says)
        assert not right_or_absent(volume, repo), "a file that is not the repo's"
        if row.disk == catalogue.EMPTY:
            assert volume.files(repo.id) == {}
    for host, bounds in row.asked.items():
        least, most = bounds if isinstance(bounds, tuple) else (0, bounds)
        assert least <= hub.count(host=host) <= most, hub.requests(host=host)
    assert hub.leaks() == [], "the token was shown to another host"
    assert took < row.within_s

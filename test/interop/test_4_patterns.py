"""Patterns

The same words select the same files: 50 repos of 40 paths each, and a selection for every repo, all drawn at random."""
import json
import random

from interop import scenario

PATHS, SELECTIONS = 40, 50
WORDS = ["a", "b", "model", "config", "onnx", "data", "README", "é", "00001-of-00002", "x-y", "[z]", "a b", "#1", "A",
         ".hidden", "^"]
CLASSED = ["a", "b", "z", "A", "0-9", "a-m", "n-z", "z-a", "é", "-", ".", "/", "^", "]", "["]
SUFFIXES = ["", ".json", ".bin", ".safetensors", ".index.json", ".md", ".é"]


def a_class(rng):
    """[…] with ranges, some of them reversed, hyphens at its ends, and brackets inside."""
    inner = "".join(rng.choice(CLASSED) for _ in range(rng.randint(1, 3)))
    return "[" + rng.choice(["", "", "!", "^"]) + inner + rng.choice(["]", "]", "]", ""])


def a_pattern(rng, paths, separators):
    """Mostly a path with holes in it, so that about as much matches as does not."""
    if rng.random() < 0.1:
        return rng.choice(["*", "*.*", "**", "*/*", "?*", "onnx/", "data/**", "**/a*", "*.{json,bin}"])
    text = list(rng.choice(paths))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        hole = rng.choice(["*", "*", "?", "**", a_class(rng), "*/", "/*", rng.choice(separators)])
        text[at:at + rng.randint(0, 4)] = [hole]
    return "".join(text)


def random_repos(seed, separators):
    """{id: (paths, allow or None, ignore or None)}"""
    rng, found = random.Random(seed), {}
    for number in range(SELECTIONS):
        paths = set()
        while len(paths) < PATHS:
            folders = [rng.choice(WORDS) for _ in range(rng.randint(0, 2))]
            paths.add("/".join([*folders, rng.choice(WORDS) + rng.choice(WORDS) + rng.choice(SUFFIXES)]))
        paths = sorted(paths)
        allow = None if rng.random() < 0.2 else [a_pattern(rng, paths, separators) for _ in range(rng.randint(1, 2))]
        ignore = None if rng.random() < 0.5 else [a_pattern(rng, paths, separators) for _ in range(rng.randint(1, 2))]
        found["acme/p%02d" % number] = (paths, allow, ignore)
    return found


@scenario("2,000 random paths under 50 random selections: `filter_repo_objects` and hf-init take the same")
def test_the_same_patterns_select_the_same_files(run, hub, tmp_path, client):
    separators = ["/", "\\"] if client.version >= (1, 23) else ["/"]
    if len(separators) == 1:
        client.note("without backslashes in patterns, which are separators to hf-init as they are since 1.23")
    repos = random_repos("patterns of " + client.name, separators)
    for name, (paths, _, _) in repos.items():
        hub.model(name, {path: "x" for path in paths})
    wanted = client("""
from huggingface_hub.utils import filter_repo_objects
for name, (paths, allow, ignore) in json.load(open(%r)).items():
    selected = filter_repo_objects(paths, allow_patterns=allow, ignore_patterns=ignore)
    say([name, sorted(selected)])""" % written(tmp_path, repos))
    entries = [{"id": name, **{key: value for key, value in (("allow", allow), ("ignore", ignore)) if value}}
               for name, (_, allow, ignore) in repos.items()]
    result = run({"repos": entries}, "--json", command="ls")
    assert result.code == 0, result
    got = {name: [] for name in repos}
    for line in result.stdout.splitlines():
        file = json.loads(line)
        got[file["repo"]].append(file["path"])
    for name, selected in wanted:
        assert sorted(got[name]) == selected, repos[name][1:]
    taken = sum(len(selected) for _, selected in wanted)
    assert 0.1 < taken / (PATHS * SELECTIONS) < 0.9  # it did try both


def written(folder, value):
    """A file with a value as JSON."""
    path = folder / "value.json"
    path.write_text(json.dumps(value))
    return str(path)

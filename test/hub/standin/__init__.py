"""A stand-in for the Hugging Face Hub: same protocol, own repositories, faults on demand. See README.md."""
from .content import Content, OnDisk, Stored, Synthetic
from .faults import KINDS, Fault
from .hub import READER, STRANGER, STRANGER_TOKEN, TOKEN, Hub
from .proxy import Proxy
from .repos import Commit, File, Repo, folder, git, lfs, xet
from .tls import LEAVES, Tls, authority

__all__ = ["Commit", "Content", "Fault", "File", "Hub", "KINDS", "LEAVES", "OnDisk", "Proxy", "READER", "Repo", "STRANGER",
           "STRANGER_TOKEN", "Stored", "Synthetic", "TOKEN", "Tls", "authority", "folder", "git", "lfs", "xet"]

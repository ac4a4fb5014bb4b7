import multiprocessing
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def fork_server():
    """Started where it finds what it is to import: it looks in the environment alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        first = multiprocessing.get_context("forkserver").Process(target=int)
        first.start()
        first.join()
        yield

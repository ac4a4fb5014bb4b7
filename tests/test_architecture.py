"""The house rules that a machine can check: who imports whom, what stays pure, what stays small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("monitor", "alerting", "rules")

# An import may point only this way.
MAY_IMPORT = {
    "rules": {"rules"},
    "alerting": {"alerting", "rules"},
    "monitor": {"monitor", "alerting", "rules"},
    "monitor.engine": {"monitor.engine"},
}

PURE = (
    "monitor/engine",
    "monitor/errors.py",
    "monitor/plan.py",
    "monitor/aggregate",
    "monitor/shard",
    "monitor/rulebook.py",
    "monitor/plan_text.py",
    "rules",
    "alerting/desk.py",
    "alerting/policy",
)
IMPURE = {"rules/load.py"}  # reads the files that hold packs and rules
# What decides needs values and arithmetic. A clock, chance, a thread, a file, a socket or a framework is
# refused by not being on this list, whatever it is called.
PURE_IMPORTS = {
    *("__future__", "abc", "collections", "copy", "dataclasses", "enum", "types", "typing"),
    *("array", "bisect", "fractions", "functools", "heapq", "itertools", "math", "operator", "struct"),
    *("msgspec", "mypy_extensions", "xxhash", "zstandard"),
    *("datetime", "difflib", "hashlib", "json", "re", "string", "unicodedata"),
}
ALSO_IMPORTS = {
    ("rules/yaml_marks.py", "yaml"),  # parses a text it is given; reads nothing
    ("monitor/engine/fields.py", "librt"),  # reading of bytes
    ("monitor/engine/keys.py", "librt"),  # the same
    ("monitor/engine/ids.py", "librt"),  # its vecs; there are clocks and chance beside them
}
# Values only: limits, and a time zone as the table of offsets that the pinned tzdata gives.
PURE_VALUES = ("alerting.limits", "monitor.zones")
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
CLOCKS = {"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns"}

# What touches the world is built where the parts are put together; a command that works on one file of
# the data directory opens that one.
ADAPTERS = {
    *("Journal", "SqliteStore", "PostgresStore", "Metrics", "Sender", "Embedded", "Entrance"),
    *("ShardLoop", "DeskLoop"),
    *("WecomBot", "DingtalkBot", "FeishuBot", "WecomApp", "AliyunSms", "TencentSms", "AppriseUrl", "Webhook"),
    *("SystemClock", "DeadLetters", "Tokens"),
}
WIRES = {
    "monitor/app.py",
    "monitor/app_cluster.py",
    "monitor/app_desk.py",
    "monitor/runtime/embedded.py",  # the parts between the web and the channels, for app.py
    "alerting/ways.py",  # an account's type to its channel, for app.py
}
OPENS_ONE = {
    ("monitor/commands/tokens.py", "Tokens"),
    ("monitor/commands/notify_test.py", "SystemClock"),
    ("monitor/commands/messages.py", "SystemClock"),
    ("monitor/commands/messages.py", "SystemClock"),
    ("monitor/commands/doctor.py", "SystemClock"),
    ("monitor/commands/doctor.py", "Tokens"),
}
READS_ENVIRONMENT = "monitor/settings.py"

MODULE_LINES = 300
FUNCTION_LINES = 50  # without its docstring
LONG_MODULES: dict[str, str] = {}  # path: why it is one idea that does not split


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_pure(path: Path) -> bool:
    name = relative(path)
    return name not in IMPURE and any(name == pure or name.startswith(f"{pure}/") for pure in PURE)


def dotted(path: Path) -> str:
    return relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(path: Path) -> list[tuple[int, str]]:
    """Every (line, module) imported anywhere in the file; ``from a import b`` counts as ``a.b``."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}:{node.lineno}: relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def layer(path: Path) -> str:
    return "monitor.engine" if within(dotted(path), "monitor.engine") else dotted(path).partition(".")[0]


def test_imports_point_one_way():
    """monitor → alerting → rules; the engine imports nothing of ours but itself."""
    wrong = [
        f"{relative(path)}:{line}: {module}"
        for path in modules()
        for line, module in imports(path)
        if module.partition(".")[0] in PACKAGES
        and not any(within(module, package) for package in MAY_IMPORT[layer(path)])
    ]
    assert wrong == []


def test_pure_modules_import_values_and_arithmetic_only():
    wrong = [
        f"{relative(path)}:{line}: {module}"
        for path in modules()
        if is_pure(path)
        for line, module in imports(path)
        if (top := module.partition(".")[0]) not in PURE_IMPORTS
        and not is_pure_of_ours(module)
        and (relative(path), top) not in ALSO_IMPORTS
    ]
    assert wrong == []


def is_pure_of_ours(module: str) -> bool:
    """``a.b`` of ``from a import b`` is a module of that name, else a name in ``a``."""
    if module.partition(".")[0] not in PACKAGES:
        return False
    if any(within(module, pure) for pure in PURE_VALUES):
        return True
    for name in (module, module.rpartition(".")[0]):
        file = ROOT / f"{name.replace('.', '/')}.py"
        if file.exists() or file.with_suffix("").is_dir():
            return is_pure(file if file.exists() else file.with_suffix(""))
    return False


def calls(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.append((node.lineno, node.func.id))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.append((node.lineno, f".{node.func.attr}"))
    return found


def test_pure_modules_read_no_clock_and_open_nothing():
    forbidden = IMPURE_CALLS | {f".{clock}" for clock in CLOCKS}
    wrong = [
        f"{relative(path)}:{line}: {name}()"
        for path in modules()
        if is_pure(path)
        for line, name in calls(path)
        if name in forbidden
    ]
    assert wrong == []


def test_only_the_composition_root_builds_adapters():
    wrong = [
        f"{relative(path)}:{line}: {name}()"
        for path in modules()
        if relative(path) not in WIRES
        for line, name in calls(path)
        if name in ADAPTERS and (relative(path), name) not in OPENS_ONE
    ]
    assert wrong == []


def test_the_list_of_adapters_is_of_classes_there_are():
    defined = {
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert defined >= ADAPTERS


def test_only_settings_reads_the_environment():
    wrong = [
        f"{relative(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in modules()
        if relative(path) != READS_ENVIRONMENT
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names(node) & {"environ", "getenv"})
    ]
    assert wrong == []


def names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


@pytest.mark.parametrize("package", [*PACKAGES, "monitor/engine"])
def test_a_package_names_its_limits_in_one_place(package: str):
    limits = ROOT / package / "limits.py"
    body = ast.parse(limits.read_text("utf-8")).body
    constants = [node for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    assert constants, f"{relative(limits)} names no limit"


def test_modules_are_short():
    wrong = {
        relative(path): lines
        for path in modules()
        if (lines := len(path.read_text("utf-8").splitlines())) > MODULE_LINES
        and relative(path) not in LONG_MODULES
    }
    assert wrong == {}


def test_functions_fit_a_screen():
    wrong = [
        f"{relative(path)}:{node.lineno}: {node.name} has {lines} lines"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > FUNCTION_LINES
    ]
    assert wrong == []


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def tracked() -> list[Path]:
    """The files of the project: what version control has or would take; without it, what is there."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listing.stdout.splitlines() if (path := ROOT / name).is_file()]


LEFT_OVER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
# Where packages come from, and where somebody's working copy lies, is a matter of the machine.
ELSEWHERE = re.compile(
    "|".join(
        ["py" + r"pi\.org", "python" + "hosted", "/wo" + "rk/", "--ind" + "ex-url", "--extra-ind" + "ex-url"]
    )
)
PROSE = {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".css", ".sh", ".lock", ".sql", ".service", ""}


def test_nothing_is_left_for_later_and_no_machine_is_named():
    wrong = []
    for path in tracked():
        if path.suffix in PROSE and "vendor" not in path.parts:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if LEFT_OVER.search(line) or ELSEWHERE.search(line):
                    wrong.append(f"{relative(path)}:{number}: {line.strip()[:80]}")
    assert wrong == []


def test_what_is_not_python_in_a_package_ships_with_it():
    """Packs, migrations and pages are package data: a pattern in pyproject.toml covers each."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    shipped = {Path(pattern).suffix or pattern for pattern in setuptools["package-data"]["*"]}
    wrong = [
        relative(path)
        for path in tracked()
        if path.relative_to(ROOT).parts[0] in PACKAGES
        and path.suffix != ".py"
        and not {path.suffix, path.name} & shipped
    ]
    assert wrong == []


def declared(*groups: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][group] for group in groups)]
    return {re.split(r"[\[<>=! ]", one)[0].lower() for requirements in lists for one in requirements}


# What needs more than the base install: the module or folder, and the extra that brings it.
EXTRAS = {
    "monitor/store/postgres_database.py": "postgres",
    "monitor/store/postgres_look.py": "postgres",
    "monitor/store/postgres_session.py": "postgres",
    "monitor/runtime/cluster": "kafka",
    "monitor/sinks/influx_setup.py": "influx",
    "alerting/channels/apprise_url.py": "apprise",
    "alerting/channels/wecom_callback.py": "wecom",
    "alerting/channels/wecom_smart_link.py": "wecom",
    "alerting/fakes/wecom_smart.py": "wecom",
    "alerting/fakes/wecom_taps.py": "wecom",
}


def needs(path: Path) -> str:
    """The extra without which a module cannot be imported; empty: none."""
    name = relative(path)
    return next((EXTRAS[place] for place in EXTRAS if name == place or name.startswith(f"{place}/")), "")


@pytest.mark.parametrize(
    ("folders", "extra", "groups"),
    [
        (PACKAGES, "", ()),
        *((PACKAGES, extra, (extra,)) for extra in EXTRAS.values()),
        (("tests", "benchmarks", "deploy"), "", ("dev",)),
    ],
)
def test_what_is_imported_is_declared(folders, extra, groups):
    """A fresh machine has what pyproject.toml names, and nothing that came with it by chance."""
    known = packages_distributions()
    ours = {*PACKAGES, "tests", "benchmarks", "deploy"} | {
        path.stem for path in (ROOT / "tests").rglob("*.py")
    }
    imported = {
        module.partition(".")[0]
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if needs(path) == extra
        for _, module in imports(path)
    }
    needed = {
        known.get(name, [name])[0].lower().replace("_", "-")
        for name in imported - set(sys.stdlib_module_names) - ours
    }
    assert needed - declared(*groups) == set()


def test_no_test_sleeps():
    """A test tells the clock; a live one waits for something that happens, through tests.waiting."""
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name != "waiting.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert wrong == []

"""Loading plugins from real distributions on sys.path: whatever is wrong is named, and the rest works on."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from secnet.agent.plugins import _contract_check as contract_check
from secnet.agent.plugins.plugin import PluginProblem
from secnet.agent.plugins.registry import Registry
from secnet.contract import CONTRACT_VERSION, BackendInfo, DriverInfo
from secnet_testing.sample_plugins import sample_entry_points

DRIVERS = "secnet.network_types"
BACKENDS = "secnet.ipam"
SECNET = metadata.version("secnet")
GOOD = """
from secnet_testing.sample_plugins import SlotDriver
class Driver(SlotDriver): ...
"""
Install = Callable[..., Registry]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one module on sys.path and load all plugins that are installed there."""
    before = set(sys.modules)
    folders: list[str] = []

    def add(
        source: str,
        name: str = "slot",
        *,
        dist: str = "thirdparty",
        group: str = DRIVERS,
        cls: str = "Driver",
        versions: tuple[object, ...] = (),
    ) -> Registry:
        module = f"plugin_of_{dist.replace('-', '_')}"
        folder = tmp_path / dist
        info = folder / f"{dist}-1.2.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        contract = "".join(f"{version} = {module}\n" for version in versions)
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{cls}\n[secnet.contract]\n{contract}")
        folders.append(str(folder))
        monkeypatch.syspath_prepend(str(folder))
        return Registry.load(only_from(folders))

    yield add
    for name in set(sys.modules) - before:
        del sys.modules[name]
    importlib.invalidate_caches()


def only_from(folders: list[str]) -> Callable[[str], list[importlib.metadata.EntryPoint]]:
    """The entry points of the distributions in these folders; whatever else this environment has is left out."""

    def source(group: str) -> list[importlib.metadata.EntryPoint]:
        found = [item for dist in importlib.metadata.distributions(path=folders) for item in dist.entry_points]
        return [item for item in found if item.group == group]

    return source


def only_problem(registry: Registry) -> PluginProblem:
    assert not registry.drivers
    assert not registry.backends
    (problem,) = registry.problems
    return problem


def test_a_third_party_plugin_is_loaded_with_distribution_and_version(install: Install) -> None:
    registry = install(GOOD)
    plugin = registry.drivers["slot"]
    assert (plugin.name, plugin.distribution, plugin.version) == ("slot", "thirdparty", "1.2")
    assert plugin.cls.__name__ == "Driver"
    assert plugin.info.needs_device
    assert not registry.problems


def test_what_is_installed_here_is_found_without_a_source(install: Install) -> None:
    install(GOOD, "slot", dist="found-by-default")
    assert "slot" in Registry.load().drivers


def driver(describe: str, body: str = "") -> str:
    return f"""
from secnet.contract import *
from secnet_testing.sample_plugins import SlotDriver
class Driver(SlotDriver):
    @classmethod
    def describe(cls):
        {describe}
    {body}
"""


def described(**changes: str) -> str:
    values: Mapping[str, str] = {"network_type": "'slot'", "summary": "'s'"} | changes
    return driver(f"return DriverInfo({', '.join(f'{key}={value}' for key, value in values.items())})")


PROPERTY = "{'title': 't', 'description': 'd', 'examples': [1], 'type': 'integer'}"


def options(properties: str, more: str = "'additionalProperties': False") -> str:
    return described(options=f"{{'type': 'object', 'properties': {properties}, {more}}}")


BROKEN = {
    "import": ("import no_such_module", "no_such_module"),
    "syntax": ("class", "SyntaxError"),
    "assertion": ("assert False, 'at import'", "AssertionError: at import"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "attribute": ("x = 1", "Driver"),
    "function": ("def Driver(): ...", "not a subclass of secnet.contract.NetworkDriver"),
    "other class": ("class Driver: ...", "not a subclass of secnet.contract.NetworkDriver"),
    "abstract": (
        "from secnet.contract import *\nclass Driver(NetworkDriver):\n"
        " @classmethod\n def describe(cls): return DriverInfo(network_type='slot', summary='s')",
        "attach, check, detach",
    ),
    "describe raises": (driver("raise OSError('no disk')"), "OSError: no disk"),
    "describe returns": (driver("return {}"), "DriverInfo"),
    "other name": (described(network_type="'slots'"), "'slots'"),
    "other version": (
        described(contract="99"),
        f"thirdparty 1.2 is made for contract version 99; this secnet {SECNET} has contract version {CONTRACT_VERSION}",
    ),
    "capability": (described(capabilities="frozenset({'magic'})"), "unknown magic"),
    "invalid schema": (described(options="{'type': 'objekt', 'properties': {}}"), "draft 2020-12"),
    "no object": (described(options="{'type': 'string'}"), "type object"),
    "open": (options("{}", "'title': 't'"), "additionalProperties: false"),
    "open inside": (
        options("{'a': {'title': 't', 'description': 'd', 'examples': [{}], 'type': 'object'}}"),
        "$.properties.a is open",
    ),
    "undocumented": (
        options("{'a': {'type': 'integer', 'title': 't'}}"),
        "$.properties.a has no description, examples",
    ),
    "core key": (options(f"{{'mtu': {PROPERTY}}}"), "mtu belongs to the core"),
    "bad example": (options(f"{{'a': {PROPERTY} | {{'examples': ['x']}}}}"), "example of a is refused"),
    "lost reference": (options(f"{{'a': {PROPERTY} | {{'$ref': '#/$defs/none'}}}}"), "not in it"),
    "refused example": (described(example="{'a': 1}"), 'unknown key "a"'),
    "vlan without option": (described(vlan="True"), "no integer option vlan"),
    "open node section": (described(node="{'type': 'object', 'properties': {}}"), "node: $ is open"),
}


@pytest.mark.parametrize(("source", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_driver_is_a_problem_with_its_name(install: Install, source: str, words: str) -> None:
    problem = only_problem(install(source))
    assert (problem.group, problem.name, problem.distribution, problem.version) == (
        DRIVERS,
        "slot",
        "thirdparty",
        "1.2",
    )
    assert words in problem.error.message
    assert "thirdparty 1.2" in problem.error.subject
    assert problem.error.reason == "ContractViolation"
    assert problem.error.hint


NEWER = CONTRACT_VERSION + 1
UNKNOWN_FIELD = driver("return DriverInfo(network_type='slot', summary='s', colour='red')")


@pytest.mark.parametrize("source", ["import no_such_module", UNKNOWN_FIELD, described(summary="0", options="1"), GOOD])
def test_another_version_in_the_metadata_is_refused_before_anything_is_imported(install: Install, source: str) -> None:
    problem = only_problem(install(source, versions=(NEWER,)))
    assert problem.error.message == (
        f"thirdparty 1.2 is made for contract version {NEWER}; this secnet {SECNET} has contract version {CONTRACT_VERSION}"
    )
    assert problem.error.hint.startswith(f"secnet is older: upgrade it to a release with contract version {NEWER}")
    assert f"a release of thirdparty for contract version {CONTRACT_VERSION}" in problem.error.hint
    assert "plugin_of_thirdparty" not in sys.modules


def test_an_older_plugin_is_to_be_renewed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    # Patched: with the first version of the contract there can be no older plugin.
    monkeypatch.setattr(contract_check, "CONTRACT_VERSION", NEWER)
    problem = only_problem(install(described(contract=str(CONTRACT_VERSION))))
    assert f"contract version {CONTRACT_VERSION}; this secnet {SECNET} has contract version" in problem.error.message
    assert problem.error.hint.startswith(f"thirdparty is older: install a release of it for contract version {NEWER}")


def test_the_described_version_is_judged_before_the_rest_of_the_description(install: Install) -> None:
    other_class = driver(f"import types; return types.SimpleNamespace(contract={NEWER}, colour='red')")
    assert f"made for contract version {NEWER}" in only_problem(install(other_class)).error.message
    wrong = described(contract=str(NEWER), network_type="'slots'", options="{'type': 'objekt'}")
    assert f"made for contract version {NEWER}" in install(wrong, "second", dist="second").problems[0].error.message


@pytest.mark.parametrize("versions", [(CONTRACT_VERSION,), (CONTRACT_VERSION, NEWER), ()])
def test_a_plugin_may_serve_several_versions_or_keep_silent(install: Install, versions: tuple[object, ...]) -> None:
    assert list(install(GOOD, versions=versions).drivers) == ["slot"]


@pytest.mark.parametrize("version", ["one", "-1", "1.0", "0", "01"])
def test_what_is_no_version_is_refused(install: Install, version: str) -> None:
    problem = only_problem(install(GOOD, versions=(version,)))
    assert f"{version!r} in the entry-point group secnet.contract" in problem.error.message


@pytest.mark.parametrize("source", ["from secnet.contract import NoSuchName", UNKNOWN_FIELD])
def test_a_plugin_that_is_silent_and_fails_may_be_of_another_version(install: Install, source: str) -> None:
    silent = only_problem(install(source))
    assert f"does not say for which contract version it was made, and this secnet has version {CONTRACT_VERSION}" in (
        silent.error.hint
    )
    explicit = install(source, "explicit", dist="explicit", versions=(CONTRACT_VERSION,)).problem(DRIVERS, "explicit")
    assert explicit is not None
    assert "does not say" not in explicit.error.hint
    assert explicit.error.message == silent.error.message.replace("thirdparty", "explicit")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("from secnet.contract import NetworkDriver\nimport json\n\njson.loads('{')\n", 4),
        ("import no_such_module", 1),
        ("x = 1\ndef Driver(:\n", 2),
        (driver("return no_such_name"), 7),
    ],
)
def test_where_it_fails_is_named(install: Install, source: str, line: int) -> None:
    message = only_problem(install(source)).error.message
    assert message.endswith(f"/thirdparty/plugin_of_thirdparty.py, line {line})"), message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{\n  'a': 1}", "options.json of the package thing cannot be read: Expecting"),
        ("[]", "options.json of the package thing is no JSON object"),
        (None, "options.json of the package thing cannot be read: No such file"),
    ],
)
def test_a_fragment_that_cannot_be_read_is_named(
    install: Install, content: str | None, words: str, tmp_path: Path
) -> None:
    source = driver("return load_fragment('thing', 'options.json')")
    package = tmp_path / "thirdparty" / "thing"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    if content is not None:
        (package / "options.json").write_text(content)
    assert words in only_problem(install(source)).error.message


@pytest.mark.parametrize("version", ["'2'", "2.0", "None", "True", "0", "-1"])
def test_a_described_version_that_is_no_number_is_refused(install: Install, version: str) -> None:
    problem = only_problem(install(described(contract=version)))
    assert f"describe() of thirdparty 1.2 says contract={eval(version)!r}" in problem.error.message


@pytest.mark.parametrize("version", ["1" * 5000, "10**5000", "-10**5000"])
def test_a_version_of_5000_digits_is_refused(install: Install, version: str) -> None:
    declared = version.isdecimal()
    problem = only_problem(
        install(GOOD if declared else described(contract=version), versions=(version,) if declared else ())
    )
    assert "which is no contract version" in problem.error.message
    assert "thirdparty 1.2" in problem.error.message
    assert len(problem.error.message) < 200


def test_a_description_that_raises_when_it_is_checked(install: Install) -> None:
    vicious = driver("return type('Info', (), {'contract': property(lambda self: 1 / 0)})()")
    assert "ZeroDivisionError" in only_problem(install(vicious)).error.message


@pytest.mark.parametrize("cls", ["", "A B"])
def test_an_entry_point_that_names_no_class_is_reported(install: Install, cls: str) -> None:
    problem = only_problem(install(GOOD, cls=cls))
    assert problem.error.message.endswith("which does not name a class as MODULE:CLASS")
    assert 'slot = "MODULE:CLASS"' in problem.error.hint


def spoil(folder: Path, entry_points: str) -> None:
    """A distribution whose entry_points.txt has one line that is none."""
    info = folder / "spoilt-3.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spoilt\nVersion: 3.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_a_line_that_is_no_entry_point_is_a_problem_of_its_distribution(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(GOOD)
    spoil(tmp_path / "spoilt", f"[{DRIVERS}]\njust words\n")
    monkeypatch.syspath_prepend(str(tmp_path / "spoilt"))
    registry = Registry.load()
    assert "slot" in registry.drivers
    (problem,) = [item for item in registry.problems if item.distribution == "spoilt"]
    assert (problem.group, problem.name, problem.version) == (DRIVERS, "entry_points.txt", "3.0")
    assert "spoilt 3.0 has an entry_points.txt that cannot be read" in problem.error.message


def test_a_spoilt_distribution_without_plugins_is_not_ours_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(tmp_path, "[console_scripts]\njust words\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "spoilt" not in {item.distribution for item in Registry.load().problems}


def test_a_distribution_without_metadata_is_an_unknown_one(install: Install, tmp_path: Path) -> None:
    install(GOOD, dist="first")
    (tmp_path / "first" / "first-1.2.dist-info" / "METADATA").unlink()
    registry = install(GOOD.replace("SlotDriver", "WireDriver"), "vlan", dist="second", versions=(NEWER,))
    assert registry.drivers["slot"].distribution == "an unknown distribution"
    (tmp_path / "second" / "second-1.2.dist-info" / "METADATA").unlink()
    problem = only_problem(Registry.load(only_from([str(tmp_path / "second")])))
    assert problem.error.message.startswith("an unknown distribution is made for contract version")
    assert "None" not in str(problem.error)
    refusal = Registry(problems=(problem,)).unusable(DRIVERS, "vlan", "network type")
    assert "?" not in str(refusal)


def test_metadata_and_description_that_disagree_blame_the_plugin(install: Install) -> None:
    problem = only_problem(install(described(contract=str(NEWER)), versions=(CONTRACT_VERSION, NEWER)))
    assert (
        f"names contract version {CONTRACT_VERSION} in its metadata, but describe() says {NEWER}"
        in problem.error.message
    )
    assert "its authors" in problem.error.hint


def test_versions_on_both_sides_ask_for_the_newer_secnet(install: Install) -> None:
    problem = only_problem(install(GOOD, versions=(NEWER, NEWER + 1)))
    assert f"upgrade it to a release with contract version {NEWER} or {NEWER + 1}, or" in problem.error.hint


def test_of_two_providers_the_one_of_our_version_is_used(install: Install) -> None:
    install(GOOD, dist="misfit", versions=(NEWER,))
    registry = install(GOOD, dist="fitting", versions=(CONTRACT_VERSION,))
    assert registry.drivers["slot"].distribution == "fitting"
    assert [problem.distribution for problem in registry.problems] == ["misfit"]


def test_silence_means_the_first_version_for_ever() -> None:
    """A default that grew with the contract would pass an old plugin off as a new one."""
    assert DriverInfo(network_type="a", summary="b").contract == 1
    assert BackendInfo(ipam_type="a", summary="b").contract == 1


def backend(**changes: str) -> str:
    values: Mapping[str, str] = {"ipam_type": "'pools'", "summary": "'s'"} | changes
    arguments = ", ".join(f"{key}={value}" for key, value in values.items())
    return f"""
from secnet.contract import *
from secnet_testing.sample_plugins import PoolBackend
class Driver(PoolBackend):
    @classmethod
    def describe(cls):
        return BackendInfo({arguments})
"""


BROKEN_BACKENDS = {
    "phase": (backend(phase="'whenever'"), "before_link, after_link"),
    "capability": (backend(capabilities="frozenset({'mac'})"), "known are ips"),
    "type key": (
        backend(config=f"{{'type': 'object', 'properties': {{'type': {PROPERTY}}}, 'additionalProperties': False}}"),
        "type belongs to the core",
    ),
    "driver": (GOOD, "not a subclass of secnet.contract.IPAMBackend"),
}


@pytest.mark.parametrize(("source", "words"), BROKEN_BACKENDS.values(), ids=BROKEN_BACKENDS)
def test_a_broken_backend_is_a_problem_with_its_name(install: Install, source: str, words: str) -> None:
    problem = only_problem(install(source, "pools", group=BACKENDS))
    assert (problem.group, problem.name, problem.distribution) == (BACKENDS, "pools", "thirdparty")
    assert words in problem.error.message


def test_a_broken_plugin_leaves_the_others_alone(install: Install) -> None:
    install("import no_such_module", "bad", dist="bad")
    registry = install(GOOD, dist="good")
    assert list(registry.drivers) == ["slot"]
    assert registry.problem(DRIVERS, "bad") == registry.problems[0]
    assert registry.problem(DRIVERS, "slot") is None


def test_all_of_duplicates_are_refused_and_both_distributions_named(install: Install) -> None:
    install(GOOD, dist="first")
    install(GOOD.replace("SlotDriver", "WireDriver"), "vlan", dist="between")
    registry = install(GOOD, dist="second")
    assert list(registry.drivers) == ["vlan"]
    assert {problem.distribution for problem in registry.problems} == {"first", "second"}
    for problem in registry.problems:
        assert "first" in problem.error.message
        assert "second" in problem.error.message
        assert "uninstall" in problem.error.hint


def test_of_two_providers_the_one_that_can_be_loaded_is_used(install: Install) -> None:
    install("import no_such_module", dist="broken")
    registry = install(GOOD, dist="whole")
    assert registry.drivers["slot"].distribution == "whole"
    assert [problem.distribution for problem in registry.problems] == ["broken"]


def test_the_traceback_of_a_failed_import_is_in_the_debug_log(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="secnet")
    install("{}['x']")
    (record,) = [record for record in caplog.records if record.name.startswith("secnet.")]
    assert record.levelno == logging.DEBUG
    assert record.exc_info is not None
    assert isinstance(getattr(record.exc_info[1], "__cause__", None), KeyError)


def test_the_samples_are_sound() -> None:
    registry = Registry.load(sample_entry_points)
    assert (set(registry.drivers), set(registry.backends), registry.problems) == ({"vlan", "slot"}, {"pools"}, ())
    assert registry.drivers["vlan"].distribution

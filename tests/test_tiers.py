"""The tiers and the promise, tried by running pytest on small test files."""

import pytest

SKIPS = """
    import pytest

    @pytest.mark.kernel
    def test_needs_a_link():
        pytest.skip("lacks the link kind vlan")

    def test_plain():
        pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of its own that uses the plugin under test."""
    pytester.makeini("[pytest]\nmarkers =\n    unit\n    kernel\n    ovs\n    nodes\n    kit\n    fresh\n")
    pytester.makeconftest("pytest_plugins = ['tiers']")
    return pytester


def test_without_a_promise_a_skip_is_a_skip(inner: pytest.Pytester) -> None:
    inner.makepyfile(SKIPS)
    result = inner.runpytest("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["tier kernel: 0 ran, 1 skipped", "SKIPPED*lacks the link kind vlan"])
    assert result.ret == 0


def test_a_skip_in_a_promised_tier_fails_and_is_named(inner: pytest.Pytester) -> None:
    inner.makepyfile(SKIPS)
    result = inner.runpytest("--promise=unit,kernel")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["promise broken: *test_needs_a_link: promised tier kernel: *lacks the link kind vlan"])
    assert result.ret == 1


def test_a_skip_in_another_tier_than_the_promised_one_stays(inner: pytest.Pytester) -> None:
    inner.makepyfile(SKIPS)
    result = inner.runpytest("--promise=unit")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0


def test_a_skip_by_mark_or_fixture_counts_too(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest

        @pytest.fixture
        def root():
            pytest.skip("lacks root")

        @pytest.mark.skip(reason="lacks time")
        def test_marked():
            pass

        def test_by_fixture(root):
            pass
        """
    )
    result = inner.runpytest("--promise=unit")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["promise broken: *lacks time", "promise broken: *lacks root"])


def test_a_module_that_skips_itself_breaks_the_promise(inner: pytest.Pytester) -> None:
    inner.makepyfile("import pytest\npytest.importorskip('no_such_module')")
    result = inner.runpytest("--promise=unit")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["promise broken: *could not import 'no_such_module'*"])


def test_a_promised_tier_without_a_test_fails(inner: pytest.Pytester) -> None:
    inner.makepyfile("def test_plain(): pass")
    result = inner.runpytest("--promise=unit,nodes")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["promise broken: no test of tier nodes ran"])
    assert result.ret == 1


def test_who_picks_tests_need_not_run_every_tier(inner: pytest.Pytester) -> None:
    inner.makepyfile("def test_plain(): pass")
    assert inner.runpytest("--promise=unit,nodes", "-k", "plain").ret == 0
    assert inner.runpytest("--promise=unit,nodes", ".").ret == 0


def test_an_expected_failure_is_no_skip(inner: pytest.Pytester) -> None:
    inner.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_known(): assert False")
    result = inner.runpytest("--promise=unit")
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0


def test_the_folder_gives_the_tier_and_a_mark_overrides_it(inner: pytest.Pytester) -> None:
    folder = inner.mkdir("ovs")
    (folder / "test_ports.py").write_text(
        "import pytest\ndef test_port(): pass\n@pytest.mark.nodes\ndef test_wire(): pass\n"
    )
    inner.makepyfile("def test_plain(): pass")
    assert "test_port" in _selected(inner, "ovs")
    assert "test_wire" not in _selected(inner, "ovs")
    assert "test_wire" in _selected(inner, "nodes")
    assert "test_plain" in _selected(inner, "unit")


def _selected(inner: pytest.Pytester, tier: str) -> str:
    return inner.runpytest("-m", tier, "--collect-only", "-q").stdout.str()


def test_a_misspelt_tier_is_refused(inner: pytest.Pytester) -> None:
    result = inner.runpytest("--promise=kernal")
    result.stderr.fnmatch_lines(
        ["*--promise: kernal is none of unit, kernel, ovs, nodes, runtime, kit, thirdparty, vm, kubernetes, fresh"]
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR

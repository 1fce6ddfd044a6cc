"""The pytest plugin, known to pytest as `laneway`: `pytest --laneway-policy policies/ --hosts=ssh://edge1,ssh://edge2`.

Importing this module costs nothing that pytest has not paid already: the rest of laneway is loaded when the option is
given, or the fixture asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from laneway.verify.asking import Ask
    from laneway.verify.suite import Hosts

_OPTION = "laneway_policy"
_NODE = "laneway["
"""What the node ids of the added tests begin with."""

_STRICT = "laneway_strict"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("laneway", "verify hosts against a laneway policy")
    group.addoption(
        "--laneway-policy",
        dest=_OPTION,
        metavar="PATH",
        action="append",
        help="Add a test for each tenant and side of it, on each of --hosts. Given again, the files are one policy. "
        "HOST=PATH is of that host alone, and {host} in a path stands for its name.",
    )
    group.addoption(
        "--laneway-strict", dest=_STRICT, action="store_true", help="Take the doctor's warnings for errors."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker that the added tests have: `-m laneway` runs them alone."""
    config.addinivalue_line("markers", "laneway: a test that --laneway-policy adds")
    config.addinivalue_line("markers", "xdist_group(name): tests that one worker runs, with --dist=loadgroup")
    # Their node ids are no paths, for which pytest takes its arguments.
    config.stash[_CHOSEN] = [each for each in config.args if each.startswith(_NODE)]
    if config.stash[_CHOSEN] and config.getoption(_OPTION):
        config.args = [each for each in config.args if not each.startswith(_NODE)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests, before anybody chooses among them."""
    if not config.getoption(_OPTION):
        return
    from laneway.verify import suite

    hosts = _named(config)
    _hosts(config).load(hosts)
    added = [item for host in hosts for item in session.genitems(suite.host_node(session, _hosts(config), host))]
    chosen = config.stash[_CHOSEN]
    for each in chosen:
        if not any(_is_of(item, each) for item in added):
            raise pytest.UsageError(f"not found: {each}")
    items.extend(item for item in added if not chosen or any(_is_of(item, each) for each in chosen))


def _is_of(item: pytest.Item, chosen: str) -> bool:
    return item.nodeid == chosen or item.nodeid.startswith(f"{chosen}::")


@pytest.fixture
def laneway(request: pytest.FixtureRequest, host: Any) -> Ask:  # noqa: ANN401  testinfra's, which has no types
    """Return the host of the test, beside the policy of --laneway-policy, to ask about packets."""
    if not request.config.getoption(_OPTION):
        pytest.skip("needs --laneway-policy PATH")
    from laneway.verify.asking import Ask

    def note(told: str) -> None:
        # Shown below the test when it fails.
        request.node.add_report_section("call", "laneway", f"{told}\n")

    return Ask(_hosts(request.config).judgement(host), note)


_HOSTS = pytest.StashKey["Hosts"]()
_CHOSEN = pytest.StashKey[list[str]]()


def _hosts(config: pytest.Config) -> Hosts:
    """Return what reads the hosts, the same for the whole run."""
    from laneway.verify import suite

    if _HOSTS not in config.stash:
        config.stash[_HOSTS] = suite.Hosts(config.getoption(_OPTION), strict=config.getoption(_STRICT))
    return config.stash[_HOSTS]


def _named(config: pytest.Config) -> list[Any]:
    """Return the hosts of testinfra's own options, this one when there are none."""
    try:
        import testinfra
    except ImportError:
        raise pytest.UsageError("--laneway-policy needs testinfra: pip install 'laneway[verify]'") from None
    names = ("connection", "ssh_config", "ssh_identity_file", "sudo", "sudo_user", "ansible_inventory", "force_ansible")
    options = {name: config.getoption(name, None) for name in names}
    chosen = config.getoption("hosts", None)
    found = testinfra.get_hosts(chosen.split(",") if chosen else [None], **options)
    return sorted(found, key=lambda each: str(each.backend.get_pytest_id()))

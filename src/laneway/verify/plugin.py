"""The pytest plugin, known to pytest as `laneway`: `pytest --laneway-policy policies/ --hosts=ssh://edge1,ssh://edge2`.

Importing this module costs nothing that pytest has not paid already: the rest of laneway is loaded when the option is
given, or the fixture asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from laneway.verify.asking import Ask
    from laneway.verify.suite import Hosts

_OPTION = "laneway_policy"
_STRICT = "laneway_strict"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    group = parser.getgroup("laneway", "verify hosts against a laneway policy")
    group.addoption(
        "--laneway-policy",
        dest=_OPTION,
        metavar="PATH",
        action="append",
        help="Add a test for each tenant and side of it, on each of --hosts. Given again, the files are one policy.",
    )
    group.addoption(
        "--laneway-strict", dest=_STRICT, action="store_true", help="Take the doctor's warnings for errors."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker that the added tests have: `-m laneway` runs them alone."""
    config.addinivalue_line("markers", "laneway: a test that --laneway-policy adds")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests, before anybody chooses among them."""
    if not config.getoption(_OPTION):
        return
    from laneway.verify import suite

    for host in _named(config):
        node = suite.host_node(session, _hosts(config), host)
        items.extend(session.genitems(node))


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


def _hosts(config: pytest.Config) -> Hosts:
    """Return what reads the hosts, the same for the whole run."""
    from laneway.verify import suite

    if _HOSTS not in config.stash:
        config.stash[_HOSTS] = suite.Hosts(
            suite.policy_at([Path(each) for each in config.getoption(_OPTION)]), strict=config.getoption(_STRICT)
        )
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

"""The files of the service, as text; what systemd makes of them is tested in integration/install."""

from __future__ import annotations

import pytest

from laneway.service.files import FLUSHING, UNITS, service_files


def test_every_unit_calls_the_laneway_that_was_named() -> None:
    texts = {each.path: each.text for each in service_files("/opt/bin/laneway")}

    for unit in UNITS:
        lines = texts[f"systemd/system/{unit}"].splitlines()
        assert [line for line in lines if line.startswith("ExecStart=/opt/bin/laneway ")]
    assert not [path for path, text in texts.items() if "@" in text]


@pytest.mark.parametrize(
    ("command", "called"),
    [("/usr/bin/laneway", "/usr/bin/laneway"), ("/srv/my tools/100%/laneway", '"/srv/my tools/100%%/laneway"')],
)
def test_a_path_is_quoted_as_systemd_reads_it(command: str, called: str) -> None:
    boot = next(each.text for each in service_files(command) if each.path.endswith("laneway-boot.service"))

    assert f"ExecStart={called} apply --in-force --wait 60\n" in boot


def test_a_service_that_has_no_reload_gets_none() -> None:
    texts = {each.path: each.text for each in service_files("/usr/bin/laneway")}

    reloading = {unit for unit in FLUSHING if "ExecReload=" in texts[f"systemd/system/{unit}.d/laneway.conf"]}

    assert reloading == {"nftables.service", "firewalld.service", "iptables.service", "ip6tables.service"}

import datetime as dt
import io
import tomllib
import zipfile
from pathlib import Path

import pytest
from flwr.app.user_config import UserConfig

from simulations.engines.control import Control, bundle_without_code
from simulations.engines.credentials import make_link_credentials
from simulations.engines.errors import EngineError
from simulations.engines.processes import free_ports


def test_the_bundle_holds_names_and_configuration_and_no_code() -> None:
    config: UserConfig = {"rounds": 12, "dry": True, "share": 0.5, "title": '重庆 "\\ \n', "result-path": "/tmp/x y"}
    bundle = zipfile.ZipFile(io.BytesIO(bundle_without_code("a.server:app", "b.client:app", config)))
    assert sorted(bundle.namelist()) == [".info/CONTENT", "pyproject.toml"]
    app = tomllib.loads(bundle.read("pyproject.toml").decode())["tool"]["flwr"]["app"]
    assert app["config"] == config
    assert app["components"] == {"serverapp": "a.server:app", "clientapp": "b.client:app"}


@pytest.mark.parametrize("config", [{"Bad Key": 1}, {"x\ny": 1}, {"list": [1]}, {"nothing": None}])
def test_a_configuration_that_flower_cannot_carry_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(EngineError):
        bundle_without_code("a:app", "b:app", config)  # type: ignore[arg-type]  # that is the point


def test_a_link_that_does_not_answer_is_one_clear_error(tmp_path: Path) -> None:
    files = make_link_credentials(tmp_path, now=dt.datetime.now(dt.UTC))
    with Control(f"127.0.0.1:{free_ports(1)[0]}", files.authority) as control:
        assert not control.answers()
        with pytest.raises(EngineError, match="ConnectError"):
            control.status(1)

import base64
import hashlib
import io
import zipfile
from importlib.metadata import distribution

from kick.cli.provenance.wheel import PACKAGE, pack_wheel, wheel_name

KICK = distribution("kick-framework")
INFO = f"kick_framework-{KICK.version}.dist-info"


def opened() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(pack_wheel(KICK)))


def test_it_has_every_file_of_the_package_and_nothing_that_python_made_of_them() -> None:
    files = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert {name for name in opened().namelist() if not name.startswith(INFO)} == {
        name for name in files if "__pycache__" not in name
    }


def test_it_says_of_every_file_what_it_holds() -> None:
    wheel = opened()
    lines = [line.split(",") for line in wheel.read(f"{INFO}/RECORD").decode().splitlines()]
    assert [name for name, _, _ in lines] == wheel.namelist()
    for name, digest, size in lines[:-1]:
        data = wheel.read(name)
        made = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={made}", str(len(data)))
    assert lines[-1][1:] == ["", ""]  # RECORD itself


def test_it_has_the_metadata_of_the_installation_and_not_where_that_came_from() -> None:
    names = {name.removeprefix(f"{INFO}/") for name in opened().namelist() if name.startswith(INFO)}
    licences = {name for name in names if name.startswith("licenses/")}
    assert names - licences == {"METADATA", "WHEEL", "RECORD", "entry_points.txt"}
    assert {"licenses/LICENSE", "licenses/kick/openapi/page/swagger_ui/LICENSE"} <= licences


def test_the_same_files_are_the_same_bytes() -> None:
    assert pack_wheel(KICK) == pack_wheel(KICK)
    assert wheel_name(KICK) == f"kick_framework-{KICK.version}-py3-none-any.whl"

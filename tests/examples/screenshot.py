"""Makes the picture of the example page: `python -m tests.examples.screenshot [folder]`.

`example-auth.png` goes to `docs/images`. With a folder, the other states and sizes of the page go there, to be
looked at after a change of the page.
"""

import base64
import sys
import tempfile
from pathlib import Path

import httpx2
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from tests.examples.page import AuthPage
from tests.examples.people import Person
from tests.examples.served import served_auth
from tests.support.browser import open_browser
from tests.support.serving import ROOT

PICTURE = ROOT / "docs/images/example-auth.png"
DESKTOP, PHONE = 1200, 390
PHONE_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
ADA = Person("ada@example.org", "Ada Lovelace")


def take(browser: Chrome, file: Path, *, width: int = DESKTOP, dark: bool = False) -> None:
    """A picture of the whole page, as wide as this; a phone's has two dots for each pixel."""
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [_scheme(dark=dark)]})
    metrics = {"width": width, "height": 700, "deviceScaleFactor": 2 if width == PHONE else 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    height = browser.execute_script("return Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": height + 40})
    image = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    file.write_bytes(base64.b64decode(image["data"]))


def picture(browser: Chrome, url: str) -> None:
    """Somebody who is logged in here and on a phone, at a desk."""
    page = AuthPage(browser, url)
    page.open()
    page.register(**ADA.registration)
    httpx2.post(f"{url}/auth/login", json=ADA.credentials, headers={"user-agent": PHONE_AGENT}).raise_for_status()
    for _ in range(2):
        page.count()
    ActionChains(browser).move_to_element(page.one(".brand")).perform()
    browser.execute_script("document.activeElement.blur()")
    take(browser, PICTURE)


def other_pictures(browser: Chrome, folder: Path) -> None:
    page = AuthPage(browser, browser.current_url)
    for dark in (False, True):
        look = "dark" if dark else "light"
        for width, size in ((DESKTOP, "desktop"), (PHONE, "phone")):
            take(browser, folder / f"member-{size}-{look}.png", width=width, dark=dark)
    page.log_out()
    for dark in (False, True):
        look = "dark" if dark else "light"
        for width, size in ((DESKTOP, "desktop"), (PHONE, "phone")):
            take(browser, folder / f"stranger-{size}-{look}.png", width=width, dark=dark)
    page.submit("login", email=ADA.email, password="wrong")
    page.wait_for_text("The email or the password is wrong.")
    take(browser, folder / "wrong-password.png")
    page.submit("register", name=" ", email="ada@", password="short")
    page.wait_for_text("This does not look like an email address.")
    take(browser, folder / "errors-desktop-light.png")
    take(browser, folder / "errors-desktop-dark.png", dark=True)
    take(browser, folder / "errors-phone-light.png", width=PHONE)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with served_auth(folder) as url, open_browser(folder / "profile") as browser:
            picture(browser, url)
            assert browser.find_element(By.ID, "visits").text == "3"
            for name in arguments:
                Path(name).mkdir(parents=True, exist_ok=True)
                other_pictures(browser, Path(name))


def _scheme(*, dark: bool) -> dict[str, str]:
    return {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}


if __name__ == "__main__":
    main(sys.argv[1:])

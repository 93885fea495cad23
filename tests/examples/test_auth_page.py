"""The page of `examples/auth` in a real browser."""

from collections.abc import Iterator

import httpx2
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.examples.page import AuthPage
from tests.examples.people import Person

VISIT_TEN_TIMES = """
    const done = arguments[0];
    const visits = Array.from({length: 10}, () => fetch("/auth/visits", {method: "POST"}));
    Promise.all(visits).then((answers) => done(answers.map((answer) => answer.status)));
"""


@pytest.fixture
def page(browser: Chrome, auth_url: str) -> Iterator[AuthPage]:
    page = AuthPage(browser, auth_url)
    page.open()
    yield page
    refused = [
        entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]
    ]
    assert refused == []


@pytest.fixture
def member(page: AuthPage, ada: Person) -> AuthPage:
    page.register(**ada.registration)
    return page


def focus_of(page: AuthPage) -> str:
    return str(page.browser.execute_script("return document.activeElement.id"))


def test_somebody_registers_logs_in_sees_themselves_and_logs_out(page: AuthPage, ada: Person) -> None:
    page.register(**ada.registration)
    assert "Hello, Ada" in page.text
    page.log_out()
    assert "You are logged out." in page.text
    assert ada.email not in page.browser.page_source

    page.log_in(**ada.credentials)

    assert "Hello, Ada" in page.text
    assert ada.email in page.text
    assert page.values.keys() == {"user_id", "logged_in_at", "visits"}
    assert page.values["visits"] == "1"
    page.log_out()
    assert not page.is_logged_in


def test_every_login_shows_a_new_session(member: AuthPage, ada: Person) -> None:
    first = member.session_name
    member.log_out()
    member.log_in(**ada.credentials)
    assert member.session_name != first


def test_two_tabs_count_together(member: AuthPage) -> None:
    browser = member.browser
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    member.open()
    member.wait_for_visits(2)
    name = member.session_name
    member.count()

    browser.switch_to.window(first)
    member.wait_for_visits(3)
    assert member.session_name == name
    member.count()

    browser.switch_to.window(browser.window_handles[1])
    member.wait_for_visits(4)


def test_no_visit_is_lost_when_two_tabs_count_at_the_same_moment(member: AuthPage) -> None:
    browser = member.browser
    first = browser.current_window_handle
    browser.execute_script(f"window.counted = new Promise((done) => ((...arguments) => {{{VISIT_TEN_TIMES}}})(done));")
    browser.switch_to.new_window("tab")
    member.open()
    assert browser.execute_async_script(VISIT_TEN_TIMES) == [200] * 10
    browser.switch_to.window(first)
    assert browser.execute_async_script("window.counted.then(arguments[0])") == [200] * 10

    browser.refresh()

    member.wait_for_visits(1 + 10 + 1 + 10 + 1)


def test_who_is_logged_in_stays_so_when_the_page_is_loaded_again(member: AuthPage) -> None:
    name = member.session_name
    member.browser.refresh()
    member.wait_for_visits(2)
    assert member.session_name == name
    assert "Hello, Ada" in member.text


def test_a_logout_in_one_tab_is_seen_in_the_other(member: AuthPage, ada: Person) -> None:
    browser = member.browser
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    member.open()
    member.wait_for_visits(2)
    member.log_out()

    browser.switch_to.window(first)

    member.wait_for("#login")
    assert "You are logged out." in member.text
    assert ada.email not in browser.page_source


def test_the_back_button_shows_nothing_private_after_a_logout(member: AuthPage, ada: Person) -> None:
    browser = member.browser
    first = browser.current_window_handle
    browser.get(f"{member.url}/static/icon.svg")
    browser.switch_to.new_window("tab")
    member.open()
    member.wait_for_visits(2)
    member.log_out()
    browser.switch_to.window(first)

    browser.back()

    member.wait_for("#login")
    assert ada.email not in browser.page_source
    assert not member.is_logged_in
    assert httpx2.get(member.url).headers["cache-control"] == "no-store"


def test_what_is_wrong_is_said_where_it_is(page: AuthPage, ada: Person) -> None:
    page.submit("register", name="", email="ada", password="short")
    page.wait_for("[aria-invalid]")
    errors = {name: page.one(f"#register-{name}-error").text for name in ("name", "email", "password")}
    assert errors == {
        "name": "Please enter a name.",
        "email": "This does not look like an email address.",
        "password": "Please take 8 characters or more.",
    }
    assert focus_of(page) == "register-name"
    described = page.one("#register-password").get_attribute("aria-describedby") or ""
    assert "register-password-error" in described

    page.register(**ada.registration)
    assert page.is_logged_in


def test_an_email_that_is_taken_is_said_at_the_email(member: AuthPage, ada: Person) -> None:
    member.log_out()
    member.submit("register", **ada.registration)
    member.wait_for("#register-email[aria-invalid]")
    assert member.one("#register-email-error").text == "There is an account with this email."
    assert focus_of(member) == "register-email"


def test_a_wrong_password_is_said_and_can_be_corrected(member: AuthPage, ada: Person) -> None:
    member.log_out()
    member.submit("login", email=ada.email, password="difference engine")
    member.wait_for_text("The email or the password is wrong.")
    assert member.one("#login .alert").get_attribute("role") == "alert"
    assert focus_of(member) == "login-password"
    member.log_in(**ada.credentials)
    assert member.is_logged_in


def test_the_other_devices_are_logged_out(member: AuthPage, ada: Person) -> None:
    with httpx2.Client(base_url=member.url, headers={"sec-fetch-site": "same-origin"}) as phone:
        phone.post("/auth/login", json=ada.credentials).raise_for_status()
        member.count()
        assert len(member.browser.find_elements(By.CSS_SELECTOR, "#devices li")) == 2

        member.one("#log-out-others").click()

        member.wait_for_text("One other device is logged out.")
        assert phone.get("/auth/me").status_code == 401
    assert len(member.browser.find_elements(By.CSS_SELECTOR, "#devices li")) == 1
    assert member.is_logged_in


def test_a_session_that_was_ended_elsewhere_ends_here_with_the_next_click(member: AuthPage, ada: Person) -> None:
    with httpx2.Client(base_url=member.url, headers={"sec-fetch-site": "same-origin"}) as phone:
        phone.post("/auth/login", json=ada.credentials).raise_for_status()
        phone.post("/auth/logout-others").raise_for_status()
    member.one("#count").click()
    member.wait_for("#login")
    assert "You are logged out." in member.text


def test_what_people_enter_stays_text(page: AuthPage, ada: Person) -> None:
    page.register(**{**ada.registration, "name": "<img src=x onerror=alert(1)>"})
    assert "Hello, <img src=x onerror=alert(1)>" in page.text
    assert page.browser.find_elements(By.CSS_SELECTOR, "#view img") == []


def test_a_keyboard_is_enough(page: AuthPage, ada: Person) -> None:
    browser = page.browser

    def press(*keys: str) -> None:
        browser.switch_to.active_element.send_keys(*keys)

    page.one("#tab-login").send_keys(Keys.ARROW_RIGHT)
    assert focus_of(page) == "tab-register"
    for value in ada.registration.values():
        press(Keys.TAB)
        press(value)
    press(Keys.ENTER)
    page.wait_for_visits(1)
    assert focus_of(page) == "greeting"

    press(Keys.TAB)
    while focus_of(page) != "count":
        press(Keys.TAB)
    press(Keys.ENTER)
    page.wait_for_visits(2)
    assert focus_of(page) == "count"


def test_every_box_has_a_label(page: AuthPage) -> None:
    unlabelled = "return [...document.querySelectorAll('input')].filter((each) => !each.labels.length).length"
    assert page.browser.execute_script(unlabelled) == 0
    assert len(page.browser.find_elements(By.TAG_NAME, "input")) == 5


def test_a_phone_needs_no_sideways_scrolling(member: AuthPage) -> None:
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    member.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    width = "return document.documentElement.scrollWidth"
    assert member.browser.execute_script(width) == 360
    member.log_out()
    assert member.browser.execute_script(width) == 360

"""How to get to a provider: from the environment alone, and the key is shown nowhere."""

from __future__ import annotations

import pytest

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.credentials import (
    PLACES,
    PLAIN_HTTP,
    access_to,
    address_problem,
    shown_address,
    travels_readable,
    without_password,
)

OPENAI = PLACES[Provider.OPENAI]
OWN = "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize("environ", [{}, {OPENAI.key: "", OPENAI.base_url: ""}, {OPENAI.key: "  "}])
def test_without_a_key_or_an_address_there_is_no_way(environ):
    assert access_to(Provider.OPENAI, environ, timeout_seconds=5.0) is None


def test_a_key_leads_to_the_usual_address():
    access = access_to(Provider.OPENAI, {OPENAI.key: " secret\n"}, timeout_seconds=5.0)
    assert access is not None
    assert (access.key, access.url, access.own_server, access.timeout_seconds) == ("secret", OPENAI.url, False, 5.0)


@pytest.mark.parametrize(("key", "kept"), [({}, ""), ({OPENAI.key: "secret"}, "secret")])
def test_an_address_leads_to_an_own_server_which_may_need_no_key(key, kept):
    access = access_to(Provider.OPENAI, key | {OPENAI.base_url: f" {OWN} "}, timeout_seconds=5.0)
    assert access is not None
    assert (access.key, access.url, access.own_server) == (kept, OWN, True)


def test_the_key_is_in_no_printed_form():
    access = access_to(Provider.OPENAI, {OPENAI.key: "secret"}, timeout_seconds=5.0)
    assert "secret" not in f"{access!r} {access}"


def test_each_provider_has_variables_of_its_own():
    assert PLACES.keys() == set(Provider) - {Provider.MOCK}
    names = [name for place in PLACES.values() for name in (place.key, place.base_url)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("", False),
        ("https://judge.example/v1", False),
        ("http://127.0.0.1:8080/v1", False),
        ("http://127.8.9.1/v1", False),
        ("http://localhost:8080/v1", False),
        ("http://[::1]:8080/v1", False),
        ("http://judge.example/v1", True),
        ("http://127.0.0.1.evil.example/v1", True),
        ("http://127.0.0.1@evil.example/v1", True),
        ("http://192.168.1.2/v1", True),
        ("HTTP://judge.example", True),
        ("ftp://judge.example", True),
        ("judge.example/v1", True),
        ("http://[", True),
    ],
)
def test_key_and_essays_leave_the_machine_encrypted(url, readable):
    assert travels_readable(OPENAI, {OPENAI.base_url: url}) is readable
    assert not travels_readable(OPENAI, {OPENAI.base_url: url, PLAIN_HTTP: "1"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", OPENAI.url),
        ("https://judge.example:8443/v1?key=hush", "https://judge.example:8443/v1"),
        ("https://me:hush@judge.example/v1#hush", "https://judge.example/v1"),
        ("http://[", f"what {OPENAI.base_url} holds"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url, shown):
    assert shown_address(Provider.OPENAI, {OPENAI.base_url: url}) == shown
    assert shown_address(Provider.OPENAI, {}) == OPENAI.url


@pytest.mark.parametrize(
    "url",
    [
        OWN,
        "https://judge.example",
        "HTTPS://judge.example:8443/v1/",
        "http://me:hush@judge.example/v1",
        "http://[::1]/",
    ],
)
def test_an_address_of_an_api_has_no_problem(url):
    assert address_problem(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("judge.example/v1", "it has no scheme: write http://judge.example/v1"),
        ("me:hush@judge.example", "it has no scheme: write http://judge.example"),
        ("//me:hush@judge.example/v1", "it has no scheme: write http:////judge.example/v1"),
        ("http://[", "it is no address"),
        ("http://judge.example:many", "it is no address"),
        ("ftp://judge.example/v1", "its scheme is ftp: write http:// or https://"),
        ("http:///v1", "it is no address of the form http://host:port/path"),
        ("http://judge.example:0/v1", "it is no address of the form http://host:port/path"),
        ("http://judge.example/v1?key=hush", "it is no address of the form http://host:port/path"),
        ("http://judge.example/v1#part", "it is no address of the form http://host:port/path"),
        (
            "http://me:hush@judge.example/v1/chat/completions/",
            "it names one question of the API: write http://judge.example/v1",
        ),
        ("https://judge.example/v1/messages", "it names one question of the API: write https://judge.example"),
    ],
)
def test_what_is_no_address_of_an_api_is_said_with_the_remedy_and_without_a_password(url, problem):
    assert address_problem(url) == problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:hush@judge.example/a@b", "http://judge.example/a@b"),
        ("me@judge.example", "judge.example"),
        ("http://judge.example/v1?mail=a@b", "http://judge.example/v1?mail=a@b"),
        ("svn+ssh://me:hu:sh@host#x", "svn+ssh://host#x"),
    ],
)
def test_user_and_password_are_left_out_of_an_address(url, shown):
    assert without_password(url) == shown

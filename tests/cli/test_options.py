"""The option table: each way of giving a setting means the same, errors name that way, and help shows every option."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import get_args
from uuid import UUID

import pytest
import tomli_w
import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from eng5_runner.app.assemble import build_spec
from eng5_runner.app.options.option import PANELS, Setting
from eng5_runner.app.options.table import SETTINGS
from eng5_runner.app.settings import Resolved, resolve, settings_from
from eng5_runner.cli.app import app
from eng5_runner.cli.parameters import OPTIONS
from eng5_runner.cli.verbs import VERBS
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError, InputsMissing, RunnerError, UsageError
from tests.support.options_table import options_text
from tests.support.run.runs import make_inputs
from tests.support.runner import DEMO, clean_environment, run

INPUTS, _ = make_inputs()
ROOT = Path(__file__).parents[2]
# Of what a start must not load, the slowest of each kind.
HEAVY = {"aiohttp", "asyncio", "jsonschema", "numpy", "pydantic", "rich", "scipy", "sqlalchemy", "structlog"}
LIGHT = {"pydantic", "structlog"}
COMMANDS = {f"eng5_runner.cli.commands.{verb.module}" for verb in VERBS.values()}
TEXTS = {
    "assignment_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    "course_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca428",
    "content_service_url": "http://localhost:1/v1/content",
    "cj_service_url": "http://localhost:2",
    "further_models": "openai/gpt-5.1,openrouter/a/b",
    "llm_provider_service_url": "http://localhost:3/api/v1",
}
ids = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)


@cache
def command() -> object:
    return typer.main.get_command(app)


def from_command_line(*arguments: str, environment: Mapping[str, str] | None = None) -> Resolved:
    """The settings of the words of a command line."""
    context = command().make_context("eng5-runner", list(arguments))
    given = {key: value for key, value in context.params.items() if value is not None and key in KEYS}
    return resolve(given, environment=environment or {})


KEYS = {setting.key for setting in OPTIONS}


def another_value(setting: Setting, folder: Path) -> object:
    """A value that is not the default, as Python has it."""
    if setting.choices:
        return next(choice for choice in reversed(setting.choices) if choice != str(setting.default))
    if setting.kind is Path:
        path = folder / "file.csv"
        path.write_text("essay_a,essay_b\nbirk,cleo\n")
        return str(path)
    by_kind = {bool: setting.default is False, int: 7, float: 0.5, str: TEXTS.get(setting.name, "some-text")}
    return 2.5 if setting.name == "comparisons_per_essay" else by_kind[setting.kind]


def words(setting: Setting, value: object) -> list[str]:
    if setting.kind is bool:
        return [setting.flags[0] if value else setting.flags[1]]
    return [setting.flag, str(value)]


@ids
def test_flag_variable_file_and_argument_mean_the_same(setting: Setting, tmp_path: Path) -> None:
    value = another_value(setting, tmp_path)
    file = tmp_path / "settings.toml"
    file.write_text(tomli_w.dumps({setting.key: value}))
    ways = {
        "flag": from_command_line(*words(setting, value)),
        "environment": resolve({}, environment={setting.env: str(value)}),
        "file": from_command_line("--config", str(file)),
        "argument": settings_from(**{setting.key: value}),
    }
    for origin, resolved in ways.items():
        assert resolved.settings == ways["flag"].settings
        assert resolved.origins == {key: origin if key == setting.key else "default" for key in KEYS - {"config"}}
    assert ways["flag"].settings != settings_from().settings

    again = tmp_path / "config.resolved.toml"
    again.write_bytes(ways["flag"].to_toml())
    assert from_command_line("--config", str(again)).settings == ways["flag"].settings


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.option.spec], ids=lambda setting: setting.key)
def test_a_setting_stands_where_the_table_says_in_the_spec(setting: Setting, tmp_path: Path) -> None:
    value = another_value(setting, tmp_path)
    execution = {} if setting.name in ("mode", "stack") else {"mode": "execute", "stack": "remote"}

    def spec(**more: object) -> RunSpec:
        return build_spec(settings_from(**execution | more).settings, INPUTS, run_id=UUID(int=1), label="a")

    of_boundary = {"design": "boundary", "pairs": str(tmp_path / "pairs.csv")}
    with_pairs = of_boundary if value == "boundary" or setting.name == "stop_decided" else {}
    (tmp_path / "pairs.csv").write_text("essay_a,essay_b\nbirk,cleo\n")
    changed = spec(**{setting.key: value} | with_pairs)
    text = Path(str(value)).read_text().strip() if setting.name in ("system_prompt", "rubric") else str(value)
    assert str(_at(changed, setting.option.spec)) == text
    assert _at(spec(), setting.option.spec) != _at(changed, setting.option.spec)


def _at(spec: RunSpec, place: str) -> object:
    value: object = spec
    for name in place.split("."):
        value = value and getattr(value, name)
    return value


def test_flags_count_before_variables_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('batch-id = "file"\nseed = 1\nmax_cost = 1\n')
    variables = {"ENG5_SEED": "2", "ENG5_MAX_COST": "2", "ENG5_CONFIG": str(file), "ENG5_REPEATS": ""}
    resolved = from_command_line("--max-cost", "3", environment=variables)
    settings, origins = resolved.settings, resolved.origins
    assert (settings.batch_id, settings.seed, settings.max_cost, settings.repeats) == ("file", 2, 3.0, 1)
    named = [origins[key] for key in ("batch_id", "seed", "max_cost", "repeats")]
    assert named == ["file", "environment", "flag", "default"]


# Settings that do not fit, and what the message and the remedy say, after the name of the way.
MISFITS = [
    ("design", "adaptve", "must be balanced, adaptive or boundary, not adaptve.", "Did you mean adaptive?"),
    ("design", "secret-0123", "must be balanced, adaptive or boundary.", ""),
    ("llm_provider", "antropic", "must be anthropic, openai, google, openrouter or mock, not", "mean anthropic?"),
    ("grade_scale", "swedish_8", "must be eng5_np_legacy_9_step", "Did you mean swedish_8_anchor?"),
    ("max_comparisons", "0", "must be a whole number of at least 1.", ""),
    ("max_comparisons", "many", "must be a whole number of at least 1.", ""),
    ("target_reliability", "1", "must be a number above 0 and below 1.", ""),
    ("target_reliability", "0,8", "must be a number above 0 and below 1, not 0,8.", "Write 0.8, with a decimal point."),
    ("max_cost", "5,", "must be a number above 0.", ""),
    ("llm_temperature", "2.1", "must be a number of at least 0 and at most 2.", ""),
    ("completion_timeout", "inf", "must be a number above 0.", ""),
    ("assignment_id", "7", "must be a UUID, such as", ""),
    ("cj_service_url", "http://user:secret@cj", "must be a URL", ""),
    ("cj_service_url", "cj:9095", "must be a URL", ""),
    ("kafka_topic_prefix", "a b", "must be at most 100 letters", ""),
]


@pytest.mark.parametrize("way", ["flag", "environment", "file", "argument"])
@pytest.mark.parametrize(("key", "value", "message", "remedy"), MISFITS)
def test_a_value_that_does_not_fit_is_named_as_it_was_given(
    key: str, value: str, message: str, remedy: str, way: str, tmp_path: Path
) -> None:
    setting = next(setting for setting in SETTINGS if setting.key == key)
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps({key.replace("_", "-"): value}))
    name, error = {
        "flag": (setting.flag, UsageError),
        "environment": (setting.env, ConfigurationError),
        "file": (f"{key.replace('_', '-')} in {file}", ConfigurationError),
        "argument": (key, UsageError),
    }[way]
    give = {
        "flag": lambda: from_command_line(setting.flag, value),
        "environment": lambda: resolve({}, environment={setting.env: value}),
        "file": lambda: from_command_line("--config", str(file)),
        "argument": lambda: settings_from(**{key: value}),
    }[way]
    with pytest.raises(RunnerError) as refused:
        give()
    assert type(refused.value) is error
    assert refused.value.message.startswith(f"{name} {message}")
    assert remedy in refused.value.remedy and "secret" not in str(refused.value)


def test_unknown_names_are_refused_with_what_is_near(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("max-comparison = 3\n")
    with pytest.raises(ConfigurationError, match="no setting max-comparison") as refused:
        settings_from(config=file)
    assert refused.value.remedy == "Did you mean max_comparisons?"
    with pytest.raises(UsageError, match="no setting max_comparison") as refused:
        settings_from(max_comparison=3)
    assert refused.value.remedy == "Did you mean max_comparisons?"
    ran = run("--max-comparison", 3, cwd=tmp_path)
    assert ran.code == 2 and "--max-comparisons" in ran.err


@pytest.mark.parametrize(
    ("text", "error"), [(None, InputsMissing), ("[", ConfigurationError), (b"\xff", ConfigurationError)]
)
def test_a_settings_file_that_cannot_be_used_is_named(text: object, error: type[RunnerError], tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else str(text).encode())
    with pytest.raises(error, match=r"s\.toml"):
        settings_from(config=file)


@pytest.mark.parametrize("key", ["assets", "output_dir", "batch_id"])
def test_a_path_that_is_no_utf8_is_refused_by_its_name(key: str) -> None:
    with pytest.raises(UsageError, match=f"{key} has letters that are not in UTF-8"):
        settings_from(**{key: "na\udcefve"})


def test_the_exit_code_says_where_the_value_came_from(tmp_path: Path) -> None:
    flag = run("--mode", "plan", "--assets", DEMO, "--design", "adaptve", cwd=tmp_path)
    assert flag.code == 2 and "--design must be" in flag.err and "Did you mean adaptive?" in flag.err
    variable = run("--mode", "plan", "--assets", DEMO, cwd=tmp_path, env={"ENG5_DESIGN": "adaptve"})
    assert variable.code == 78 and "ENG5_DESIGN must be" in variable.err


# Values that an option of one command does not take, and what is said of them.
REFUSED = [
    (("export", "r", "--format", "xls"), {}, 2, "--format: 'xls' is not one of 'csv', 'json', 'parquet', 'xlsx'."),
    (("stack", "serve", "foo"), {}, 2, "SERVICE: 'foo' is not one of 'content', 'cj', 'llm', 'identity'."),
    (("resume", "r", "--max-cost", "much"), {}, 2, "--max-cost must be a number."),
    (("resume", "r", "--metrics-port", "1.5"), {}, 2, "--metrics-port must be a whole number."),
    (("resume", "r"), {"ENG5_METRICS_PORT": "x"}, 78, "ENG5_METRICS_PORT must be a whole number."),
    (("resume", "r"), {"ENG5_YES": "perhaps"}, 78, "ENG5_YES must be true or false."),
    (("cache", "prune", "--older-than", "-3"), {}, 2, "--older-than must be at least 0."),
    (("cache", "prune", "--files", "--all"), {}, 2, "--files goes with no option that chooses judgements."),
]


@pytest.mark.parametrize(("words", "variables", "code", "message"), REFUSED)
def test_what_an_option_of_a_command_does_not_take_is_said_in_our_words(
    words: tuple[str, ...], variables: Mapping[str, str], code: int, message: str, tmp_path: Path
) -> None:
    ran = run(*words, "--json", cwd=tmp_path, env=variables)
    (line,) = ran.lines
    assert (ran.code, ran.err.splitlines()[0]) == (code, message)
    assert (line["event"], line["exit"], line["message"]) == ("Error", code, message)


def test_a_switch_takes_the_usual_words_for_yes_and_no() -> None:
    for word, value in (("1", True), ("Yes", True), ("off", False), ("FALSE", False)):
        assert resolve({}, environment={"ENG5_AWAIT_COMPLETION": word}).settings.await_completion is value
    with pytest.raises(ConfigurationError, match="ENG5_YES must be true or false"):
        resolve({}, environment={"ENG5_YES": "perhaps"})


# The table itself.

# The default of today, and what a ledger of before, which does not have the field, was made with. The idle time follows
# from whether a provider's batches are used.
_OF_BEFORE = {"top_up": (True, False), "soft_judgements": ("auto", "off"), "idle_timeout": (None, 900.0)}


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.option.spec], ids=lambda setting: setting.key)
def test_the_spec_has_the_same_default_and_bounds(setting: Setting) -> None:
    field = _spec_field(setting.option.spec)
    if setting.key in _OF_BEFORE:
        assert (setting.default, field.default) == _OF_BEFORE[setting.key]
    elif not field.is_required():  # an address has its default only where services were given
        assert setting.default == field.default
    in_spec = TypeAdapter(field.rebuild_annotation())
    for number in (-1, 0, 0.5, 1, 2, 3, 100, 101, 512, 513) if setting.bounds else ():
        assert _accepts(lambda n=number: settings_from(**{setting.key: n})) == _accepts(
            lambda n=number: in_spec.validate_python(n)
        )


def _spec_field(place: str) -> FieldInfo:
    model: type[BaseModel] = RunSpec
    *sections, name = place.split(".")
    for section in sections:
        annotation = model.model_fields[section].annotation
        model = next(part for part in (*get_args(annotation), annotation) if part is not type(None))
    return model.model_fields[name]


def _accepts(call: Callable[[], object]) -> bool:
    try:
        call()
    except (UsageError, ValidationError):
        return False
    return True


@ids
def test_every_setting_has_a_sentence_and_a_panel(setting: Setting) -> None:
    assert setting.option.help.endswith(".") and setting.option.panel in PANELS


def test_no_two_settings_share_a_name() -> None:
    for names in ([s.key for s in OPTIONS], [s.env for s in OPTIONS], [flag for s in OPTIONS for flag in s.flags]):
        assert len(names) == len(set(names))


# What people see.


def shown(*arguments: str, columns: int = 80) -> list[str]:
    env = clean_environment(ROOT, {"COLUMNS": str(columns)})
    ended = subprocess.run(
        [sys.executable, "-m", "eng5_runner", *arguments], env=env, capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()


@pytest.mark.parametrize("before", [(), ("preflight",)])
def test_help_fits_a_screen_and_help_all_shows_every_option_whole(before: tuple[str, ...]) -> None:
    short, long = shown(*before, "--help"), shown(*before, "--help-all")
    assert len(short) <= 60 and max(map(len, (*short, *long))) <= 80
    assert before or "  To run it:          eng5-runner --mode execute --assets FOLDER" in short
    assert before or short.index("Commands:") < short.index("Options that most studies need:")
    listed = {line.split()[0] for line in short if line.startswith("  --")}
    assert listed == {s.flag for s in OPTIONS if s.option.common} | {"--help", "--help-all", "--version"}
    everything = "\n".join(long)
    for setting in OPTIONS:
        assert f"  {' / '.join(setting.flags)} {setting.metavar}".rstrip() in everything
        assert f"[env:{setting.env}]" in everything
    assert [line.removesuffix(":") for line in long if line.removesuffix(":") in PANELS] == list(PANELS)


def loaded_by(*arguments: str, **environment: str) -> set[str]:
    """The packages that a call of the command line loads, and the modules of options, commands, contracts, results."""
    script = (
        "import sys; from eng5_runner.cli.app import app\n"
        f"try: app({list(arguments)}, prog_name='eng5-runner')\n"
        "except SystemExit as end: ended = end\n"
        "deep = tuple(f'eng5_runner.{name}.' for name in ('app.options', 'cli.commands', 'contracts', 'results'))\n"
        "names = {name for name in sys.modules if '.' not in name or name.startswith(deep)}\n"
        "print(); print(ended.code, sorted(names))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    code, _, names = ended.stdout.splitlines()[-1].partition(" ")
    assert code in {"0", "None"}, ended.stdout
    return set(eval(names))


@pytest.mark.parametrize("arguments", [("--help",), ("--help-all",), ("--version",)])
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "typer" in loaded and not loaded & (HEAVY | COMMANDS)


def test_python_looks_for_no_cycles_when_the_process_ends() -> None:
    script = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 10_000))\n"
        "sys.argv = ['eng5-runner', '--version']\n"
        "from eng5_runner.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize(("words", "place"), [("sta", "1"), ("resume runs/latest --me", "3")])
def test_completion_loads_no_statistics_and_no_services(words: str, place: str) -> None:
    words = {"COMP_WORDS": f"eng5-runner {words}", "COMP_CWORD": place}
    loaded = loaded_by(**words, _ENG5_RUNNER_COMPLETE="complete_bash")
    assert "typer" in loaded and not loaded & (HEAVY | COMMANDS) - LIGHT - {"eng5_runner.cli.commands.resume"}


def test_status_loads_no_statistics_and_no_services() -> None:
    loaded = loaded_by("status", str(ROOT / "tests" / "guard" / "runs" / "0.1.0-execute"))
    assert "pydantic" in loaded and not loaded & HEAVY - LIGHT
    assert not loaded & {"eng5_runner.contracts.callbacks", "eng5_runner.app.options.table"}


def test_the_options_of_the_program_are_made_once_and_not_for_a_command() -> None:
    plan, status = ("--mode", "plan"), ("status", "runs/latest")
    made = [tuple(command().make_context("eng5-runner", [*words]).command.params) for words in (plan, status, plan)]
    assert made[1] == () and made[0] == made[2]
    assert len({option.name for option in made[0]}) == len(made[0]) > len(OPTIONS)


def test_json_has_the_words_of_the_table_though_it_is_declared_without_loading_that() -> None:
    setting = next(setting for setting in SETTINGS if setting.name == "json_lines")
    (status,) = (option for option in command().commands["status"].params if option.name == "json")
    assert (tuple(status.opts), status.help) == (setting.flags, setting.option.help)


def test_a_plan_loads_no_services_no_events_and_the_models_of_results_only_for_a_pilot(tmp_path: Path) -> None:
    plan = ("--mode", "plan", "--assets", str(ROOT / "examples" / "eng5_demo"), "--output-dir", str(tmp_path))
    loaded = loaded_by(*plan)
    assert "eng5_runner.contracts.services" in loaded and not loaded & HEAVY - {"pydantic", "rich"}
    assert not loaded & {"eng5_runner.results.artefact", "eng5_runner.contracts.callbacks", "eng5_runner.core.events"}
    assert not loaded & {"email.policy", "html.parser", "rich.progress"}
    pilot = ("--pilot", str(ROOT / "tests" / "guard" / "runs" / "0.1.0-execute"))
    assert "eng5_runner.results.artefact" in loaded_by(*plan, *pilot)


def test_the_documented_table_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "options.md").read_text() == options_text(), "run: make options"


def test_preflight_checks_what_execute_needs_whatever_the_mode(tmp_path: Path) -> None:
    ran = run("preflight", "--assets", DEMO, "--mode", "plan", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert {"assets", "judge"} <= {line["about"] for line in ran.lines if line["event"] == "Check"}

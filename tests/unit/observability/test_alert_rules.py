"""What rules measure, when they fire and end, and what is said of a file that is wrong."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from src.observability.alerts import budgets, measures, messages
from src.observability.alerts.budgets import BudgetState
from src.observability.alerts.location import AlertsError, alerts_path
from src.observability.alerts.readings import wilson
from src.observability.alerts.rules import KINDS
from src.observability.alerts.watcher import check
from src.observability.store.reader import StoreReader
from tests.unit.observability.alerting import NOW, Desk, add_calls, add_decision, rules_of

if TYPE_CHECKING:
    from src.observability.alerts.readings import Reading

ERRORS = '[[rule]]\nname = "errors"\nkind = "error_rate"\nthreshold = "20%"\n'


def read(folder: Path, rule: str, watched_since: float | None = None) -> tuple[Reading, str]:
    """Return what a rule measures, and how that is said."""
    (chosen,) = rules_of(folder, f'[[rule]]\nname = "r"\n{rule}').rules
    reading = measures.measure(chosen, StoreReader(folder / "t.db"), NOW, watched_since)
    return reading, messages.sentence(chosen, reading)


def test_a_cost_whose_part_is_not_known_is_at_least(tmp_path: Path) -> None:
    store = tmp_path / "t.db"
    add_calls(store, 4, cost_usd=0.75)
    add_calls(store, 3, cost_usd=None, cost_unknown=True)
    add_calls(store, 5, ago_s=4_000, cost_usd=100.0)
    reading, text = read(tmp_path, 'kind = "cost"\nthreshold = 5')
    assert (reading.value, reading.n, reading.at_least) == (3.0, 7, True)
    assert text == "cost at least $3.00 of 7 calls in 1 h; 3 calls without a known price"


def test_an_error_rate_says_its_n_and_interval(tmp_path: Path) -> None:
    from scipy.stats import binomtest

    add_calls(tmp_path / "t.db", 16, level="ERROR", error_category="timeout", agent="whale")
    add_calls(tmp_path / "t.db", 36, agent="whale")
    add_calls(tmp_path / "t.db", 100, agent="other")
    reading, text = read(tmp_path, 'kind = "error_rate"\nthreshold = "20%"\nwhere = { agent = "whale" }')
    assert (reading.value, reading.n) == (16 / 52, 52)
    assert reading.interval == pytest.approx(tuple(binomtest(16, 52).proportion_ci(method="wilson")), abs=1e-6)
    assert text == "error rate 30.8 % of 52 calls in 15 min (95 % interval 19.9 % to 44.3 %); timeout 16"


def test_one_error_of_two_wakes_nobody(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ERRORS)
    add_calls(desk.store, 1, level="ERROR")
    add_calls(desk.store, 1)
    checked = desk.only()
    assert (checked.state.status, checked.news) == ("ok", None)
    assert messages.sentence(checked.rule, checked.reading).endswith("too few to say: the rule wants 20; other 1")


def test_a_latency_is_of_calls_that_succeeded_or_timed_out(tmp_path: Path) -> None:
    add_calls(tmp_path / "t.db", 90, seconds=1.0)
    add_calls(tmp_path / "t.db", 10, seconds=60.0, level="ERROR", error_category="timeout")
    add_calls(tmp_path / "t.db", 50, seconds=0.1, level="ERROR", error_category="authentication")
    assert read(tmp_path, 'kind = "latency"\nthreshold = "8s"')[0].value == pytest.approx(60.0)
    assert read(tmp_path, 'kind = "latency"\nthreshold = "8s"\npercentile = 90')[0].value == pytest.approx(1.0)
    assert read(tmp_path, 'kind = "latency"\nthreshold = "8s"\npercentile = 91')[0].n == 100


def test_a_window_is_read_whole_across_rows_that_were_stored_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_STEP", 20)
    add_calls(tmp_path / "t.db", 30, ago_s=9_000)
    add_calls(tmp_path / "t.db", 25, ago_s=800)
    add_calls(tmp_path / "t.db", 15, ago_s=9_000)
    add_calls(tmp_path / "t.db", 10, ago_s=10)
    assert read(tmp_path, 'kind = "cost"\nthreshold = 5\nwindow = "15m"')[0].n == 35


def test_agreement_is_that_of_decisions_with_several_votes(tmp_path: Path) -> None:
    store = tmp_path / "t.db"
    for number, value in enumerate((1.0, 0.5, 0.6)):
        add_decision(store, f"d{number}", ago_s=60, agreement=value)
    add_decision(store, "alone", ago_s=60, agreement=1.0, votes='[["a","BUY",50]]')
    add_decision(store, "past", ago_s=60, agreement=0.0, environment="backtest")
    reading, _ = read(tmp_path, 'kind = "agreement"\nthreshold = "60%"')
    assert reading.n == 3
    assert reading.value == pytest.approx(0.7)


def test_silence_is_counted_from_the_last_decision_that_a_program_wrote(tmp_path: Path) -> None:
    store, rule = tmp_path / "t.db", 'kind = "no_decision"\nthreshold = "30m"'
    add_decision(store, "older", ago_s=6_000)
    add_decision(store, "old", ago_s=600)
    add_decision(store, "test", ago_s=5, environment="backtest")
    add_decision(store, "read", ago_s=5, derived=True)
    assert read(tmp_path, rule)[0].value == pytest.approx(600)
    assert read(tmp_path, f'{rule}\nwhere = {{ environment = "backtest" }}')[0].value == pytest.approx(5)


def test_a_store_without_decisions_is_silent_since_the_rule_was_first_checked(tmp_path: Path) -> None:
    desk = Desk(tmp_path, '[[rule]]\nname = "silence"\nkind = "no_decision"\nthreshold = "30m"\n')
    assert messages.sentence(desk.rules.rules[0], desk.only().reading).startswith("the store has no decision")
    assert desk.only(1_700).news is None
    checked = desk.only(200)
    assert checked.news == "firing"
    assert "no decision for 31.7 min; the store has no decision of this kind" in messages.sentence(
        checked.rule, checked.reading
    )


def test_the_fullest_budget_counts_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'kind = "budget"\nthreshold = "80%"\nwindow = "day"\nwhere = { agent = "whale" }'
    monkeypatch.setattr(budgets, "_source", None)
    assert "has not read them" in read(tmp_path, rule)[1]
    states = [
        BudgetState(window="day", limit_usd=5.0, spent_usd=1.0, reserved_usd=3.5, match={"agent": "whale"}),
        BudgetState(window="day", limit_usd=9.0, spent_usd=9.0, reserved_usd=0.0),
        BudgetState(window="hour", limit_usd=1.0, spent_usd=1.0, reserved_usd=0.0, match={"agent": "whale"}),
    ]
    budgets.use(lambda *_: states)
    reading, text = read(tmp_path, rule)
    assert reading.value == 0.9
    assert text == "budget 90 %; the day's budget of $5.00 (agent whale): $1.00 spent, $3.50 reserved"


def test_hysteresis_holds_a_rule_between_its_two_bounds(tmp_path: Path) -> None:
    desk = Desk(tmp_path, '[[rule]]\nname = "spend"\nkind = "cost"\nthreshold = 5\nclear = 3\nwindow = "10m"\n')
    add_calls(desk.store, 1, ago_s=60, cost_usd=3.0)
    add_calls(desk.store, 1, ago_s=0, cost_usd=2.0)
    assert desk.only().news == "firing"
    add_calls(desk.store, 1, ago_s=-590, cost_usd=1.5)
    assert (desk.only(595).news, desk.only().state.status) == (None, "firing")  # 3.5: between the bounds
    checked = desk.only(10)
    assert (checked.news, checked.state.status) == ("resolved", "ok")  # 1.5


def test_a_condition_must_hold_for_its_time_and_not_only_at_two_looks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ERRORS.replace('"20%"', '"20%"\nfor = "2m"\nwindow = "2h"'))
    add_calls(desk.store, 30, level="ERROR")
    assert [desk.only(30).state.status for _ in range(4)] == ["pending"] * 4
    assert desk.only(3_600).state.status == "pending"  # nobody knows how it was meanwhile
    assert desk.only(119).state.status == "pending"
    assert desk.only(1).news == "firing"


@pytest.mark.parametrize(("missing", "status"), [("hold", "firing"), ("resolve", "ok"), ("fire", "firing")])
def test_what_becomes_of_a_rule_without_data_is_stated(tmp_path: Path, missing: str, status: str) -> None:
    desk = Desk(tmp_path, f'{ERRORS}missing = "{missing}"\n')
    assert desk.only().state.status == ("firing" if missing == "fire" else "ok")
    add_calls(desk.store, 30, level="ERROR")
    assert desk.only().state.status == "firing"
    assert desk.only(3_600).state.status == status


def test_a_rule_that_goes_on_says_so_again_after_a_while(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f'{ERRORS}repeat = "4h"\n')
    add_calls(desk.store, 30, level="ERROR")
    news = [desk.only(later).news for later in (0, 7_200, 7_200, 60)]
    assert news == ["firing", None, "still firing", None]


QUIET = '{ from = "22:00", to = "07:00", zone = "America/New_York", days = ["fri"], except = ["critical"] }'


def test_quiet_hours_cross_midnight_by_the_clocks_of_their_zone(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, f"{ERRORS}quiet = {QUIET}\n").rules
    zone = ZoneInfo("America/New_York")
    assert rule.quiet is not None
    holds = {
        day_hour: rule.quiet.holds(datetime(2025, 11, *day_hour, tzinfo=zone).timestamp(), "warning")
        for day_hour in itertools.product((27, 28, 29), (3, 21, 23))
    }
    assert [key for key, is_quiet in holds.items() if is_quiet] == [(28, 23), (29, 3)]  # from Friday to Saturday
    assert not rule.quiet.holds(datetime(2025, 11, 28, 23, tzinfo=zone).timestamp(), "critical")


def test_what_began_and_ended_in_quiet_hours_is_not_told_and_what_lasts_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f'{ERRORS}quiet = {{ from = "15:00", to = "17:00", zone = "UTC" }}\nmissing = "resolve"\n')
    add_calls(desk.store, 30, level="ERROR")
    assert (desk.only().news, desk.only().state.status) == (None, "firing")
    assert (desk.only(1_000).news, desk.only().state.status) == (None, "ok")
    add_calls(desk.store, 30, level="ERROR", ago_s=-3_000)
    assert desk.only(2_100).state.status == "firing"
    assert desk.only(700).news == "firing"  # it is past five


def test_checking_alone_writes_nothing(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, ERRORS)
    add_calls(tmp_path / "t.db", 30, level="ERROR")
    before = sorted(path.name for path in tmp_path.iterdir())
    (checked,) = check(rules, tmp_path / "t.db", {}, NOW)
    assert checked.state.status == "firing"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no rule: it needs one or more tables [[rule]]"),
        ("every = 5\n" + ERRORS, "every is 5: give a duration with its unit, such as 90s, 15m, 4h or 7d"),
        (ERRORS + ERRORS, "rule 'errors': name is another rule's too"),
        (ERRORS.replace("20%", "a lot"), "rule 'errors': threshold is 'a lot': give a share such as '20%', or 0.2"),
        (ERRORS.replace('"20%"', "20"), "rule 'errors': threshold is 20: give a share"),
        (ERRORS + 'clear = "30%"\n', "rule 'errors': clear is '30%': it must not lie above the threshold"),
        (ERRORS + 'windows = "5m"\n', "rule 'errors': windows is no key here: use clear, "),
        (ERRORS + 'where = { pair = "x" }\n', "rule 'errors': where has 'pair': error_rate is chosen by agent, "),
        (ERRORS + 'to = ["team"]\n', "rule 'errors': to has 'team': give some of log"),
        (ERRORS + 'quiet = { from = "22:00", to = "07:00" }\n', "rule 'errors': zone is missing"),
        (ERRORS + 'quiet = { from = "1:00", to = "2:00", zone = "Mars" }\n', "zone is 'Mars', which is no time zone"),
        (ERRORS.replace("error_rate", "errors"), "rule 'errors': kind is 'errors': give one of cost, "),
        ('[[rule]]\nkind = "cost"\n', "rule number 1: name is missing"),
        ('[destination.a]\nkind = "slack"\nurl = "https://x/SECRET"\n' + ERRORS, "url is no key of slack: name the "),
        ('[destination.a]\nkind = "slack"\nurl_env = "https://x/SECRET"\n' + ERRORS, "is no variable's name"),
        ("[[rule]\n", "is no TOML in UTF-8: "),
        ('[quiet]\nfrom = "25:00"\nto = "7:00"\n' + ERRORS, ", line 2: [quiet]: from is '25:00': give a time of day"),
        ("# mine\n" + ERRORS.replace("20%", "a lot"), ", line 5: rule 'errors': threshold is 'a lot'"),
        ('evry = "30s"\n' + ERRORS, ", line 1: evry is no key here"),
        ('[destination.a]\nkind = "slak"\n' + ERRORS, ", line 2: destination.a.kind is 'slak'"),
        (ERRORS + ERRORS.replace("20%", "x").replace('"errors"', '"b"'), "rule 'b': threshold is 'x'"),
        (ERRORS.replace("20%", "120%"), "threshold is '120%': no share of calls is above 100%"),
        (ERRORS.replace("20%", "0%"), "threshold is '0%': the rule would always fire"),
        (ERRORS.replace("error_rate", "agreement").replace("20%", "0%"), "the rule would never fire"),
        (
            ERRORS.replace("error_rate", "latency").replace("20%", "8s") + "percentile = 0.95\n",
            "percentile is 0.95: give a number from 1 to below 100: 95 for the quantile 0.95",
        ),
    ],
)
def test_a_wrong_file_is_one_error_that_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(AlertsError) as caught:
        rules_of(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "alerts.toml"))
    assert problem in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    rules_of(tmp_path, ERRORS)
    (tmp_path / "alerts.toml").chmod(0o666)
    from src.observability.alerts.rule_file import read_rules

    with pytest.raises(AlertsError, match=r"anybody may write it, and so decide what is run\. Run: chmod go-w"):
        read_rules(tmp_path / "alerts.toml")


def test_the_file_is_the_named_one_or_the_projects_own(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "alerts.toml").touch()
    (tmp_path / "project" / ".git").mkdir()
    assert alerts_path({}, inner) is None
    (tmp_path / "project" / "alerts.toml").touch()
    assert alerts_path({}, inner) == tmp_path / "project" / "alerts.toml"
    assert alerts_path({"MOONDEV_ALERTS": "off"}, inner) is None
    assert alerts_path({"MOONDEV_ALERTS": str(tmp_path / "alerts.toml")}, inner) == tmp_path / "alerts.toml"
    with pytest.raises(AlertsError, match=r"MOONDEV_ALERTS names .*nothing, which is no file"):
        alerts_path({"MOONDEV_ALERTS": str(tmp_path / "nothing")}, inner)


def test_wilsons_interval_holds_at_its_ends() -> None:
    from scipy.stats import binomtest

    for hits in (0, 10):
        assert wilson(hits, 10) == pytest.approx(tuple(binomtest(hits, 10).proportion_ci(method="wilson")), abs=1e-6)


def test_the_file_in_the_documentation_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    rules = rules_of(tmp_path, page.partition("```toml\n")[2].partition("```")[0])
    assert [rule.name for rule in rules.rules] == ["spend", "whale fails", "silence"]
    assert all(rule.quiet is not None for rule in rules.rules)
    assert all(f"`{kind}`" in page for kind in KINDS)

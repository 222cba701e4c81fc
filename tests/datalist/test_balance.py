"""The balance table, and the warning of columns that tell something of the class."""

import random

import numpy as np
import pytest
import scipy.stats

from monai_fusion.datalist.balance import Member, balance_of, chi_squared_p, link_of


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("value", [0.0, 1e-3, 0.5, 3.84, 10.0, 60.0, 300.0])
def test_the_tail_of_chi_squared_is_scipys(value: float, freedom: int) -> None:
    assert chi_squared_p(value, freedom) == pytest.approx(scipy.stats.chi2.sf(value, freedom), rel=1e-9, abs=1e-300)


def test_cramers_v_and_p_are_scipys() -> None:
    draw = random.Random(3)
    pairs = [(draw.choice("ABC"), label) for label in (0, 1, 2) for _ in range(40)]
    pairs += [("A", 0)] * 15
    counts = np.array([[pairs.count((name, label)) for label in range(3)] for name in "ABC"])
    link = link_of("site", pairs, 3)
    assert link.cramers_v == pytest.approx(scipy.stats.contingency.association(counts, method="cramer"))
    assert link.p == pytest.approx(scipy.stats.chi2_contingency(counts, correction=False).pvalue)


def lemon() -> list[Member]:
    """Sex by age as LEMON has it: 108 M and 45 F under 55, 37 M and 37 F above."""
    numbers = {("20-25", 0): 108, ("20-25", 1): 45, ("60-65", 0): 37, ("60-65", 1): 37}
    participants = [(age, label) for (age, label), number in numbers.items() for _ in range(number)]
    sections = ("training", "training", "validation", "test")
    return [
        Member(sections[i % 4], i % 4, label, {"age": age, "site": "AB"[i % 2], "initials": f"x{i}"})
        for i, (age, label) in enumerate(participants)
    ]


def test_age_is_confounded_with_sex_in_lemon_and_the_numbers_say_how() -> None:
    [link] = balance_of(lemon(), ("M", "F"), ("age", "site", "initials")).links
    assert link.column == "age"
    assert link.cramers_v == pytest.approx(0.2009, abs=5e-5)
    assert link.p == pytest.approx(0.00247, abs=5e-6)
    assert (link.category, link.shares) == ("20-25", pytest.approx((108 / 145, 45 / 82)))


def test_the_rows_add_up() -> None:
    balance = balance_of(lemon(), ("M", "F"), ("age", "site"))
    assert balance.strata == (("age", "20-25"), ("age", "60-65"), ("site", "A"), ("site", "B"))
    rows = {row.name: row for row in balance.rows}
    assert list(rows) == ["fold 0", "fold 1", "fold 2", "fold 3", "training", "validation", "test", "all"]
    assert rows["all"].by_class == (145, 82)
    assert rows["all"].by_stratum[:2] == ((108, 45), (37, 37))
    for names in (("fold 0", "fold 1", "fold 2", "fold 3"), ("training", "validation", "test")):
        assert sum(rows[name].number for name in names) == 227
        for index in range(4):
            assert sum(sum(rows[name].by_stratum[index]) for name in names) == sum(rows["all"].by_stratum[index])


def test_a_column_of_many_categories_is_shown_only_if_it_was_balanced_and_one_of_one_never() -> None:
    members = [Member("test", None, i % 2, {"site": f"s{i % 9}", "scanner": "Verio"}) for i in range(90)]
    assert balance_of(members, ("M", "F"), ("site", "scanner")).strata == ()
    assert len(balance_of(members, ("M", "F"), (), ("site",)).strata) == 9

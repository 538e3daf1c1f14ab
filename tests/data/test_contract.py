"""The contract as data."""

import pytest

from data.contract import load_contract
from data.errors import ContractError, UsageError


def test_every_event_type_of_the_vocabulary_is_known_once() -> None:
    types = load_contract().event_types
    assert len(set(types)) == len(types) == 38
    assert {"refund_requested", "deadline_moved", "clawback_written_off"} <= set(types)


def test_a_task_adds_columns_event_types_and_key_types() -> None:
    wider = load_contract().adding(
        columns={"weight_g": "int"}, event_types=["line_purchased"], key_types={"user_id": "int"}
    )
    assert wider.columns["weight_g"].type == "int"
    assert "line_purchased" in wider.event_types
    assert wider.key_types == {"user_id": "int"}


@pytest.mark.parametrize(
    ("adding", "said"),
    [
        ({"columns": {"weight_g": "integer"}}, "did you mean 'int'"),
        ({"columns": {"amount_cents": "text"}}, "the contract has int"),
        ({"key_types": {"user_id": "float"}}, "key type 'float'"),
        ({"key_types": {"user": "int"}}, "did you mean 'user_id'"),
        ({"key_types": {"amount_cents": "int"}}, "is no key"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(
    adding: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        load_contract().adding(**adding)  # type: ignore[arg-type]


def test_a_misnamed_column_is_named_with_the_nearest() -> None:
    contract = load_contract()
    good = list(contract.required)
    with pytest.raises(ContractError, match=r"'user_id' is missing\nfix: rename it from 'user'"):
        contract.require(["user" if n == "user_id" else n for n in good], where="shop.csv")
    with pytest.raises(ContractError, match="did you mean 'amount_cents'"):
        contract.require([*good, "amount_cent"], where="shop.csv")
    with pytest.raises(ContractError, match=r"shop.csv: column 'user_id' is missing"):
        contract.require([n for n in good if n != "user_id"], where="shop.csv")

"""Carry payments on Stellar out as its ledgers do; stellar_sdk takes over a second to import."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from stellar_sdk import (
    HashMemo,
    IdMemo,
    Keypair,
    Payment,
    ReturnHashMemo,
    TextMemo,
    TransactionEnvelope,
    xdr,
)
from stellar_sdk.exceptions import BadSignatureError

from cli.local.sandbox.messages import Thing

MIN_FEE: Final = 100
MAX_AMOUNT: Final = "922337203685.4775807"
_ONE: Final = 10**7


class Unreadable(Exception):
    """It is no transaction with one payment."""


class Sent:
    """Hold a transaction that was sent."""

    def __init__(self, envelope: str, network: str) -> None:
        """Read its XDR.

        Raises:
            Unreadable: it is none that is played here.
        """
        try:
            self._envelope = TransactionEnvelope.from_xdr(envelope, network)
            (payment,) = self._envelope.transaction.operations
        except (ValueError, EOFError, AttributeError):
            raise Unreadable from None
        if not isinstance(payment, Payment):
            raise Unreadable
        self._payment = payment
        self._transaction = self._envelope.transaction
        self._source = self._transaction.source.account_id
        self._xdr = envelope
        self.digest = self._envelope.hash_hex()

    def objection(self, accounts: Mapping[str, Thing], closed_at: datetime) -> str | None:
        """Say why no ledger takes it, in Horizon's words."""
        bounds = self._transaction.preconditions and self._transaction.preconditions.time_bounds
        if bounds and bounds.max_time and closed_at.timestamp() > bounds.max_time:
            return "tx_too_late"
        if self._transaction.fee < MIN_FEE:
            return "tx_insufficient_fee"
        if self._source not in accounts:
            return "tx_no_source_account"
        if self._transaction.sequence != int(accounts[self._source]["sequence"]) + 1:
            return "tx_bad_seq"
        return None if self._is_signed() else "tx_bad_auth"

    def applied(self, accounts: dict[str, Thing], number: int, closed_at: datetime) -> Thing:
        """Take the account's next number and move the money; give the operation as Horizon lists it."""
        accounts[self._source]["sequence"] = str(self._transaction.sequence)
        fault = self._move(accounts)
        when = closed_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return {
            "id": str(number),
            "paging_token": str(number),
            "transaction_successful": fault is None,
            "source_account": self._source,
            "type": "payment",
            "type_i": 1,
            "created_at": when,
            "transaction_hash": self.digest,
            **self._asset_members(),
            "from": self._source,
            "to": self._payment.destination.account_id,
            "amount": _text(_stroops(self._payment.amount)),
            **({"result_codes": {"transaction": "tx_failed", "operations": [_code(fault)]}} if fault else {}),
            "transaction": {
                "hash": self.digest,
                "ledger": number >> 32,
                "created_at": when,
                "source_account": self._source,
                "source_account_sequence": str(self._transaction.sequence),
                "max_fee": str(self._transaction.fee),
                "envelope_xdr": self._xdr,
                "result_xdr": _result(fault or xdr.PaymentResultCode.PAYMENT_SUCCESS),
                "successful": fault is None,
                **self._memo_members(),
            },
        }

    def _is_signed(self) -> bool:
        if len(self._envelope.signatures) != 1:
            return False
        try:
            Keypair.from_public_key(self._source).verify(self._envelope.hash(), self._envelope.signatures[0].signature)
        except BadSignatureError:
            return False
        return True

    def _move(self, accounts: Mapping[str, Thing]) -> xdr.PaymentResultCode | None:
        destination = self._payment.destination.account_id
        if destination not in accounts:
            return xdr.PaymentResultCode.PAYMENT_NO_DESTINATION
        source, target = self._line(accounts[self._source]), self._line(accounts[destination])
        if source is None:
            return xdr.PaymentResultCode.PAYMENT_SRC_NO_TRUST
        if target is None:
            return xdr.PaymentResultCode.PAYMENT_NO_TRUST
        stroops = _stroops(self._payment.amount)
        fault = _fault(source, target, stroops)
        if fault is None:
            source["balance"] = _text(_stroops(source["balance"]) - stroops)
            target["balance"] = _text(_stroops(target["balance"]) + stroops)
        return fault

    def _line(self, account: Thing) -> Thing | None:
        wanted = self._asset_members()
        lines: list[Thing] = account["balances"]
        return next((line for line in lines if wanted.items() <= line.items()), None)

    def _asset_members(self) -> dict[str, str]:
        asset = self._payment.asset
        if asset.is_native() or asset.issuer is None:
            return {"asset_type": "native"}
        return {"asset_type": asset.type, "asset_code": asset.code, "asset_issuer": asset.issuer}

    def _memo_members(self) -> dict[str, str]:
        match self._transaction.memo:
            case TextMemo(memo_text=text):
                return {"memo_type": "text", "memo": text.decode()}
            case IdMemo(memo_id=number):
                return {"memo_type": "id", "memo": str(number)}
            case HashMemo(memo_hash=octets):
                return {"memo_type": "hash", "memo": octets.hex()}
            case ReturnHashMemo(memo_return=octets):
                return {"memo_type": "return", "memo": octets.hex()}
        return {"memo_type": "none"}


def _fault(source: Thing, target: Thing, stroops: int) -> xdr.PaymentResultCode | None:
    if not target.get("is_authorized", True):
        return xdr.PaymentResultCode.PAYMENT_NOT_AUTHORIZED
    if _stroops(source["balance"]) < stroops:
        return xdr.PaymentResultCode.PAYMENT_UNDERFUNDED
    if _stroops(target["balance"]) + stroops > _stroops(target.get("limit", MAX_AMOUNT)):
        return xdr.PaymentResultCode.PAYMENT_LINE_FULL
    return None


def _code(fault: xdr.PaymentResultCode) -> str:
    return fault.name.lower().replace("payment", "op", 1)


def _result(code: xdr.PaymentResultCode) -> str:
    payment = xdr.OperationResultTr(xdr.OperationType.PAYMENT, payment_result=xdr.PaymentResult(code))
    success = code is xdr.PaymentResultCode.PAYMENT_SUCCESS
    result = xdr.TransactionResultResult(
        xdr.TransactionResultCode.txSUCCESS if success else xdr.TransactionResultCode.txFAILED,
        results=[xdr.OperationResult(xdr.OperationResultCode.opINNER, payment)],
    )
    return xdr.TransactionResult(xdr.Int64(MIN_FEE), result, xdr.TransactionResultExt(0)).to_xdr()


def _stroops(text: str) -> int:
    return int(Decimal(text) * _ONE)


def _text(stroops: int) -> str:
    return f"{stroops // _ONE}.{stroops % _ONE:07d}"

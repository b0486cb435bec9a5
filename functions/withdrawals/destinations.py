"""Where withdrawn money is to go, as it is asked for and shown."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from tallystick.domain.destinations import Destination, DestinationType, MemoType
from tallystick.shapes import StrictModel


def _field(description: str, example: str) -> Any:  # noqa: ANN401 (as pydantic's own Field)
    return Field(max_length=128, description=description, examples=[example])


HolderName = Annotated[str, _field("At most 70 characters.", "Ada Lovelace")]


class StellarDestination(StrictModel):
    """Name a Stellar account, and for whom it is by a memo if many share it."""

    type: Literal["stellar"]
    address: Annotated[
        str,
        _field(
            "Begins with G; muxed accounts (M) and contracts (C) are not taken.",
            "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
        ),
    ]
    memo: Annotated[
        str | None, _field("At most 28 bytes of text, a number below 2^64, or 64 hexadecimal digits.", "12345")
    ] = None
    memo_type: Annotated[MemoType | None, Field(description="Goes with `memo`.")] = None

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: there is no such account or memo.
        """
        from tallystick.adapters.destinations import stellar

        return stellar.check(self.address, self.memo, self.memo_type)


class EvmDestination(StrictModel):
    """Name an account of Ethereum or a network built like it."""

    type: Literal["evm"]
    address: Annotated[
        str, _field("With the capitals of its checksum (EIP-55).", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    ]

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: it is no address, or its checksum is missing or wrong.
        """
        from tallystick.adapters.destinations import evm

        return evm.check(self.address)


class BitcoinDestination(StrictModel):
    """Name an address of Bitcoin's main network."""

    type: Literal["bitcoin"]
    address: Annotated[str, _field("Begins with 1, 3 or bc1.", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")]

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: it is no such address.
        """
        from tallystick.adapters.destinations import bitcoin

        return bitcoin.check(self.address)


class IbanDestination(StrictModel):
    """Name a bank account by its IBAN."""

    type: Literal["iban"]
    iban: Annotated[str, _field("With or without spaces.", "GB29 NWBK 6016 1331 9268 19")]
    account_holder_name: HolderName

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: there is no such IBAN, or the name is not acceptable.
        """
        from tallystick.adapters.destinations import iban

        return iban.check(self.iban, self.account_holder_name)


class NubanDestination(StrictModel):
    """Name a bank account in Nigeria."""

    type: Literal["nuban"]
    bank_code: Annotated[str, _field("3 digits of a bank, 5 or 6 of another institution.", "011")]
    account_number: Annotated[str, _field("10 digits.", "0000014579")]
    account_holder_name: HolderName

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: there is no such account number, or the name is not acceptable.
        """
        from tallystick.adapters.destinations import nuban

        return nuban.check(self.bank_code, self.account_number, self.account_holder_name)


class StripeDestination(StrictModel):
    """Name a bank account or card that Stripe knows."""

    type: Literal["stripe"]
    external_account: Annotated[
        str, _field("Stripe's id: `ba_…` of a bank account, `card_…` of a card.", "ba_1MtFgV2eZvKYlo2C")
    ]

    def to_domain(self) -> Destination:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: it is no such id.
        """
        from tallystick.adapters.destinations import stripe

        return stripe.check(self.external_account)


DestinationRequest = Annotated[
    StellarDestination | EvmDestination | BitcoinDestination | IbanDestination | NubanDestination | StripeDestination,
    Field(discriminator="type"),
]


class DestinationView(BaseModel):
    """Show where money goes, with the members that it was asked for with; only its owner and ADMIN see it."""

    type: DestinationType
    address: str | None = None
    memo: str | None = None
    memo_type: MemoType | None = None
    iban: str | None = None
    bank_code: str | None = None
    account_number: str | None = None
    account_holder_name: str | None = None
    external_account: str | None = None

    @classmethod
    def of(cls, destination: Destination) -> "DestinationView":
        """Show a destination."""
        account = {_MEMBER_OF_ACCOUNT[destination.type]: destination.account}
        return cls(
            type=destination.type,
            memo=destination.memo,
            memo_type=destination.memo_type,
            bank_code=destination.bank_code,
            account_holder_name=destination.name,
            **account,
        )


_MEMBER_OF_ACCOUNT: Final = {
    DestinationType.BITCOIN: "address",
    DestinationType.EVM: "address",
    DestinationType.IBAN: "iban",
    DestinationType.NUBAN: "account_number",
    DestinationType.STELLAR: "address",
    DestinationType.STRIPE: "external_account",
}

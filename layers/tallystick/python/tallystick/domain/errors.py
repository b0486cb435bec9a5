"""Name every refusal once; `tallystick.http` alone turns them into problems.

TallystickError
├── InvariantViolated               a bug or tampering: never expected, answered as an internal error
└── Refusal                         expected: raises no alarm
    ├── Unauthenticated · Forbidden · ServiceLimitExceeded · NotFound
    ├── MalformedBody · BodyTooLarge · InvalidRequest · InvalidAmount · AssetMismatch
    ├── IdempotencyKeyMissing · IdempotencyKeyInvalid
    ├── IdempotencyKeyReused · IdempotencyKeyVoided · IdempotencyKeyCommitted
    ├── AccountNotActive · InsufficientFunds · BalanceLimitExceeded · WalletNotEmpty
    ├── NotReversible · AlreadyReversed · LimitExceeded
    ├── WebhookRefused · ProviderRefused · IllegalTransition
    ├── InvalidCredentials · EmailNotConfirmed · EmailRegistered · LoginStepRequired
    └── Busy                        try again with the same key
        ├── TooManyRequests
        ├── TooMuchContention
        ├── StoreUnavailable
        └── ProviderUnavailable
"""

from typing import ClassVar


class TallystickError(Exception):
    """Base of everything that Tallystick raises on purpose."""


class InvariantViolated(TallystickError):
    """A rule that the ledger itself must keep was found broken; nothing was written."""


class Refusal(TallystickError):
    """A request was understood and refused; nothing was written."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused"

    def __init__(self, detail: str, **members: object) -> None:
        """Keep the sentence for people and the members that a program may act on."""
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthenticated(Refusal):
    """The access token does not say who is calling."""

    code = "unauthenticated"
    title = "A valid access token is needed"


class Forbidden(Refusal):
    """The caller's role does not allow this call."""

    code = "forbidden"
    title = "Not allowed"


class ServiceLimitExceeded(Refusal):
    """A SERVICE caller asked for more than one call may move; carries `limit`."""

    code = "service-limit-exceeded"
    title = "More than a service may move in one call"


class NotFound(Refusal):
    """There is no such thing, or it is not the caller's: the same answer for both."""

    code = "not-found"
    title = "Not found"

    def __init__(self, what: str) -> None:
        """Name the kind of thing, never which one."""
        super().__init__(f"There is no such {what}, or it is not yours.")


class MalformedBody(Refusal):
    """The body is no JSON object, or it is too long, too deep or ambiguous."""

    code = "malformed-body"
    title = "The body is not an acceptable JSON object"


class BodyTooLarge(Refusal):
    """The body is longer than this call takes."""

    code = "body-too-large"
    title = "The body is too long"


class InvalidRequest(Refusal):
    """A member or parameter is wrong; carries `errors` with pointers."""

    code = "invalid-request"
    title = "The request is not valid"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        """Take one `{detail, pointer}` (or `{detail, parameter}`) a fault."""
        super().__init__("; ".join(error["detail"] for error in errors), errors=errors)


class InvalidAmount(InvalidRequest):
    """An amount is not a positive decimal string that the asset can hold; carries `errors`."""

    code = "invalid-amount"
    title = "The amount is not valid"

    def __init__(self, detail: str, pointer: str = "/amount") -> None:
        """Point at the member that holds the amount."""
        super().__init__([{"detail": detail, "pointer": pointer}])


class AssetMismatch(Refusal):
    """The asset is unknown, or the wallets do not hold the same one."""

    code = "asset-mismatch"
    title = "The asset does not fit"


class IdempotencyKeyMissing(Refusal):
    """A call that moves money came without an Idempotency-Key."""

    code = "idempotency-key-missing"
    title = "Idempotency-Key is required"

    def __init__(self) -> None:
        """Say what to send."""
        super().__init__("Send an Idempotency-Key header of 1 to 255 printable characters.")


class IdempotencyKeyInvalid(Refusal):
    """The Idempotency-Key is empty, too long or not printable."""

    code = "idempotency-key-invalid"
    title = "Idempotency-Key is not valid"

    def __init__(self) -> None:
        """Say what is accepted."""
        super().__init__("An Idempotency-Key has 1 to 255 printable ASCII characters, quoted or bare.")


class IdempotencyKeyReused(Refusal):
    """The key belongs to another call or body."""

    code = "idempotency-key-reused"
    title = "Idempotency-Key was used for another request"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This key was used with another call or body; use a new key for a new request.")


class IdempotencyKeyVoided(Refusal):
    """The key was voided: it can never move money."""

    code = "idempotency-key-voided"
    title = "Idempotency-Key is void"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("This key was voided and will never move money; use a new key.")


class IdempotencyKeyCommitted(Refusal):
    """The key cannot be voided, for its movement has happened; carries `transfer_id`."""

    code = "idempotency-key-committed"
    title = "The movement has happened"


class AccountNotActive(Refusal):
    """The wallet is frozen or closed; carries `account_status`."""

    code = "account-not-active"
    title = "The wallet is not active"

    def __init__(self, account_id: str, status: str) -> None:
        """Name the wallet and its status."""
        super().__init__(f"Wallet {account_id} is {status}.", account=account_id, account_status=status)


class InsufficientFunds(Refusal):
    """The wallet holds less than the amount; carries `available` where the caller may read it."""

    code = "insufficient-funds"
    title = "Insufficient balance"


class BalanceLimitExceeded(Refusal):
    """The balance would need more than 38 digits."""

    code = "balance-limit-exceeded"
    title = "The balance would be too large"


class WalletNotEmpty(Refusal):
    """A wallet can be closed at zero only; carries `balance` and `held`."""

    code = "wallet-not-empty"
    title = "The wallet is not empty"


class NotReversible(Refusal):
    """Only credits, debits and transfers can be reversed; carries `kind`."""

    code = "not-reversible"
    title = "The movement cannot be reversed"


class AlreadyReversed(Refusal):
    """The movement was reversed under another key; carries `reversed_by`."""

    code = "already-reversed"
    title = "The movement was reversed before"

    def __init__(self, reversed_by: str) -> None:
        """Name the transfer that reversed it."""
        super().__init__(f"Transfer {reversed_by} has reversed it.", reversed_by=reversed_by)


class LimitExceeded(Refusal):
    """It is more than is allowed in this time; carries `resets_at`, and `remaining` or `remaining_count`."""

    code = "limit-exceeded"
    title = "More than is allowed in this time"


class InvalidCredentials(Refusal):
    """E-mail, password, code or refresh token is wrong: which one is not said."""

    code = "invalid-credentials"
    title = "The credentials are not valid"


class EmailNotConfirmed(Refusal):
    """The e-mail address still waits for its code."""

    code = "email-not-confirmed"
    title = "The e-mail address is not confirmed"


class EmailRegistered(Refusal):
    """The e-mail address has an account."""

    code = "email-registered"
    title = "The e-mail address is registered"


class LoginStepRequired(Refusal):
    """The account has to pass a challenge (a new password, a second factor) first; carries `challenge`."""

    code = "login-step-required"
    title = "Another step is needed to log in"


class WebhookRefused(Refusal):
    """A call to a webhook was not taken; which check refused it is counted and never told."""

    code = "webhook-refused"
    title = "The call was not accepted"

    def __init__(self) -> None:
        """Tell the caller nothing to learn from."""
        super().__init__("This call was not accepted.")


class ProviderRefused(Refusal):
    """The payment provider does not take this order; carries `provider`."""

    code = "provider-refused"
    title = "The provider refused the order"


class IllegalTransition(Refusal):
    """A flow is not in a state that allows this step; carries `state`."""

    code = "illegal-transition"
    title = "The state does not allow this"


class Busy(Refusal):
    """It was not done for now: the same request may be sent again after `retry_after_s`."""

    code = "busy"
    title = "Try again"
    retry_after_s: ClassVar[int] = 1


class TooManyRequests(Busy):
    """The identity provider limits attempts."""

    code = "too-many-requests"
    title = "Too many requests"
    retry_after_s = 60


class TooMuchContention(Busy):
    """Other movements of the same wallet won every try; nothing was written under this key by this call."""

    code = "too-much-contention"
    title = "The wallet is busy"


class StoreUnavailable(Busy):
    """The store throttled or failed; the same key finds out whether the movement happened."""

    code = "store-unavailable"
    title = "The ledger cannot be reached"


class ProviderUnavailable(Busy):
    """A payment provider did not answer, or answered that it cannot now; carries `provider`."""

    code = "provider-unavailable"
    title = "The provider cannot be reached"
    retry_after_s = 5


class NotYet(Exception):
    """Come back later with the same message."""

    def __init__(self, wait_ms: int) -> None:
        """Say when."""
        super().__init__(f"in {wait_ms} ms")
        self.wait_ms = wait_ms

"""/v1/auth: register, confirm, log in, refresh and log out."""

from aws_lambda_powertools.event_handler import Response

from functions.auth.schema import (
    ConfirmationView,
    ConfirmRequest,
    LoginRequest,
    RefreshTokenRequest,
    RegisterRequest,
    RegistrationView,
    TokensView,
)
from tallystick import http, wiring

app = http.build_app()


@app.post("/v1/auth/register", status_code=201, tags=["auth"])
def register(body: RegisterRequest) -> Response[RegistrationView]:
    """Sign up; a code is sent to the address."""
    registration = wiring.identity().register(body.email, body.password)
    view = RegistrationView(user_id=registration.user_id, email=body.email, confirmed=registration.confirmed)
    return http.created(view, replayed=False)


@app.post("/v1/auth/confirm", tags=["auth"])
def confirm(body: ConfirmRequest) -> Response[ConfirmationView]:
    """Confirm the address by the code that was sent to it."""
    wiring.identity().confirm(body.email, body.code)
    return http.ok(ConfirmationView(email=body.email))


@app.post("/v1/auth/login", tags=["auth"])
def login(body: LoginRequest) -> Response[TokensView]:
    """Exchange address and password for tokens."""
    return http.ok(TokensView.of(wiring.identity().login(body.email, body.password)))


@app.post("/v1/auth/refresh", tags=["auth"])
def refresh(body: RefreshTokenRequest) -> Response[TokensView]:
    """Exchange a refresh token for new tokens."""
    return http.ok(TokensView.of(wiring.identity().refresh(body.refresh_token)))


@app.post("/v1/auth/logout", status_code=204, tags=["auth"])
def logout(body: RefreshTokenRequest) -> Response[str]:
    """End a refresh token."""
    wiring.identity().logout(body.refresh_token)
    return http.no_content()


handler = http.lambda_handler(app)
